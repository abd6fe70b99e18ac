"""What the doors tell, in what JSON can write."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from shoptwin.assess.regimes import described
from shoptwin.domain import quality
from shoptwin.domain.assessment import Verdict
from shoptwin.domain.timing import SECOND, iso
from shoptwin.runtime.ntp import discipline

if TYPE_CHECKING:
    from shoptwin.domain.alarm import AlarmDef, AlarmState
    from shoptwin.domain.assessment import Assessment, Remaining
    from shoptwin.domain.feedback import AlarmMark, ThresholdMove
    from shoptwin.domain.machine import Machine
    from shoptwin.runtime.clock import Clock
    from shoptwin.store.feedback import Occurrence
    from shoptwin.store.samples import SampleStore


def history(samples: SampleStore, tag: str, start: int, stop: int, resolution: int) -> dict[str, Any]:
    """Return a tag's samples in columns, or figures per `resolution` ns where it is not 0."""
    if resolution:
        rollup = samples.rollup(tag, start, stop, resolution)
        figures = {name: getattr(rollup, name) for name in ("count", "good", "minimum", "mean", "maximum", "last")}
        return {"time": rollup.time.tolist()} | {name: numbers(column) for name, column in figures.items()}
    series = samples.read(tag, start, stop)
    names = {code: quality.name(code) for code in set(series.status.tolist())}
    return {
        "time": series.time.tolist(),
        "value": numbers(series.values),
        "quality": [names[code] for code in series.status.tolist()],
    }


def clock(kept: Clock) -> dict[str, Any]:
    """Return whether the time was set, and what keeps the box's clock; null where the system does not tell."""
    how = discipline()
    return {
        "set": kept.trusted, "synchronised": how and how.synchronised,
        "error_s": how.error if how and how.synchronised else None,
    }  # fmt: skip


def alarm(definition: AlarmDef, state: AlarmState) -> dict[str, Any]:
    """Return an alarm as it stands."""
    return {
        "key": definition.key,
        "id": definition.id,
        "machine": definition.machine,
        "tag": definition.tag,
        "priority": definition.priority.value,
        "state": state.annunciation.value,
        "suppressed": state.suppressed_by or None,
        "since": iso(state.raised_at) if state.raised_at else None,
        "cleared_at": iso(state.cleared_at) if state.cleared_at else None,
        "acknowledged_by": state.acknowledged_by or None,
        "value": number(state.value),
        "limit": number(state.limit),
        "unit": definition.unit,
        "text": state.text,
        "confidence": state.confidence,
        "evidence": list(state.evidence),
        "advice": list(definition.advised(state.cause)),
        "occurrence": state.occurrence,
    }


def verdict(assessment: Assessment) -> dict[str, Any]:
    """Return what is said of one indicator."""
    return {
        "state": assessment.state.value,
        "score": number(assessment.score),
        "alarm": assessment.alarm,
        "progress": assessment.progress,
        "confidence": assessment.confidence,
        "time": iso(assessment.time),
        "input_age_s": assessment.input_age / SECOND,
        "model": assessment.model,
        "evidence": list(assessment.evidence),
        "since": iso(assessment.since) if assessment.since else None,
        "hypotheses": [
            {"fault": h.fault, "support": h.support, "grounds": list(h.grounds), "tags": list(h.tags)}
            for h in assessment.hypotheses
        ],
        "note": assessment.note,
        "index": number(assessment.index),
        "remaining": remaining(assessment.remaining),
    }


def remaining(left: Remaining | None) -> dict[str, Any] | None:
    """Return how long is left, in seconds; `high_s` is None where the trend may never get there."""
    if left is None:
        return None
    told = {f"{name}_s": number(getattr(left, name)) for name in ("low", "middle", "high")}
    return told | {"confidence": left.confidence, "model": left.model}


def learning_left(machine: Machine, health: Assessment | None, now: int) -> float | None:
    """Return the seconds that learning still takes where all goes well, or None where nothing is being learned."""
    if health is None or health.state is not Verdict.LEARNING or health.progress >= 1:
        return None
    learning = machine.learning
    if learning.until is not None and learning.until > now:
        return (learning.until - now) / SECOND
    return round((1 - health.progress) * learning.span / SECOND, 1)


def move(made: ThresholdMove) -> dict[str, Any]:
    """Return a move of a threshold."""
    return {
        "time": iso(made.time), "indicator": made.indicator,
        "regime": "all" if made.kind.ends else described(made.regime), "why": made.kind.value,
        "factor": round(made.factor, 4), "by": made.by, "occurrence": made.occurrence,
    }  # fmt: skip


def mark(made: AlarmMark) -> dict[str, Any]:
    """Return a mark of an alarm."""
    return {
        "time": iso(made.time), "alarm": made.alarm, "occurrence": made.occurrence, "mark": made.mark.value,
        "by": made.by, "note": made.note,
    }  # fmt: skip


def occurrence(found: Occurrence, made: AlarmMark | None) -> dict[str, Any]:
    """Return one time that an alarm was raised, with the mark of it that counts."""
    return {
        "alarm": found.alarm, "occurrence": found.occurrence, "raised_at": iso(found.raised),
        "cleared_at": iso(found.cleared) if found.cleared else None, "value": found.value, "text": found.text,
        "mark": made.mark.value if made else None, "by": made.by if made else None, "note": made.note if made else "",
    }  # fmt: skip


def number(value: Any) -> Any:  # noqa: ANN401 - a value of any tag
    """Return a value that JSON can write: what is no number is None."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def numbers(column: np.ndarray[Any, Any]) -> list[Any]:
    """Return values that JSON can write."""
    return [number(value) for value in column.tolist()]
