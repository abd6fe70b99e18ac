"""From [[machine.bearing]] and [[machine.gear]] to orders of the machine's speed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from shoptwin.config import meaning
from shoptwin.domain.kinematics import Bearing, Defects, Gear, defects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shoptwin.config.forms import BearingForm, GearForm
    from shoptwin.config.lines import Path
    from shoptwin.config.problems import Problems

_GEOMETRY = ("balls", "ball_diameter", "pitch_diameter")
_ORDERS = ("bpfo", "bpfi", "bsf", "ftf")
_RIGHT_ANGLE = 90.0
_FEWEST_BALLS, _FEWEST_TEETH = 3, 2
_CURE = (
    "give balls, ball_diameter and pitch_diameter (in one unit), or bpfo, bpfi, bsf and ftf from the maker's data sheet"
)


def bearings(forms: Sequence[BearingForm], at: Path, problems: Problems) -> tuple[Bearing, ...]:
    """Return the bearings that can be built; what is wrong with the others is noted."""
    names: dict[str, Path] = {}
    built = []
    for n, form in enumerate(forms):
        here = (*at, n)
        meaning.once(_name(form.name, here, problems), (*here, "name"), names, "bearing", problems)
        orders = _defects(form, here, problems) if _positive(form.ratio, "ratio", here, problems) else None
        built += [Bearing(form.name, orders)] if orders else []
    return tuple(built)


def gears(forms: Sequence[GearForm], at: Path, problems: Problems) -> tuple[Gear, ...]:
    """Return the gears that can be built; what is wrong with the others is noted."""
    names: dict[str, Path] = {}
    built = []
    for n, form in enumerate(forms):
        here = (*at, n)
        meaning.once(_name(form.name, here, problems), (*here, "name"), names, "gear", problems)
        fine = _least(form.teeth, _FEWEST_TEETH, "teeth", here, problems)
        if _positive(form.ratio, "ratio", here, problems) and fine:
            built.append(Gear(form.name, form.teeth * form.ratio, form.ratio))
    return tuple(built)


def _defects(form: BearingForm, at: Path, problems: Problems) -> Defects | None:
    told = [key for key in _ORDERS if getattr(form, key) is not None]
    shaped = [key for key in _GEOMETRY if getattr(form, key) is not None]
    if told and shaped:
        problems.add((*at, told[0]), f"cannot stand beside {shaped[0]!r}: they would say the same twice", _CURE)
        return None
    lacks = [key for key in (_ORDERS if told else _GEOMETRY) if getattr(form, key) is None]
    if lacks:
        problems.lacks(at, lacks[0], _CURE)
        return None
    if told:
        fine = [_positive(getattr(form, key), key, at, problems) for key in _ORDERS]  # each of them is told
        if not all(fine):
            return None
        outer, inner, ball, cage = (float(getattr(form, key)) * form.ratio for key in _ORDERS)
        return Defects(outer, inner, 2 * ball, cage)
    return _by_geometry(form, at, problems)


def _by_geometry(form: BearingForm, at: Path, problems: Problems) -> Defects | None:
    balls, ball, pitch = form.balls or 0, form.ball_diameter or 0.0, form.pitch_diameter or 0.0
    fine = _least(balls, _FEWEST_BALLS, "balls", at, problems)
    fine &= _positive(ball, "ball_diameter", at, problems) & _positive(pitch, "pitch_diameter", at, problems)
    if not -_RIGHT_ANGLE < form.contact_angle < _RIGHT_ANGLE:
        problems.add((*at, "contact_angle"), f"is {form.contact_angle:g}", "in degrees, below 90; 0 for deep groove")
        fine = False
    if fine and not ball < pitch:
        problems.add(
            (*at, "ball_diameter"), f"is {ball:g}, not below pitch_diameter ({pitch:g})",
            "the pitch circle runs through the centres of the balls: (bore + outside diameter) / 2 is near it",
        )  # fmt: skip
        fine = False
    return defects(balls, ball, pitch, form.contact_angle, form.ratio) if fine else None


def _name(name: str, at: Path, problems: Problems) -> str:
    if not name.strip() or ":" in name:
        problems.add((*at, "name"), f"cannot be {name!r}", "a few words without a colon, such as: drive end")
    return name


def _positive(number: float, key: str, at: Path, problems: Problems) -> bool:
    if math.isfinite(number) and number > 0:
        return True
    problems.add((*at, key), f"is {number:g}", "a number above 0")
    return False


def _least(number: int, least: int, key: str, at: Path, problems: Problems) -> bool:
    if number >= least:
        return True
    problems.add((*at, key), f"is {number}", f"at least {least}")
    return False
