"""How alarms speak: figures that tell the truth, and confidence in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shoptwin.domain.assessment import Hypothesis

_DIGITS = 4
_CONFIDENCE = ((0.9, "very sure"), (0.7, "fairly sure"), (0.4, "not sure"), (0.0, "a first hint"))


def figure(value: float, against: float | None = None) -> str:
    """Write a value in four digits, or in as many as it takes to stay on its side of the limit it is held against."""
    least = max(_DIGITS, len(str(int(abs(value))))) if abs(value) < 1e15 else _DIGITS  # noqa: PLR2004 - exact as a float
    for digits in (least, least + 3, 17):
        text = f"{value:.{digits}g}"
        if against is None or _side(float(text), against) == _side(value, against):
            return text
    return repr(value)


def limit(value: float) -> str:
    """Write a limit as it was configured, without an exponent where people would not use one."""
    return f"{value:.12g}"


def with_unit(text: str, unit: str) -> str:
    """Put the unit behind a figure, where there is one."""
    return f"{text} {unit}" if unit else text


def hypothesis(one: Hypothesis) -> str:
    """Say what may be behind an alarm, and what speaks for it."""
    grounds = "; ".join(one.grounds)
    return f"may be {one.fault} ({one.support:.0%} of what it would show)" + (f": {grounds}" if grounds else "")


def confidence(value: float) -> str:
    """Say a confidence from 0 to 1 in words."""
    return next((words for least, words in _CONFIDENCE if value >= least), _CONFIDENCE[-1][1])


def _side(value: float, against: float) -> int:
    return (value > against) - (value < against)
