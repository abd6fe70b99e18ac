"""Health: the worst of what the indicators say, with what each abstains from told beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from shoptwin.domain.assessment import Assessment, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

_ORDER = (Verdict.ABNORMAL, Verdict.UNKNOWN_REGIME, Verdict.NO_DATA, Verdict.NORMAL, Verdict.LEARNING)
"""An indicator that should judge and cannot is not covered up by one that is normal; one that still learns is."""


def fuse(machine: str, now: int, parts: Sequence[Assessment], note: str = "") -> Assessment:
    """Return the indicator `health` from the other indicators of one machine; with none there is no data."""
    if not parts:
        return Assessment(machine, "health", now, Verdict.NO_DATA, 0.0, note=note)
    worst = min(parts, key=lambda a: (_ORDER.index(a.state), -a.score))
    judged = [a for a in parts if a.state in {Verdict.NORMAL, Verdict.ABNORMAL}]
    outlooks = judged if worst in judged else []  # one that should judge and cannot: nothing is told of the machine
    ranked = sorted(parts, key=lambda a: (not a.alarm, -a.score))
    told = list(dict.fromkeys(a.note for a in parts))
    notes = [f"{a.indicator}: {a.note}" for a in parts if a.note] if len(told) > 1 else told
    return replace(
        worst,
        indicator="health",
        time=now,
        score=max((a.score for a in judged), default=worst.score),
        input_age=max(a.input_age for a in parts),
        progress=min(a.progress for a in parts),
        evidence=tuple(e for a in ranked for e in a.evidence),
        note="; ".join(n for n in [*notes, note] if n),
        alarm=any(a.alarm for a in parts),
        index=min((a.index for a in outlooks if a.index is not None), default=None),
        remaining=min((a.remaining for a in outlooks if a.remaining), key=lambda r: r.middle, default=None),
        since=min((a.since for a in parts if a.since), default=0),
        hypotheses=tuple(h for a in ranked for h in sorted(a.hypotheses, key=lambda h: (-h.support, h.fault))),
    )
