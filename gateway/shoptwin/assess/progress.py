"""When learning is done (pure), and the request that a learning process is started with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from pathlib import Path

    from shoptwin.domain.machine import Learning


Limits: TypeAlias = tuple[tuple[str, str, float], ...]
"""(tag, condition, value) each: the limits and ISO 20816 zones that a learning part is held against."""


def ends(learning: Learning, since: int) -> int | None:
    """Return a user's end of the learning that began at `since`, ns UTC; None where they gave none from after it."""
    return learning.until if learning.until is not None and since < learning.until else None


def end_of(learning: Learning, since: int) -> int:
    """Return when the learning that began at `since` ends, ns UTC.

    A user's `until` ends it, unless it began after that (a sensor was replaced since): then the span counts.
    """
    return ends(learning, since) or since + learning.span


def progress(learning: Learning, since: int, now: int) -> float:
    """Return how much of the learning that began at `since` is done at `now`, 0 to 1; from 1 on a fit may be tried."""
    end = end_of(learning, since)
    return 1.0 if now >= end else max(0.0, (now - since) / max(end - since, 1))


@dataclass(frozen=True, slots=True)
class LearnRequest:
    """What to learn: one indicator of one machine, from evidence in [since, until), ns UTC."""

    machine: str
    indicator: str
    since: int
    until: int
    false_alarms_per_month: float = 1.0
    extends: str = ""
    """The version that does not know a regime: rows outside it, up to `beyond`, are evidence too."""
    beyond: int = 0
    after: int = 0
    """… and from then on, ns UTC."""
    limits: Limits = ()

    @property
    def latest(self) -> int:
        """Return from when on nothing is evidence, ns UTC."""
        return max(self.until, self.beyond)

    def arguments(self, twin: Path, learned: Path) -> list[str]:
        """Return the arguments of `python -m shoptwin.learn` that do it."""
        return [
            "--twin", str(twin), "--learned", str(learned), "--machine", self.machine, "--indicator", self.indicator,
            "--since", str(self.since), "--until", str(self.until), "--false-alarms", repr(self.false_alarms_per_month),
            *(["--extends", self.extends, "--after", str(self.after)] if self.extends else []),
            *(["--beyond", str(self.beyond)] if self.extends else []),
            *(text for tag, condition, value in self.limits for text in ("--limit", tag, condition, repr(value))),
        ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class LearningState:
    """How the learning of one indicator stands."""

    machine: str
    indicator: str
    since: int
    """When it began, ns UTC; 0 before the first observation."""
    progress: float
    version: str
    """The baseline in use, empty while there is none."""
    problem: str = ""
    """Why the last attempt gave nothing, or why a baseline was refused."""
