"""The verdict on a machine's health as the condition of an alarm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoptwin.alarms.words import confidence, figure, hypothesis
from shoptwin.domain.alarm import Condition
from shoptwin.domain.assessment import Verdict
from shoptwin.domain.timing import iso

if TYPE_CHECKING:
    from shoptwin.domain.assessment import Assessment

HEALTH = "health"
THRESHOLD = 1.0
"""The score at which an indicator is abnormal, whatever the model (see Assessment)."""
_ABSTAINS = (Verdict.NO_DATA, Verdict.UNKNOWN_REGIME)
_EVIDENCE = 3


def health_condition(assessment: Assessment) -> Condition:
    """Return what an assessment of the indicator `health` says to the alarm `health.abnormal` of its machine.

    The assessor has already asked for persistence (`alarm`), so the alarm has no delays. An assessor that abstains
    cannot tell, and the alarm stays as it is. One that learns anew has no opinion any more: an alarm that stood ends.

    Raises:
        ValueError: the assessment is of another indicator, which has no alarm of its own.
    """
    if assessment.indicator != HEALTH:
        raise ValueError(f"{assessment.machine}: the indicator {assessment.indicator} has no alarm, only {HEALTH} has")
    active = None if assessment.state in _ABSTAINS else assessment.alarm
    return Condition(
        f"{assessment.machine}/{HEALTH}.abnormal", active, assessment.time, assessment.score, THRESHOLD,
        _text(assessment), assessment.confidence,
        (*assessment.evidence, *map(hypothesis, assessment.hypotheses)),
    )  # fmt: skip


def _text(assessment: Assessment) -> str:
    """Say what, how much against which limit, how sure, and on what grounds."""
    score = figure(assessment.score, THRESHOLD)
    if assessment.state in _ABSTAINS:
        return f"health of {assessment.machine} cannot be told" + (f": {assessment.note}" if assessment.note else "")
    if assessment.state is Verdict.LEARNING:
        return f"health of {assessment.machine} is being learned, {assessment.progress:.0%} done"
    if not assessment.alarm:
        return f"health of {assessment.machine} is normal again: score {score}, alarm at {THRESHOLD:g}"
    sure = f"{confidence(assessment.confidence)}, {assessment.confidence:.0%}"
    grounds = "; ".join(assessment.evidence[:_EVIDENCE])
    parts = [f"health of {assessment.machine} is abnormal: score {score}, alarm at {THRESHOLD:g} ({sure})"]
    parts += [grounds] if grounds else []
    parts += [f"may be {assessment.hypotheses[0].fault}"] if assessment.hypotheses else []
    parts += [f"since {iso(assessment.since)}"] if assessment.since else []
    parts += [f"by {assessment.model}"] if assessment.model else []
    return " · ".join(parts)
