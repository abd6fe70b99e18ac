"""What changed in the twin when a batch was applied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from shoptwin.domain.machine import MachineState


@dataclass(frozen=True, slots=True)
class StateChange:
    """A machine went from one state to another at `time` (ns UTC)."""

    machine: str
    before: MachineState
    after: MachineState
    time: int


@dataclass(frozen=True, slots=True, eq=False)
class TwinDelta:
    """The samples that were new, in order of source time within each tag; numbers as float64, NaN for the rest."""

    tag: NDArray[np.int32]
    values: NDArray[np.float64]
    status: NDArray[np.uint32]
    time: NDArray[np.int64]
    """Source time, ns UTC."""
    machines: frozenset[str] = frozenset()
    states: tuple[StateChange, ...] = ()
    kept: NDArray[np.bool_] | None = None
    """Rows of the batch that are worth storing, bool [n]: all but repetitions of what is known; None: all of them."""


@dataclass(frozen=True, slots=True)
class LiveValue:
    """A tag now. `value` has the type that the device sent (a 64-bit counter is an int), None where Bad."""

    tag: int
    value: Any
    status: int
    source_time: int
    receive_time: int
