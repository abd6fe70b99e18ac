"""How the values inside become values in JSON."""

from __future__ import annotations

import math
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np

from shoptwin.domain.batch import Waveform
from shoptwin.domain.text import sound
from shoptwin.domain.timing import SECOND, iso
from shoptwin.publish import payloads

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shoptwin.domain.alarm import AlarmState
    from shoptwin.domain.assessment import Assessment, Hypothesis, Remaining


text = sound


def new_id() -> str:
    """Return an id that no other message has."""
    return str(uuid.uuid4())


def latest(state: AlarmState) -> int:
    """Return when the alarm came into its state."""
    return max(state.raised_at, state.cleared_at, state.acknowledged_at)


def moment(ns: int) -> str | None:
    """Return a time as text, None for 0: never."""
    return iso(ns) if ns else None


def number(raw: float | None) -> float | None:
    """Return a plain float; numpy's become Python's."""
    return None if raw is None else float(raw)


def share(raw: float) -> float:
    """Return a share within 0 to 1, 0 where it is no number."""
    return min(1.0, max(0.0, float(raw))) if math.isfinite(raw) else 0.0


def value(raw: Any) -> payloads.Value:  # noqa: ANN401 - whatever a device sends
    """Return a live value for JSON: a float32 by its own shortest digits, a waveform (too long for a state) as none."""
    if isinstance(raw, np.generic):
        raw = float(str(raw)) if isinstance(raw, np.float32) else raw.item()
    if raw is None or isinstance(raw, Waveform):
        return None
    return raw if isinstance(raw, (bool, int, float)) else text(str(raw))


def remaining(left: Remaining | None) -> payloads.RemainingReading | None:
    """Return how long is left, seconds; what may never come has no upper end."""
    if left is None:
        return None
    return payloads.RemainingReading(
        low=left.low, middle=left.middle, high=left.high if math.isfinite(left.high) else None,
        confidence=share(left.confidence), model=left.model,
    )  # fmt: skip


def _hypothesis(one: Hypothesis) -> payloads.HypothesisReading:
    return payloads.HypothesisReading(
        fault=one.fault, support=share(one.support), grounds=tuple(map(text, one.grounds)),
        tags=tuple(map(text, one.tags)),
    )  # fmt: skip


def health(assessments: Iterable[Assessment]) -> dict[str, payloads.HealthReading]:
    """Return verdicts by indicator."""
    return {
        a.indicator: payloads.HealthReading(
            state=a.state, score=float(a.score), alarm=bool(a.alarm), progress=share(a.progress),
            confidence=share(a.confidence), time=iso(a.time), input_age=max(0.0, a.input_age / SECOND),
            model=a.model, evidence=tuple(map(text, a.evidence)), note=text(a.note),
            index=number(a.index), remaining=remaining(a.remaining),
            since=moment(a.since), hypotheses=tuple(map(_hypothesis, a.hypotheses)),
        )
        for a in assessments
    }  # fmt: skip
