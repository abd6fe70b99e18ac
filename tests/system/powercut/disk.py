"""What a power cut may leave of what a process had written: a model of a disk that is as unkind as it may be.

Synced is what was there when a file was synced; of what was written since, each sector may be there or not, whatever
the order. A name (created, renamed, removed) is there once its directory was synced; until then some of the latest
changes of names may be missing, the last ones first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator
    from pathlib import Path

SECTOR = 512
DIRECTORY = "."


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was done: `op` as tape.c has it."""

    op: str
    offset: int
    name: str
    data: bytes


class Cut(Enum):
    """What becomes of what was not synced."""

    LOST = "all of it is lost"
    KEPT = "all of it is there"
    TORN = "what came first is there, and the first sectors of the next write"
    SHUFFLED = "some sectors are there, whatever their order"


def play(tape: Path) -> Iterator[Step]:
    """Yield the steps of a tape."""
    with tape.open("rb") as file:
        while head := file.readline():
            op, offset, length, name = head.decode().rstrip("\n").split(" ", 3)
            yield Step(op, int(offset), name, file.read(int(length)))


@dataclass(slots=True, eq=False)
class Inode:
    """A file or a directory, whatever its name."""

    directory: bool = False
    synced: bytearray = field(default_factory=bytearray)
    since: list[Step] = field(default_factory=list)

    def sync(self) -> None:
        """Put what was written since on the disk."""
        for step in self.since:
            _apply(self.synced, step)
        self.since.clear()


class Disk:
    """The files of a directory: what is surely there, and what may be."""

    def __init__(self) -> None:
        self._names: dict[str, Inode] = {}
        self._synced: dict[str, Inode] = {}
        self._changes: list[dict[str, Inode | None]] = []
        """Of names, since their directories were synced: what each is then, None where it is gone."""

    def do(self, step: Step) -> None:
        """Take a step."""
        if step.op == "S":
            self._sync(step.name)
        elif step.op in "CMUR":
            self._name(step)
        elif step.name in self._names:
            self._names[step.name].since.append(step)

    def _sync(self, name: str) -> None:
        if name != DIRECTORY and name in self._names and not self._names[name].directory:
            self._names[name].sync()
            return
        kept = []
        for change in self._changes:
            here = {each: inode for each, inode in change.items() if str(PurePosixPath(each).parent) == name}
            _rename(self._synced, here)
            if elsewhere := {each: inode for each, inode in change.items() if each not in here}:
                kept.append(elsewhere)
        self._changes = kept

    def _name(self, step: Step) -> None:
        if step.op in "CM":
            change: dict[str, Inode | None] = {step.name: Inode(directory=step.op == "M")}
        else:
            change = {step.name: None}
            if step.op == "R":
                change[step.data.decode()] = self._names.get(step.name)
        _rename(self._names, change)
        self._changes.append(change)

    def cut(self, how: Cut, rng: random.Random, into: Path) -> None:
        """Write what is left after a power cut now into an empty folder."""
        changed = {Cut.LOST: 0, Cut.KEPT: len(self._changes)}.get(how, rng.randrange(len(self._changes) + 1))
        names = dict(self._synced)
        for change in self._changes[:changed]:
            _rename(names, change)
        for name, inode in sorted(names.items()):
            parents = [str(parent) for parent in PurePosixPath(name).parents][:-1]
            if all(parent in names for parent in parents):
                if inode.directory:
                    (into / name).mkdir()
                else:
                    (into / name).write_bytes(_left(inode, how, rng))


def _rename(names: dict[str, Inode], change: dict[str, Inode | None]) -> None:
    for name, inode in change.items():
        if inode is None:
            names.pop(name, None)
        else:
            names[name] = inode


def _left(inode: Inode, how: Cut, rng: random.Random) -> bytes:
    content = bytearray(inode.synced)
    steps = inode.since
    if how is Cut.LOST:
        steps = []
    elif how is Cut.TORN:
        at = rng.randrange(len(steps) + 1)
        torn = steps[at] if at < len(steps) else None
        steps = steps[:at]
        if torn is not None and torn.op == "W":
            steps = [
                *steps,
                Step("W", torn.offset, torn.name, torn.data[: rng.randrange(len(torn.data) + 1) // SECTOR * SECTOR]),
            ]
    elif how is Cut.SHUFFLED:
        steps = [sector for step in steps for sector in _sectors(step) if rng.random() < 0.5]
    for step in steps:
        _apply(content, step)
    return bytes(content)


def _sectors(step: Step) -> Iterator[Step]:
    """Yield a write as writes of what lies in one sector of the disk each."""
    if step.op != "W":
        yield step
        return
    at = step.offset
    while at < step.offset + len(step.data):
        end = min((at // SECTOR + 1) * SECTOR, step.offset + len(step.data))
        yield Step("W", at, step.name, step.data[at - step.offset : end - step.offset])
        at = end


def _apply(content: bytearray, step: Step) -> None:
    if step.op == "T":
        del content[step.offset :]
        content.extend(bytes(step.offset - len(content)))
    elif step.data:
        content.extend(bytes(max(step.offset - len(content), 0)))
        content[step.offset : step.offset + len(step.data)] = step.data
