"""From the tables [[machine]] and [[machine.tag]] to the machines and tags of the domain."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from shoptwin.config import meaning
from shoptwin.config.decoding import decode
from shoptwin.config.forms import ISO_20816, MachineForm, TagForm
from shoptwin.config.problems import did_you_mean
from shoptwin.domain.errors import ShoptwinError
from shoptwin.domain.machine import Learning, Machine, StateRule
from shoptwin.domain.tag import Limits, Role, Tag
from shoptwin.domain.timing import from_datetime

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shoptwin.config.forms import LimitsForm
    from shoptwin.config.lines import Path
    from shoptwin.config.problems import Problems
    from shoptwin.domain.ports import Plugin

SHORTEST_PERIOD = 10 * 10**6
"""Nanoseconds: no PLC on a shop floor is polled faster than every 10 ms."""


class Machines:
    """Builds the machines of one file; names and ids that must be unique are remembered across them.

    `devices` maps each device's name to its driver's plugin (None where the device itself is wrong), so that a tag's
    address can be checked; without it, tags need no device (a recording).
    """

    def __init__(self, problems: Problems, devices: Mapping[str, Plugin | None] | None) -> None:
        self._problems = problems
        self._devices = devices
        self._names: dict[str, Path] = {}
        self._ids: dict[str, Path] = {}

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
        tags = self._tags(tag_tables, named, at)
        if form is None:
            return None
        problems = self._problems
        meaning.name(form.name, (*at, "name"), problems)
        self._once(self._names, form.name, (*at, "name"), "machine")
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
            state=self._state(form, (*at, "state")), maintenance_tag=form.maintenance_tag,
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

    def _state(self, form: MachineForm, at: Path) -> StateRule:
        rule = form.state
        fine = meaning.finite(rule.off, (*at, "off"), self._problems)
        fine &= meaning.finite(rule.idle, (*at, "idle"), self._problems)
        if fine and rule.off is not None and rule.idle is not None and rule.off >= rule.idle:
            self._problems.add(
                (*at, "off"), f"is {rule.off:g}, not below 'idle' ({rule.idle:g})",
                "at or below 'off' the machine is off, below 'idle' it idles, from 'idle' on it produces",
            )  # fmt: skip
        return StateRule(rule.off, rule.idle, dict(rule.values))

    def _tags(self, tables: object, machine: str, at: Path) -> tuple[Tag, ...]:
        if not isinstance(tables, list):
            self._problems.add((*at, "tag"), "must be an array of tables", "write [[machine.tag]], with two brackets")
            return ()
        names: dict[str, Path] = {}
        built = []
        for n, table in enumerate(tables):
            here = (*at, "tag", n)
            if form := decode(TagForm, table, here, self._problems):
                meaning.name(form.name, (*here, "name"), self._problems)
                self._once(names, form.name, (*here, "name"), "tag of this machine")
                built.append(self._tag(form, machine, here))
        return tuple(built)

    def _tag(self, form: TagForm, machine: str, at: Path) -> Tag:
        problems = self._problems
        tag_id = form.id if form.id is not None else f"{machine}.{form.name}"
        if form.id is not None:
            meaning.name(form.id, (*at, "id"), problems)
        self._identify(tag_id, (*at, "id" if form.id is not None else "name"))
        self._source(form, at)
        period = None
        if form.period is not None:
            period = meaning.duration(form.period, (*at, "period"), problems, least=SHORTEST_PERIOD)
        for key, number in (("scale", form.scale), ("offset", form.offset), ("rate", form.rate)):
            meaning.finite(number, (*at, key), problems)
        if form.scale == 0:
            problems.add((*at, "scale"), "cannot be 0: every value would be the same", "leave it out for no scaling")
        if form.rate is not None and form.rate <= 0:
            problems.add((*at, "rate"), f"must be above 0 Hz, not {form.rate:g}")
        if form.limits is not None and form.role is Role.WAVEFORM:
            problems.add(
                (*at, "limits"), "cannot judge a waveform",
                "give the machine's vibration level (mm/s) a tag of its own, with the role 'vibration'",
            )  # fmt: skip
        limits = self._limits(form.limits, (*at, "limits")) if form.limits else Limits()
        return Tag(
            id=tag_id, name=form.name, machine=machine, role=form.role, unit=form.unit, device=form.device or "",
            address=form.address or "", scale=form.scale, offset=form.offset, rate=form.rate, limits=limits,
            period=period,
        )  # fmt: skip

    def _identify(self, tag_id: str, at: Path) -> None:
        """Note an id that is not the tag's own, unless the names that two default ids come from were noted already."""
        if tag_id not in self._ids or at[-1] == "id" or self._ids[tag_id][-1] == "id":
            self._once(self._ids, tag_id, at, "tag (by id)")

    def _source(self, form: TagForm, at: Path) -> None:
        """Check the device and the address, where tags have them."""
        if self._devices is None:
            return
        problems = self._problems
        if form.device is None:
            problems.add(at, "needs the key 'device'", f"one of: {', '.join(self._devices)}" if self._devices else "")
        elif form.device not in self._devices:
            cure = did_you_mean(form.device, self._devices) or "add a [[device]] of this name"
            problems.add((*at, "device"), f"names no device ({form.device!r})", cure)
        if form.address is None:
            problems.add(at, "needs the key 'address'", "where it stands in the device, in its driver's way of writing")
        elif plugin := self._devices.get(form.device or ""):
            try:
                plugin.parse_address(form.address)
            except ShoptwinError as error:
                problems.add((*at, "address"), f"is refused by {plugin.name}: {error.message}", error.hint)

    def _limits(self, form: LimitsForm, at: Path) -> Limits:
        problems = self._problems
        given = [(key, getattr(form, key)) for key in ("lolo", "lo", "hi", "hihi") if getattr(form, key) is not None]
        fine = len([key for key, number in given if meaning.finite(number, (*at, key), problems)]) == len(given)
        fine &= meaning.finite(form.deadband, (*at, "deadband"), problems)
        for (low, small), (high, large) in pairwise(given) if fine else ():
            if small >= large:
                problems.add((*at, high), f"is {large:g}, not above '{low}' ({small:g})", "lolo < lo < hi < hihi")
        if form.deadband < 0:
            problems.add((*at, "deadband"), f"must not be below 0 ({form.deadband:g})")
        numbers: dict[str, Any] = dict(given)
        if fine and "lo" in numbers and "hi" in numbers and 0 < numbers["hi"] - numbers["lo"] <= 2 * form.deadband:
            problems.add((*at, "deadband"), "leaves no value between 'lo' and 'hi' at which an alarm could clear")
        delays: dict[str, Any] = {
            key: meaning.duration(getattr(form, key), (*at, key), problems) or 0 for key in ("on_delay", "off_delay")
        }
        return Limits(**numbers, deadband=form.deadband, **delays)

    def _once(self, seen: dict[str, Path], key: str, at: Path, what: str) -> None:
        """Note a problem where `key` was there before."""
        if key in seen:
            first = self._problems.line(seen[key])
            self._problems.add(at, f"{key!r} is already the name of a {what}, on line {first}", "each needs its own")
        else:
            seen[key] = at
