"""What `shoptwin browse` prints, as it comes: a tree, JSON, or tags for the configuration."""

from __future__ import annotations

import json
import shlex
import sys
import time
from typing import TYPE_CHECKING, Any, Protocol

import click

from shoptwin.cli.browse_tree import Tree, kind, now, plain
from shoptwin.cli.printing import table, title
from shoptwin.cli.tagblocks import tag_blocks

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shoptwin.domain.device import TagCandidate
    from shoptwin.domain.discovery import FoundMachine

    Machines = list[tuple[FoundMachine, list[TagCandidate]]]

_MEASURED = 12
"""Measurements that are listed of each machine that describes itself."""


def show_machine(machine: FoundMachine, values: Sequence[TagCandidate], command: Sequence[str]) -> None:
    """Print a machine that describes itself, and what it measures; `command` browses the device."""
    what = f"{machine.type} of {machine.specification}" if machine.specification else machine.type
    title(plain(f"{machine.name}: {what}" if what else machine.name))
    for name, text in machine.identification.items():
        click.echo(f"  {name:<20}{plain(text)}")
    for each in values[:_MEASURED]:
        name = " / ".join((*each.path, each.name))
        click.echo(f"  {plain(name):<40}{kind(each):<10}{plain(now(each))}".rstrip())
    if len(values) > _MEASURED:
        click.echo(f"  and {len(values) - _MEASURED} more")
    at = machine.monitoring or machine.address
    click.echo(f"  {shlex.join([*command, '--at', at])}")


class Progress:
    """One line on a terminal that tells how far it is."""

    def __init__(self, *, wanted: bool) -> None:
        self._lively = wanted and sys.stderr.isatty()
        self._drawn = 0.0
        self._begun = time.monotonic()
        self.seen = self.kept = 0
        """Values that were looked at, and those that were wanted."""
        self.folders = 0

    def count(self, some: Sequence[TagCandidate]) -> None:
        """Take note of what came."""
        self.kept += sum(each.is_value for each in some)
        self.folders += sum(not each.is_value for each in some)
        now = time.monotonic()
        if self._lively and now - self._drawn > 0.1:  # noqa: PLR2004 - as fast as an eye
            self._drawn = now
            click.echo(f"\r\x1b[2K{self}", nl=False, err=True)

    def clear(self) -> None:
        """Take the line away, so that others can be printed."""
        if self._lively and self._drawn:
            click.echo("\r\x1b[2K", nl=False, err=True)

    def __str__(self) -> str:
        found = f"{self.kept} of {self.seen} values" if self.seen > self.kept else f"{self.kept} values"
        return f"{found} in {self.folders} folders, {time.monotonic() - self._begun:.0f} s"


class Out(Protocol):
    """Where what is found goes."""

    progress: Progress

    def machines(self, found: Machines) -> None:
        """Take machines that describe themselves, with what they measure."""

    def tree(self, some: Sequence[TagCandidate]) -> None:
        """Take what comes next of a tree."""

    def flat(self, listed: Sequence[TagCandidate]) -> None:
        """Take all that a device without a tree has."""

    def end(self, *, stopped: bool) -> None:
        """Finish; `stopped`: before all was seen."""


class Tables:
    """For people: machines first, then a tree."""

    def __init__(self, command: Sequence[str], *, sparse: bool) -> None:
        """`command` browses the device; `sparse`: leave out folders in which nothing is."""
        # Lines that come steadily are progress enough.
        self.progress = Progress(wanted=sparse or not sys.stdout.isatty())
        self._command, self._sparse, self._tree, self._listed = command, sparse, Tree(sparse=sparse), -1

    def machines(self, found: Machines) -> None:
        """As in Out."""
        for machine, values in found:
            show_machine(machine, values, self._command)
        if found:
            title("all that is there")

    def tree(self, some: Sequence[TagCandidate]) -> None:
        """As in Out."""
        if some:
            self.progress.clear()
        for each in some:
            self._tree.show(each)

    def flat(self, listed: Sequence[TagCandidate]) -> None:
        """As in Out."""
        self._listed = len(listed)
        headings = ("address", "name", "kind", "unit", "now")
        if listed:
            table(headings, ((c.address, c.name, kind(c), c.unit, c.sample) for c in listed), ("address",))

    def end(self, *, stopped: bool) -> None:
        """As in Out."""
        self.progress.clear()
        nothing = not self.progress.kept and (self._sparse or not self.progress.folders)
        if self._listed == 0 or (self._listed < 0 and nothing):
            click.echo("nothing fits the filter" if self._sparse else "nothing is below this")
        if self._listed < 0:
            click.echo(f"{self.progress}{'; it was stopped: there may be more' if stopped else ''}", err=True)


class Json:
    """One list, an object a thing, written as it comes."""

    def __init__(self, *, sparse: bool) -> None:
        """`sparse`: leave out folders."""
        self.progress = Progress(wanted=not sys.stdout.isatty())
        self._sparse = sparse
        self._identified: dict[str, dict[str, Any]] = {}
        self._begun = False

    def machines(self, found: Machines) -> None:
        """Keep what machines say of themselves, to be told where they stand in the tree."""
        self._identified = {
            machine.address: {"specification": machine.specification, "identification": dict(machine.identification)}
            for machine, _ in found
        }

    def tree(self, some: Sequence[TagCandidate]) -> None:
        """As in Out."""
        self.flat(some)

    def flat(self, listed: Sequence[TagCandidate]) -> None:
        """As in Out."""
        for each in listed:
            if self._sparse and not each.is_value:
                continue
            told = {
                "address": each.address, "name": each.name, "path": each.path, "is_value": each.is_value,
                "kind": each.kind, "unit": each.unit, "sample": each.sample, "type": each.type, "range": each.span,
                "labels": {str(number): label for number, label in each.labels}, "rate": each.rate, "role": each.role,
                "why": each.why, "doubt": each.doubt, "describes": each.describes, "again": each.again,
                **({} if each.again else self._identified.get(each.address, {})),
            }  # fmt: skip
            click.echo(f"{',' if self._begun else '['}\n  {json.dumps(told, ensure_ascii=False)}", nl=False)
            self._begun = True

    def end(self, *, stopped: bool) -> None:
        """As in Out."""
        del stopped
        self.progress.clear()
        click.echo("\n]" if self._begun else "[]")


class Toml:
    """Tags for the configuration: everything that can be measured."""

    def __init__(self, url: str, machine: str, device: str) -> None:
        self.progress = Progress(wanted=True)
        self._url, self._machine, self._device = url, machine, device
        self._found: list[TagCandidate] = []
        """Kept to the end: a name is made unique by those of all others."""

    def machines(self, found: Machines) -> None:
        """As in Out; a machine's measurements come in the tree too."""

    def tree(self, some: Sequence[TagCandidate]) -> None:
        """As in Out."""
        self._found += measurable(some)

    def flat(self, listed: Sequence[TagCandidate]) -> None:
        """As in Out."""
        self._found += measurable(listed)

    def end(self, *, stopped: bool) -> None:
        """As in Out."""
        self.progress.clear()
        if not self._found:
            click.echo("# nothing that can be measured is there, or fits the filter")
            return
        told = "; it was stopped, there may be more" if stopped else ""
        click.echo(f"# {len(self._found)} values of {plain(self._url)}{told}. Roles are guesses: look at each.")
        click.echo("# Limits are yours to set: limits = { hi = 80, hihi = 90 }")
        for line in tag_blocks(self._found, self._machine, self._device):
            click.echo(line)


def measurable(some: Iterable[TagCandidate]) -> list[TagCandidate]:
    """Return those that a tag can be made of."""
    return [each for each in some if each.is_value and each.kind and not each.describes and not each.again]
