"""Learning a regime that a baseline does not know: beside what it was learned from, the rows that lay outside it.

What lies inside is not taken again, so that a fault that grows there slowly is never learned as normal.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from shoptwin.assess.learned import folder
from shoptwin.assess.unknown import RUN
from shoptwin.domain.errors import ModelError
from shoptwin.learn.context import Context

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from shoptwin.assess.progress import LearnRequest
    from shoptwin.learn.baseline import Baseline, EvidenceLike


_MISSING = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Accepted:
    """The rows of some evidence that are learned from."""

    time: NDArray[np.int64]
    names: tuple[str, ...]
    values: NDArray[np.float32]
    state: list[str]


@dataclass(frozen=True, slots=True)
class Before:
    """What the baselines before knew; nothing where there are none to go on from."""

    known: tuple[dict[str, Any], ...] = ()
    """The first one first: `until` when it learned (ns UTC), and its `regimes` (Context.tell)."""
    aging: dict[str, float] | None = None
    """`from` (ns UTC) and `pace` (ns a row): drift is counted from the first baseline on."""
    since: int = 0
    """Time of the first row that was learned from, ns UTC."""
    after: int = 0
    beyond: int = 0
    """Between which times what lies outside is taken, ns UTC."""

    def check(self, evidence: EvidenceLike) -> None:
        """See that the first learning part is still there: of what retention left of it nothing must be made.

        Raises:
            ModelError: it begins later than it did, by more than a twentieth of it.
        """
        if not self.known or self.aging is None:
            return
        latest = self.since + _MISSING * (self.aging["from"] - self.since)
        if not len(evidence.time) or evidence.time[0] > latest:
            raise ModelError(
                "what was learned from first is no longer kept, so that nothing can be added to it",
                "Raise [store] keep, or learn anew, the new regime too, with: shoptwin relearn",
            )

    def accept(self, evidence: EvidenceLike) -> EvidenceLike:
        """Return the rows of the first learning part, and later ones outside all that was known when they came.

        Raises:
            ModelError: the evidence lacks a tag that told the regime.
        """
        if not self.known:
            return evidence
        values, time = np.asarray(evidence.values, np.float64), evidence.time
        keep = time < self.known[0]["until"]
        outside = np.ones(len(values), np.bool_)
        spans = [*((known["after"], known["until"]) for known in self.known[1:]), (self.after, self.beyond)]
        for baseline, (after, until) in zip(self.known, spans, strict=True):
            outside &= Context.told(baseline["regimes"], evidence.names).all_outside(values)
            keep |= _runs(outside) & (time >= after) & (time < until)
        where = np.flatnonzero(keep)
        state = [evidence.state[i] for i in where.tolist()]
        return Accepted(evidence.time[where], tuple(evidence.names), np.asarray(evidence.values)[where], state)

    def manifest(self, baseline: Baseline, until: int) -> dict[str, Any]:
        """Return what a baseline that goes on from here keeps of all this; it learned until `until` (ns UTC)."""
        regimes = baseline.model.context.tell(baseline.names)
        known = [*self.known, {"after": self.after, "until": until, "regimes": regimes}]
        pace = (baseline.until - baseline.since) / max(baseline.rows - 1, 1)
        return {"known": known, "aging": self.aging or {"from": baseline.until, "pace": max(pace, 1.0)}}


def _runs(outside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which rows lie outside with others beside them, RUN in a row: a single strange value is no regime."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], outside.astype(np.int8), [0]])))
    out = np.zeros(len(outside), np.bool_)
    for start, stop in edges.reshape(-1, 2):
        out[start:stop] = stop - start >= RUN
    return out


def read_before(learned: Path, request: LearnRequest) -> Before:
    """Return what the baseline knew that a request goes on from.

    Raises:
        ModelError: it cannot be read.
    """
    if not request.extends:
        return Before()
    path = folder(learned, request.machine) / f"{request.indicator}-{request.extends}.json"
    try:
        told = json.loads(path.read_text("utf-8"))
        return Before(tuple(told["known"]), told["aging"], int(told["learned_from"]), request.after, request.beyond)
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise ModelError(f"{path.name} cannot be gone on from: {e}", "Learn anew with: shoptwin relearn") from e
