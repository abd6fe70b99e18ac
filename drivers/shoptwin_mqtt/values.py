"""What a place in a payload means as a value and as a time: pure functions."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from shoptwin.sdk import StatusCode, ValueKind, Waveform, parse_time
from shoptwin_mqtt.pointer import NOTHING, resolve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shoptwin_mqtt.pointer import Pointer

EXACT = 2**53
"""Up to here a float64 holds every whole number."""
_NUMBER = re.compile(
    r"\s*[+-]?(?:(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?|nan|inf(?:inity)?)\s*",
    re.ASCII | re.IGNORECASE,
)
"""A number as JSON writes it, with a plus sign or a bare point, or as C writes what is none: 0042 is a name, not 42."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_LONGEST_NUMBER = 400
_UNITS = ((1e11, 10**9), (1e14, 10**6), (1e17, 10**3), (math.inf, 1))
"""Below this a number since 1970 counts seconds, milliseconds, microseconds or nanoseconds: what that many."""
EARLIEST = 10**8 * 10**9
"""March 1973: what is before it is the time since a start, or that of a clock that nobody has set."""
_LATEST = 2**63 - 1


class Wish(NamedTuple):
    """What a tag expects: the kind of value (a waveform, say), and a waveform's sampling rate in Hz."""

    kind: ValueKind | None = None
    rate: float | None = None


class Value(NamedTuple):
    """One value with its quality; where that is Bad, `value` is NaN and means nothing."""

    kind: ValueKind
    value: Any
    status: int = StatusCode.GOOD


class UnreadableError(ValueError):
    """A payload is neither JSON nor text."""


def bad(status: int) -> Value:
    """Return what says that there is no value, and why."""
    return Value(ValueKind.F8, math.nan, status)


def document(payload: bytes) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """Decode a payload: JSON, else text, else (an empty one) nothing.

    Raises:
        UnreadableError: it is neither.
    """
    if not payload:
        return NOTHING
    try:
        return json.loads(payload)
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError, and so is a number of 5,000 digits
        pass
    try:
        return Text(payload.decode().strip())
    except UnicodeDecodeError as error:
        raise UnreadableError("neither JSON nor UTF-8 text") from error


class Text(str):
    """A payload that is no JSON: there are no places in it."""

    __slots__ = ()


def value_at(found: Any, place: Pointer, wish: Wish) -> Value:  # noqa: ANN401
    """Return the value at a place of a decoded payload."""
    if place and isinstance(found, Text):
        return bad(StatusCode.BAD_DECODING_ERROR)
    here = resolve(found, place)
    if here is NOTHING or here is None:
        return bad(StatusCode.BAD_NO_DATA)
    if isinstance(here, list):
        return _waveform(here, wish.rate)
    if wish.kind is ValueKind.WAVEFORM or isinstance(here, dict):
        return bad(StatusCode.BAD_TYPE_MISMATCH)
    return _scalar(here)


def _scalar(here: str | float) -> Value:
    if isinstance(here, bool):
        return Value(ValueKind.BOOL, here)
    if isinstance(here, str):
        number = as_number(here)
        return Value(ValueKind.STR, clean(here)) if number is None else _number(number)
    return _number(here)


def clean(text: str) -> str:
    """Return a text that can be written as UTF-8: JSON may hold half a character (a lone surrogate), no file can."""
    return _SURROGATE.sub("\ufffd", text)


def as_number(text: str) -> int | float | None:
    """Return the number that a text writes, None where it is any other text."""
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        return None
    try:
        return int(text)
    except ValueError:
        return float(text)


def _number(number: float) -> Value:
    """Return a number as float64, or as a 64-bit integer where that alone holds it.

    JSON has one type of number, and many devices write 21 for 21.0: the kind of a tag must not change with that.
    """
    if not isinstance(number, int) or abs(number) <= EXACT:
        return Value(ValueKind.F8, float(number))
    if -(2**63) <= number < 2**63:
        return Value(ValueKind.I8, number)
    return Value(ValueKind.U8, number) if 0 < number < 2**64 else bad(StatusCode.BAD_OUT_OF_RANGE)


def _waveform(items: list[Any], rate: float | None) -> Value:
    if not set(map(type, items)) <= {int, float}:
        return bad(StatusCode.BAD_TYPE_MISMATCH)
    try:
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes Inf, and that is Bad
            samples = np.array(items, np.float32)
    except OverflowError:
        return bad(StatusCode.BAD_OUT_OF_RANGE)
    return waveform(samples, rate)


def waveform(samples: NDArray[Any], rate: float | None) -> Value:
    """Return samples, int16 or float32 [n], as one value; without a rate (Hz) a spectrum would have a wrong axis."""
    if not len(samples):
        return bad(StatusCode.BAD_NO_DATA)
    if rate is None:
        return bad(StatusCode.BAD_CONFIGURATION_ERROR)
    if not np.isfinite(samples).all():
        return bad(StatusCode.BAD_OUT_OF_RANGE)
    return Value(ValueKind.WAVEFORM, Waveform(samples, rate))


def time_at(found: Any, place: Pointer | None) -> int:  # noqa: ANN401
    """Return the time (ns UTC) that stands at a place of a decoded payload, 0 where there is none."""
    if not place or isinstance(found, Text):
        return 0
    here = resolve(found, place)
    if isinstance(here, str):
        number = as_number(here)
        if number is None:
            try:
                return sane(parse_time(here.strip()))
            except (ValueError, OverflowError):
                return 0
        here = number
    if isinstance(here, bool) or not isinstance(here, int | float) or not math.isfinite(here):
        return 0
    unit = next(unit for below, unit in _UNITS if here < below)
    whole = int(here)  # apart from the rest, so that no float has to hold nanoseconds since 1970
    return sane(whole * unit + round((here - whole) * unit))


def sane(time: int) -> int:
    """Return a time (ns UTC), 0 where it is that of a clock that nobody has set, or cannot be kept."""
    return time if EARLIEST <= time <= _LATEST else 0
