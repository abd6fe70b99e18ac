"""A recording that is played as a machine, row by row, at its times on the plant's clock."""

from __future__ import annotations

import logging
import math
import tomllib
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from shoptwin.recording import Recording, RecordingError
from shoptwin.sdk import ConfigError, Role, StatusCode, ValueKind, iso, parse_time
from shoptwin_plant.faults import Faults
from shoptwin_plant.model import PlantTag, Setup, Update

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shoptwin.recording import Row

log = logging.getLogger("shoptwin.plant")


class Recorded:
    """A machine whose values were recorded. Its times are moved by `shift` ns, so that it starts with the plant."""

    def __init__(self, path: Path, name: str = "") -> None:
        """Open the recording in `path`; `name` stands in for the machine's own.

        Raises:
            RecordingError: nothing of it can be read.
            ConfigError: machine.toml is missing or does not fit.
        """
        self.recording = Recording.open(path)
        described = _describe(path / "machine.toml", self.recording)
        self.name = name or described[0]
        self.tags = described[1]
        self._until = described[2]
        self.faults = Faults((), ())
        self.shift = 0
        self.problem: RecordingError | None = None
        """What ended it before its time."""
        self.ended = False
        self._last: tuple[Update, ...] = ()
        self._rows = self.recording.rows()
        self._next: Row | None = None
        self._fetch()

    def start_at(self, epoch: int) -> None:
        """Move the recording in time so that its first row falls on `epoch`, ns UTC."""
        self.shift = epoch - self.recording.start

    @property
    def setup(self) -> Setup:
        """What the ready-made configuration says of it."""
        until = None if self._until is None else self._until + self.shift
        return Setup(learn_until=until)

    @property
    def interval(self) -> int:
        """The usual time between two rows, ns."""
        gaps = sorted(b - a for a, b in pairwise(self.recording.time[:200].tolist()))
        return gaps[len(gaps) // 2] if gaps else 10**9

    def advance(self, now: int) -> Iterator[tuple[Update, ...]]:
        """Yield the rows up to `now`; after the last one, its values once more, as uncertain."""
        while self._next is not None and self._next.time + self.shift <= now:
            updates = tuple(self._updates(self._next))
            self._last = tuple(update for update in updates if update.status == StatusCode.GOOD)
            yield updates
            self._fetch()
        if self._next is None and not self.ended:
            self.ended = True
            log.warning("recording ended: %s at %s%s", self.name, iso(now), f": {self.problem}" if self.problem else "")
            yield tuple(replace(u, status=StatusCode.UNCERTAIN_LAST_USABLE_VALUE) for u in self._last)

    def due(self, now: int) -> int | None:  # noqa: ARG002 - the rows alone decide
        """Return the time of the next row, None after the last."""
        return None if self._next is None else self._next.time + self.shift

    def _fetch(self) -> None:
        try:
            self._next = next(self._rows, None)
        except RecordingError as e:
            self._next, self.problem = None, e

    def _updates(self, row: Row) -> Iterator[Update]:
        time = row.time + self.shift
        for name, value in zip(self.recording.scalars, row.scalars.tolist(), strict=True):
            yield Update(name, value, time, StatusCode.BAD_NO_DATA if math.isnan(value) else StatusCode.GOOD)
        for name, wave in row.waves.items():
            yield Update(name, wave.physical(), time)


def _describe(path: Path, recording: Recording) -> tuple[str, tuple[PlantTag, ...], int | None]:
    """Read a machine.toml: the machine's name, its tags as they are recorded, and until when it is normal (ns UTC)."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as e:
        raise ConfigError(f"{path}: there is no such file", "A recording says there what its tags are") from e
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise ConfigError(f"{path}: not TOML: {e}", "Correct the line that it names") from e
    machines = table.get("machine")
    if not isinstance(machines, list) or len(machines) != 1 or not isinstance(machines[0], dict):
        raise ConfigError(f"{path}: a recording has exactly one [[machine]]", "Split it, one directory a machine")
    machine: dict[str, Any] = machines[0]
    if not isinstance(name := machine.get("name"), str) or not name:
        raise ConfigError(f"{path}: [[machine]] has no name", 'Add name = "machine-1"')
    roles = {str(tag.get("name")): tag for tag in machine.get("tag", ()) if isinstance(tag, dict)}
    recorded = (*recording.scalars, *recording.waves)
    if absent := [tag for tag in roles if tag not in recorded]:
        raise ConfigError(
            f"{path}: {absent[0]!r} is in neither scalars.csv nor waveforms.npz",
            f"They hold {', '.join(recorded)}; correct the name or delete the tag",
        )
    return name, tuple(_tag(path, tag, roles.get(tag, {}), recording) for tag in recorded), _until(path, machine)


def _tag(path: Path, name: str, table: dict[str, Any], recording: Recording) -> PlantTag:
    """Return one tag; what machine.toml does not name has the role `other`."""
    wave = recording.waves.get(name)
    role = str(table.get("role", Role.OTHER if wave is None else Role.WAVEFORM))
    if role not in set(Role) or (role == Role.WAVEFORM) != (wave is not None):
        raise ConfigError(f"{path}: {name} cannot have the role {role!r}", f"One of: {', '.join(Role)}")
    unit = str(table.get("unit", ""))
    if wave is None:
        return PlantTag(name, role, unit)
    return PlantTag(name, role, unit, ValueKind.WAVEFORM, wave.rate, wave.samples)


def _until(path: Path, machine: dict[str, Any]) -> int | None:
    until = machine.get("learning", {}).get("until") if isinstance(machine.get("learning", {}), dict) else None
    if until is None:
        return None
    try:
        return parse_time(until.isoformat() if isinstance(until, datetime) else str(until))
    except ValueError as e:
        raise ConfigError(f"{path}: learning.until: {e}", "Write 2026-01-31T06:00:00Z") from e
