"""Tags: what is measured, where it is read, and what may be done with it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Role(StrEnum):
    """What a tag measures; the role decides what the twin can do with it (DESIGN §4)."""

    VIBRATION = "vibration"
    WAVEFORM = "waveform"
    TEMPERATURE = "temperature"
    AMBIENT = "ambient"
    CURRENT = "current"
    POWER = "power"
    SPEED = "speed"
    LOAD = "load"
    PRESSURE = "pressure"
    FLOW = "flow"
    COUNT = "count"
    REJECT = "reject"
    STATE = "state"
    SETPOINT = "setpoint"
    OTHER = "other"


class ValueKind(StrEnum):
    """The type of a value: the dtype of a batch's column of values, and of a tag in the store."""

    F4 = "f4"
    F8 = "f8"
    I8 = "i8"
    U8 = "u8"
    BOOL = "bool"
    STR = "str"
    WAVEFORM = "waveform"

    def __init__(self, value: str) -> None:
        self.dtype = {"f4": "f4", "f8": "f8", "i8": "i8", "u8": "u8", "bool": "?"}.get(value, "O")
        """The numpy dtype that holds it; strings and waveforms are objects."""

    @property
    def numeric(self) -> bool:
        """Whether limits and models can judge it as a number."""
        return self not in {ValueKind.STR, ValueKind.WAVEFORM}


class Level(StrEnum):
    """The limits of ISA-18.2 / IEC 62682, worst first within each side."""

    HIHI = "hihi"
    HI = "hi"
    LO = "lo"
    LOLO = "lolo"

    @property
    def high(self) -> bool:
        """Whether the limit is exceeded upwards."""
        return self in {Level.HIHI, Level.HI}


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one tag in its unit; delays in nanoseconds, the deadband in the tag's unit."""

    hihi: float | None = None
    hi: float | None = None
    lo: float | None = None
    lolo: float | None = None
    deadband: float = 0.0
    on_delay: int = 0
    off_delay: int = 0
    source: str = "configuration"
    """Where the figures come from, told in the alarm: `configuration`, or the zones of ISO 20816."""

    def get(self, level: Level) -> float | None:
        """Return the limit at `level`, or None where there is none."""
        value: float | None = getattr(self, level.value)
        return value

    def __bool__(self) -> bool:
        return any(self.get(level) is not None for level in Level)


@dataclass(frozen=True, slots=True)
class Report:
    """Which samples of a tag are worth keeping. Limits, the twin and the windows of models see every sample anyway.

    A sample is kept if its status differs from that of the last kept one, if its value does by more than `deadband`
    and by more than `percent`, or if the last kept one is `heartbeat` ns old.
    """

    each: bool = True
    """Keep every sample; the rest is not looked at."""
    deadband: float = 0.0
    """In the tag's unit; 0: any change."""
    percent: float = 0.0
    """Of the last kept value's magnitude; 0: any change."""
    heartbeat: int = 600 * 10**9


@dataclass(frozen=True, slots=True)
class CurrentLoop:
    """What a 4-20 mA input delivers: the raw values at 4 and at 20 mA.

    By NAMUR NE 43 a sensor that works stays within 3.8 to 20.5 mA; at 3.6 mA and below, or 21 mA and above, it has
    failed, or the loop is broken.
    """

    low: float
    high: float


_TEXTS = frozenset({Role.STATE, Role.SETPOINT, Role.OTHER})
"""Roles of which a text may be the value: the name of a state, or of a program."""


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag of one machine. `id` is stable across renames; `name` is unique within its machine."""

    id: str
    name: str
    machine: str
    role: Role
    unit: str = ""
    device: str = ""
    address: str = ""
    scale: float = 1.0
    offset: float = 0.0
    rate: float | None = None
    """Sampling rate of a waveform in Hz, where the device does not say."""
    limits: Limits = Limits()
    period: int | None = None
    """Nanoseconds between polls, where it differs from the device's."""
    missing: tuple[float, ...] = ()
    """Raw values that mean that there is no value, as the driver delivers them."""
    loop: CurrentLoop | None = None
    """Where the raw value is that of a 4-20 mA input; `scale` and `offset` are then made from it."""
    labels: tuple[tuple[int, str], ...] = ()
    """What the values of an enumeration are called, for people (OPC UA: EnumStrings); the value stays a number."""
    report: Report = Report()
    kind: ValueKind | None = None
    """The type of what is read there, where the address says it."""

    @property
    def numeric(self) -> bool:
        """Whether it may be a number: a model can learn from it."""
        return self.kind is None or self.kind.numeric

    @property
    def number(self) -> bool:
        """Whether nothing but a number will do: a text could be held against no limit, and nobody would notice."""
        return bool(self.limits) or self.role not in _TEXTS

    @property
    def scaled(self) -> bool:
        """Whether the raw value is turned into engineering units (value = raw * scale + offset)."""
        return self.scale != 1.0 or self.offset != 0.0

    def label(self, value: object) -> str | None:
        """Return what a value of an enumeration is called, or None where it has no name."""
        return next((text for number, text in self.labels if number == value), None)


class TagTable:
    """Tags by index: the `int32` that a batch carries. An index is never given to another tag while the process lives.

    A reload keeps the index of each tag that stays (by `id`), appends new ones, and leaves a hole for one that went.
    """

    def __init__(self, tags: Iterable[Tag] = ()) -> None:
        self._tags: list[Tag | None] = []
        self._index: dict[str, int] = {}
        self._of_machine: dict[str, tuple[int, ...]] = {}
        self.replace(tags)

    def replace(self, tags: Iterable[Tag]) -> None:
        """Make `tags` the tags of this table."""
        wanted = {tag.id: tag for tag in tags}
        for gone in self._index.keys() - wanted.keys():
            self._tags[self._index[gone]] = None
        for tag in wanted.values():
            if tag.id not in self._index:
                self._index[tag.id] = len(self._tags)
                self._tags.append(tag)
            else:
                self._tags[self._index[tag.id]] = tag
        of_machine: dict[str, list[int]] = {}
        for index, tag in self:
            of_machine.setdefault(tag.machine, []).append(index)
        self._of_machine = {machine: tuple(indices) for machine, indices in of_machine.items()}

    def __len__(self) -> int:
        """Count the indices given so far, holes included: the length of an array over all tags."""
        return len(self._tags)

    def __iter__(self) -> Iterator[tuple[int, Tag]]:
        return ((i, tag) for i, tag in enumerate(self._tags) if tag is not None)

    def __getitem__(self, index: int) -> Tag:
        tag = self._tags[index]
        if tag is None:
            raise KeyError(index)
        return tag

    def index(self, tag_id: str) -> int:
        """Return the index of the tag with this id; KeyError where there is none."""
        index = self._index[tag_id]
        if self._tags[index] is None:
            raise KeyError(tag_id)
        return index

    def of_machine(self, machine: str) -> tuple[int, ...]:
        """Return the indices of one machine's tags, in the order of the configuration."""
        return self._of_machine.get(machine, ())
