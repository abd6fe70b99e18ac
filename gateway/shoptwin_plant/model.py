"""What every machine of the plant has, simulated or recorded: tags, and updates of their values over plant time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from shoptwin.sdk import StatusCode, ValueKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class PlantTag:
    """One measured value. Scalars are float32 (F4), counters and states unsigned (U8), waveforms float32 arrays."""

    name: str
    role: str
    unit: str = ""
    kind: ValueKind = ValueKind.F4
    rate: float | None = None
    """Of a waveform, in Hz."""
    samples: int = 0
    """Of a waveform."""
    limits: Mapping[str, float | str] | None = None
    """For the ready-made configuration: `{"hi": 75, "on_delay": "30s"}`."""


@dataclass(frozen=True, slots=True)
class Update:
    """A new value of a tag at a plant time (ns UTC). A waveform is an array of floats in the tag's unit."""

    tag: str
    value: Any
    time: int
    status: int = StatusCode.GOOD


@dataclass(frozen=True, slots=True)
class Setup:
    """What the ready-made configuration says of a machine beside its tags."""

    iso20816: str = ""
    learn_until: int | None = None
    """ns UTC."""
    learn_span: str = "2h"
    power_off: float | None = None
    power_idle: float | None = None
    states: Mapping[int, str] | None = None


class PlantMachine(Protocol):
    """A machine that the servers serve."""

    @property
    def name(self) -> str:
        """The machine's name, unique in the plant."""

    @property
    def tags(self) -> tuple[PlantTag, ...]:
        """What is served of it."""

    @property
    def setup(self) -> Setup:
        """What the ready-made configuration says of it."""

    def advance(self, now: int) -> Iterator[tuple[Update, ...]]:
        """Go on to the plant time `now` (ns UTC); yield what is new, in order of time, a tuple per moment."""

    def due(self, now: int) -> int | None:
        """Return the plant time of the next news, None where there will be none."""
