"""From the tables [[machine]] and [[machine.tag]] to the machines and tags of the domain."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from shoptwin.config import kinematics, meaning
from shoptwin.config.decoding import decode
from shoptwin.config.forms import ISO_20816, MachineForm
from shoptwin.config.problems import did_you_mean
from shoptwin.config.settings import TagList
from shoptwin.config.taglists import TagLists
from shoptwin.config.tags import Tags
from shoptwin.domain.machine import Learning, Machine, MachineState, StateRule
from shoptwin.domain.tag import Role
from shoptwin.domain.timing import from_datetime

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path as FilePath

    from shoptwin.config.lines import Path
    from shoptwin.config.problems import Problems
    from shoptwin.domain.ports import Plugin
    from shoptwin.domain.tag import Tag


_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


class Machines:
    """Builds the machines of one file; names that must be unique are remembered across them.

    Tag lists lie at paths that begin at `base`; `tag_lists` then tells of those that were read. For `devices` and
    `settings` see Tags.
    """

    def __init__(
        self,
        problems: Problems,
        devices: Mapping[str, Plugin | None] | None,
        base: FilePath,
        settings: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self._problems = problems
        self._base = base
        self._lists = TagLists(problems, base)
        self._tags = Tags(problems, devices, settings)
        self._names: dict[str, Path] = {}
        self.tag_lists: list[TagList] = []

    def build(self, tables: object) -> tuple[Machine, ...]:
        """Return the machines that could be built; what is wrong with the others is noted."""
        if not isinstance(tables, list):
            self._problems.add(("machine",), "must be an array of tables", "write [[machine]], with two brackets")
            return ()
        built = [self._machine(table, ("machine", n)) for n, table in enumerate(tables)]
        return tuple(machine for machine in built if machine is not None)

    def _machine(self, table: object, at: Path) -> Machine | None:
        apart = dict(table) if isinstance(table, dict) else table
        tag_tables = apart.pop("tag", []) if isinstance(apart, dict) else []
        form = decode(MachineForm, apart, at, self._problems)
        named = form.name if form else str(apart.get("name", "")) if isinstance(apart, dict) else ""
        lists = apart.get("tag_list", []) if isinstance(apart, dict) else []
        tags = self._tags.build(self._tables(tag_tables, lists, named, at), named)
        if form is None:
            return None
        problems = self._problems
        meaning.name(form.name, (*at, "name"), problems)
        meaning.once(form.name, (*at, "name"), self._names, "machine", problems)
        for key, level in (("area", form.area), ("line", form.line)):
            if level != "-":
                meaning.name(level, (*at, key), problems)
        if form.iso20816 is not None and form.iso20816 not in ISO_20816:
            problems.add(
                (*at, "iso20816"), f"cannot be {form.iso20816!r}",
                f"{did_you_mean(form.iso20816, ISO_20816)} (ISO 20816-3; docs/reference/configuration.md says which)",
            )  # fmt: skip
        if form.maintenance_tag is not None and form.maintenance_tag not in [tag.name for tag in tags]:
            cure = did_you_mean(form.maintenance_tag, [tag.name for tag in tags])
            problems.add((*at, "maintenance_tag"), f"names no tag of this machine ({form.maintenance_tag!r})", cure)
        rate = meaning.per_month(form.false_alarms, (*at, "false_alarms"), problems)
        return Machine(
            name=form.name, tags=tags, area=form.area, line=form.line, iso20816=form.iso20816,
            false_alarms_per_month=rate or 1.0, learning=self._learning(form, (*at, "learning")),
            state=self._state(form, tags, (*at, "state")), maintenance_tag=form.maintenance_tag,
            bearings=kinematics.bearings(form.bearing, (*at, "bearing"), problems),
            gears=kinematics.gears(form.gear, (*at, "gear"), problems),
        )  # fmt: skip

    def _learning(self, form: MachineForm, at: Path) -> Learning:
        until = None
        if form.learning.until is not None:
            try:
                until = from_datetime(form.learning.until)
            except ValueError as error:
                self._problems.add((*at, "until"), f"is wrong: {error}")
        span = meaning.duration(form.learning.span, (*at, "span"), self._problems, least=1)
        return Learning(until, span or 1)

    def _state(self, form: MachineForm, tags: Sequence[Tag], at: Path) -> StateRule:
        rule = form.state
        fine = meaning.finite(rule.off, (*at, "off"), self._problems)
        fine &= meaning.finite(rule.idle, (*at, "idle"), self._problems)
        if fine and rule.off is not None and rule.idle is not None and rule.off >= rule.idle:
            self._problems.add(
                (*at, "off"), f"is {rule.off:g}, not below 'idle' ({rule.idle:g})",
                "at or below 'off' the machine is off, below 'idle' it idles, from 'idle' on it produces",
            )  # fmt: skip
        return StateRule(rule.off, rule.idle, self._meanings(rule.values, tags, (*at, "values")))

    def _meanings(self, values: Mapping[str, MachineState], tags: Sequence[Tag], at: Path) -> dict[str, MachineState]:
        """Return what the values of the state tag mean, each by its number where the tag has labels for them."""
        labelled = [tag.labels for tag in tags if tag.role is Role.STATE and tag.labels]
        names = [text for labels in labelled for _, text in labels]
        found: dict[str, MachineState] = {}
        for key, state in values.items():
            meant = [str(number) for labels in labelled for number, text in labels if text == key] or [key]
            if labelled and meant == [key] and not _NUMBER.fullmatch(key):
                self._problems.add((*at, key), "is no label of the tag with the role 'state'", did_you_mean(key, names))
            for number in meant:
                if found.setdefault(number, state) is not state:
                    self._problems.add((*at, key), f"says again what {number} means", "by its number or its label")
        return found

    def _tables(self, tables: object, lists: object, machine: str, at: Path) -> Iterator[tuple[Path, object]]:
        """Yield the table of each tag with its path: those of the file first, then those of its lists."""
        if isinstance(tables, list):
            yield from (((*at, "tag", n), table) for n, table in enumerate(tables))
        else:
            self._problems.add((*at, "tag"), "must be an array of tables", "write [[machine.tag]], with two brackets")
        at = (*at, "tag_list")
        named: dict[str, Path] = {}
        for n, name in enumerate(lists if isinstance(lists, list) else [lists]):
            here = (*at, n) if isinstance(lists, list) else at
            if isinstance(name, str) and name in named:
                self._problems.add(here, f"names {name!r} twice", "once is enough")
            elif isinstance(name, str):
                named[name] = here
                found = list(self._lists.tables(name, here))
                self.tag_lists.append(TagList(self._base / name, machine, len(found)))
                yield from found
