"""The parts of a tag: limits, 4-20 mA inputs, labels, what means missing, what is kept. Each notes what is wrong."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from shoptwin.config import meaning
from shoptwin.domain.errors import ShoptwinError
from shoptwin.domain.ports import Delivering
from shoptwin.domain.tag import CurrentLoop, Limits, Report, ValueKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from shoptwin.config.forms import CurrentLoopForm, LimitsForm, ReportForm
    from shoptwin.config.lines import Path
    from shoptwin.config.problems import Problems

_WHOLE = re.compile(r"[+-]?\d+|0[xX][0-9a-fA-F]+")
_ALL = 100.0
_NOT_MEASURED = {ValueKind.BOOL, ValueKind.STR, ValueKind.WAVEFORM}
"""What no 4-20 mA input delivers; that is told for the whole key."""
LEAST, MOST = -(2**63), 2**64 - 1
"""The whole numbers that there can be: of 64 bits, with a sign or without."""


def limits(form: LimitsForm, at: Path, problems: Problems) -> Limits:
    """Return alarm limits; they must rise, and leave room to clear in."""
    given = [(key, getattr(form, key)) for key in ("lolo", "lo", "hi", "hihi") if getattr(form, key) is not None]
    fine = len([key for key, number in given if meaning.finite(number, (*at, key), problems)]) == len(given)
    fine &= meaning.finite(form.deadband, (*at, "deadband"), problems)
    for (low, small), (high, large) in pairwise(given) if fine else ():
        if small >= large:
            problems.add((*at, high), f"is {large:g}, not above '{low}' ({small:g})", "lolo < lo < hi < hihi")
    if form.deadband < 0:
        problems.add((*at, "deadband"), f"must not be below 0 ({form.deadband:g})")
    numbers: dict[str, Any] = dict(given)
    if fine and "lo" in numbers and "hi" in numbers and 0 < numbers["hi"] - numbers["lo"] <= 2 * form.deadband:
        problems.add((*at, "deadband"), "leaves no value between 'lo' and 'hi' at which an alarm could clear")
    delays: dict[str, Any] = {
        key: meaning.duration(getattr(form, key), (*at, key), problems) or 0 for key in ("on_delay", "off_delay")
    }
    return Limits(**numbers, deadband=form.deadband, **delays)


def current_loop(
    form: CurrentLoopForm, address: object, at: Path, problems: Problems
) -> tuple[float, float, CurrentLoop | None]:
    """Return scale, offset and the raw values at 4 and 20 mA: value = raw * scale + offset is a line through both."""
    for key, ends in (("raw", form.raw), ("value", form.value)):
        if not all(meaning.finite(end, (*at, key, n), problems) for n, end in enumerate(ends)):
            return 1.0, 0.0, None
        if ends[0] == ends[1]:
            problems.add(
                (*at, key), f"is the same at both ends ({ends[0]:g})",
                f"first what {'the input delivers' if key == 'raw' else 'is measured'} at 4 mA, then at 20 mA",
            )  # fmt: skip
            return 1.0, 0.0, None
    (low, high), (least, most) = form.raw, form.value
    if isinstance(address, Delivering) and getattr(address, "kind", None) not in _NOT_MEASURED:
        for n, end in enumerate(form.raw):
            _deliverable(end, address, (*at, "raw", n), problems)
    scale = (most - least) / (high - low)
    return scale, least - low * scale, CurrentLoop(low, high)


def _deliverable(raw: float, address: Delivering, at: Path, problems: Problems) -> None:
    """Note an end of a current loop that never comes from this address; it may lie between two whole numbers."""
    whole = math.trunc(raw)
    try:
        came = address.delivered(whole)
    except ShoptwinError as error:
        problems.add(at, f"cannot be {raw:g}: {error.message}", error.hint)
        return
    if not math.isclose(came, whole, rel_tol=1e-6):  # a float32 holds seven digits
        problems.add(at, f"cannot be {raw:g}: {address} delivers this pattern as {came:g}", "is the type another one?")


def missing(raws: Iterable[float], address: object, at: Path, problems: Problems) -> tuple[float, ...]:
    """Return the values that mean that there is none, as they are delivered at this address (if that says how)."""
    found = []
    for n, raw in enumerate(raws):
        if isinstance(raw, int) and not LEAST <= raw <= MOST:
            problems.add((*at, n), "is beyond 64 bits", "write it as it stands in the manual, or leave it out")
        elif meaning.finite(raw, (*at, n), problems):
            try:
                found.append(address.delivered(raw) if isinstance(address, Delivering) else raw)
            except ShoptwinError as error:
                problems.add((*at, n), f"cannot be {raw:g}: {error.message}", error.hint)
    return tuple(dict.fromkeys(found))


def labels(texts: Mapping[str, str], at: Path, problems: Problems) -> tuple[tuple[int, str], ...]:
    """Return what numbers are called, by number."""
    found: dict[int, str] = {}
    for key, text in texts.items():
        if not _WHOLE.fullmatch(key):
            problems.add((*at, key), "is not a whole number", 'labels name the values of an enumeration: { 0 = "off" }')
            continue
        number = int(key, 16) if key[:2] in {"0x", "0X"} else int(key)
        if not text.strip():
            problems.add((*at, key), "names nothing", "write what this value means, or leave it out")
        if number in found:
            problems.add((*at, key), f"names {number} again", "each value has one label")
        found[number] = text.strip()
    return tuple(sorted(found.items()))


def report(form: str | ReportForm, at: Path, problems: Problems) -> Report:
    """Return which samples are kept; a table is of changes, as the word is."""
    if isinstance(form, str):
        return Report(each=form == "each")
    for key, number in (("deadband", form.deadband), ("percent", form.percent)):
        if meaning.finite(number, (*at, key), problems) and number < 0:
            problems.add((*at, key), f"must not be below 0 ({number:g})", "0 keeps every change")
    if form.percent > _ALL:
        problems.add((*at, "percent"), f"cannot be above 100 ({form.percent:g})", "'deadband' is in the tag's unit")
    heartbeat = meaning.duration(form.heartbeat, (*at, "heartbeat"), problems, least=1)
    return Report(each=False, deadband=form.deadband, percent=form.percent, heartbeat=heartbeat or 1)
