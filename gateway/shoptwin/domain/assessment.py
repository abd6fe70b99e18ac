"""What is known of a machine at one moment (Window), what is computed from it, and the verdict (ISO 13374)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from shoptwin.domain.machine import MachineState


class Verdict(StrEnum):
    """The state of an assessment: abstaining has names of its own."""

    LEARNING = "learning"
    NORMAL = "normal"
    ABNORMAL = "abnormal"
    UNKNOWN_REGIME = "unknown-regime"
    NO_DATA = "no-data"


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Values, times and status per tag of one machine, as of `now` (ns UTC).

    The columns have one slot a tag, in the order of `tag` (indices of the TagTable). `values` is float64: what a
    number, a bool or a counter is as a float; NaN for Bad, strings and waveforms. A waveform stands in `waveforms`.
    """

    machine: str
    now: int
    state: MachineState
    tag: NDArray[np.int32]
    values: NDArray[np.float64]
    status: NDArray[np.uint32]
    source_time: NDArray[np.int64]
    receive_time: NDArray[np.int64]
    waveforms: dict[int, Any] = field(default_factory=dict)
    """Tag index -> its latest `Waveform`, for Good ones only."""
    fresh: frozenset[int] = frozenset()
    """Indices of the tags that got a value since this machine's last window."""
    maintenance: bool = False
    """While the machine is in maintenance nothing is learned and no statistics are kept."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What may be behind what moved: never more than a hypothesis, told with what speaks for it."""

    fault: str
    """A word of docs/reference/diagnosis.md, such as `imbalance` or `sensor-stuck`."""
    support: float
    """How much of what that fault would show is seen, 0 to 1."""
    grounds: tuple[str, ...] = ()
    """What is seen, in words an operator understands, the strongest first."""
    tags: tuple[str, ...] = ()
    """Names of the tags that it is seen on."""


@dataclass(frozen=True, slots=True)
class Remaining:
    """Time until an indicator's trend reaches the level at which a machine is repaired: an interval, in seconds."""

    low: float
    middle: float
    high: float
    """inf where the trend may never reach it"""
    confidence: float
    """Chance that the truth lies between `low` and `high`."""
    model: str
    """Which degradation model says so."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """The verdict on one indicator of one machine. `score` is finite; larger is worse; 1.0 is the alarm threshold.

    Indicators: `vibration` (from waveforms and levels), `process` (from the other tags), and `health`, the fusion.
    """

    machine: str
    indicator: str
    time: int
    state: Verdict
    score: float
    model: str = ""
    """`<id>@<version>` of the model that judged, empty where none did."""
    sha256: str = ""
    input_age: int = 0
    """Nanoseconds between the oldest value that was used and `time`."""
    progress: float = 1.0
    """How much of the learning is done, 0 to 1."""
    confidence: float = 0.0
    """How sure the verdict is, 0 to 1."""
    evidence: tuple[str, ...] = ()
    """What moved, in words an operator understands, the strongest first."""
    note: str = ""
    """Why it abstains or what it does without, in one sentence."""
    alarm: bool = False
    """Whether an alarm should stand: `state` after persistence and hysteresis."""
    since: int = 0
    """When what moved began to, ns UTC; 0 where nothing has."""
    hypotheses: tuple[Hypothesis, ...] = ()
    """What may be behind it, the best supported first."""
    index: float | None = None
    """Health index, 100 (as learned) to 0 (failed); None where it cannot be told."""
    remaining: Remaining | None = None
    """Remaining useful life; None where there is no trend to tell it by."""


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """What was computed from one window: one row of the evidence that learning reads. `values` is float32 [names]."""

    machine: str
    indicator: str
    time: int
    state: MachineState
    names: tuple[str, ...]
    values: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Judgement:
    """All that came of assessing some windows."""

    assessments: tuple[Assessment, ...] = ()
    observations: tuple[Observation, ...] = ()
    broken: tuple[tuple[str, Exception], ...] = ()
    """Machines whose assessment failed in a way nobody foresaw, and how."""
