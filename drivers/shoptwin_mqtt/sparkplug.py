"""Payloads of Sparkplug B 3.0 (chapter 6.4), decoded as far as values need it: pure functions.

Fields are known by their numbers in `sparkplug_b.proto` of Eclipse Tahu.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from shoptwin.sdk import StatusCode, ValueKind, iso
from shoptwin_mqtt import protobuf
from shoptwin_mqtt.protobuf import MalformedError, fields, text, whole
from shoptwin_mqtt.values import Value, Wish, bad, sane, waveform

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

INT, LONG, FLOAT, DOUBLE, BOOLEAN, STRING, BYTES = 10, 11, 12, 13, 14, 15, 16
"""Fields of a metric, one of which holds its value; 17 to 19 are datasets, templates and extensions."""
_VALUES = range(INT, 20)
_BITS = {1: 8, 2: 16, 3: 32, 4: 64, 5: 8, 6: 16, 7: 32, 8: 64}
"""DataType Int8 to Int64, UInt8 to UInt64."""
_LAST_SIGNED, _UINT64 = 4, 8
_FLOAT, _DOUBLE, _BOOLEAN, _STRING, _DATE_TIME, _TEXT, _UUID = 9, 10, 11, 12, 13, 14, 15
_ARRAYS = {
    22: "<i1", 23: "<i2", 24: "<i4", 25: "<i8", 26: "<u1", 27: "<u2", 28: "<u4", 29: "<u8", 30: "<f4", 31: "<f8",
}  # fmt: skip
"""DataType Int8Array to DoubleArray, as numpy names what they hold."""
_COUNTS = frozenset({22, 23, 26})
"""Arrays that are kept as 16-bit counts."""
_SELF_EVIDENT = {FLOAT: _FLOAT, DOUBLE: _DOUBLE, BOOLEAN: _BOOLEAN, STRING: _STRING}
"""The type of a metric that names none, by the field that holds its value; integers could be signed or not."""
_QUALITIES = {0: StatusCode.BAD, 192: StatusCode.GOOD, 500: StatusCode.UNCERTAIN_LAST_USABLE_VALUE}
"""The property `Quality` of a metric (Sparkplug 3.0, 6.4, "Quality Codes"): bad, good, stale."""
_MS = 10**6
_A_TURN = 250
"""Metrics that are decoded in one turn: some ms."""


class Metric(NamedTuple):
    """One metric of a payload, not decoded further than its fields."""

    name: str = ""
    alias: int | None = None
    time: int = 0
    """ns UTC; 0 where there is none that can be."""
    type: int = 0
    historical: bool = False
    null: bool = False
    quality: int = StatusCode.GOOD
    field: int = 0
    """Which field holds the value; 0: none."""
    raw: int | memoryview = 0


class Payload(NamedTuple):
    """One message."""

    seq: int | None
    metrics: tuple[Metric, ...]


def decode(data: bytes, *, metrics: bool = True) -> Payload:
    """Decode a message of an edge node or device; without its metrics where nobody wants them.

    Raises:
        MalformedError: it is none.
    """
    steps = decoding(data, metrics=metrics)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            payload: Payload = done.value
            return payload


def decoding(data: bytes, *, metrics: bool = True) -> Generator[None, None, Payload]:
    """Decode as `decode` does, and yield after each turn's work: a birth may have tens of thousands of metrics."""
    seq, time, found = None, 0, []
    for n, (number, value) in enumerate(fields(memoryview(data)), 1):
        if number == 1:
            time = _time(value)
        elif number == 2:  # noqa: PLR2004 - field numbers of Payload
            if isinstance(value, int):
                raise MalformedError("a number where a metric belongs")
            if metrics:
                found.append(value)
        elif number == 3:  # noqa: PLR2004
            seq = whole(value)
        if not n % _A_TURN:
            yield
    decoded = []
    for n, one in enumerate(found, 1):
        decoded.append(_metric(one, time))
        if not n % _A_TURN:
            yield
    return Payload(seq, tuple(decoded))


def _time(value: int | memoryview) -> int:
    return sane(whole(value) * _MS)


def _metric(data: memoryview, sent: int) -> Metric:
    """Decode one metric; one without a time has that of its payload."""
    told: dict[str, Any] = {"time": sent}
    for number, value in fields(data):
        if number in _VALUES:
            told["field"], told["raw"] = number, value
        elif number in _FIELDS:
            name, read = _FIELDS[number]
            told[name] = read(value)
    return Metric(**told)


def _flag(value: int | memoryview) -> bool:
    return bool(whole(value))


def _quality(value: int | memoryview) -> int:
    """Return the status that the property `Quality` of a PropertySet stands for; Good where there is none."""
    if isinstance(value, int):
        raise MalformedError("a number where a set of properties belongs")
    keys: list[str] = []
    values: list[memoryview] = []
    for number, item in fields(value):
        if number == 1:
            keys.append(text(item))
        elif number == 2 and not isinstance(item, int):  # noqa: PLR2004 - field numbers of PropertySet
            values.append(item)
    for key, item in zip(keys, values, strict=False):
        if key == "Quality":
            told = next((v for number, v in fields(item) if number in {3, 4} and isinstance(v, int)), None)
            return _QUALITIES.get(told, StatusCode.UNCERTAIN) if told is not None else StatusCode.UNCERTAIN
    return StatusCode.GOOD


_FIELDS: dict[int, tuple[str, Callable[[int | memoryview], Any]]] = {
    1: ("name", text),
    2: ("alias", whole),
    3: ("time", _time),
    4: ("type", whole),
    5: ("historical", _flag),
    7: ("null", _flag),
    9: ("quality", _quality),
}


def value_of(metric: Metric, type_: int, wish: Wish) -> Value | None:
    """Return a metric's value; `type_` is its DataType by the birth certificate, 0 where that is not known.

    None: without the type nobody can tell what is meant.
    """
    if metric.null:
        return bad(StatusCode.BAD_NO_DATA)
    type_ = metric.type or type_ or _SELF_EVIDENT.get(metric.field, 0)
    if not type_:
        return None
    try:
        value = _decoded(metric, type_, wish)
    except MalformedError:
        return bad(StatusCode.BAD_DECODING_ERROR)
    if metric.quality == StatusCode.GOOD or value.status != StatusCode.GOOD:
        return value
    return bad(metric.quality) if metric.quality == StatusCode.BAD else value._replace(status=metric.quality)


def _decoded(metric: Metric, type_: int, wish: Wish) -> Value:
    if not metric.field:
        return bad(StatusCode.BAD_NO_DATA)
    if type_ in _ARRAYS:
        return _array(metric, type_, wish.rate)
    if type_ not in _SCALARS or wish.kind is ValueKind.WAVEFORM:
        return bad(StatusCode.BAD_TYPE_MISMATCH)
    holds, read = _SCALARS[type_]
    if metric.field not in holds:
        raise MalformedError(f"DataType {type_} in field {metric.field}")
    return read(metric)


def _integer(type_: int) -> Callable[[Metric], Value]:
    """Return what reads an integer: its low bits as they are, signed ones as two's complement.

    Some encoders fill a negative Int8 up to 32 bits and others do not, so that only the low bits can be relied on.
    """
    bits, signed = _BITS[type_], type_ <= _LAST_SIGNED
    kind = ValueKind.U8 if type_ == _UINT64 else ValueKind.I8

    def read(metric: Metric) -> Value:
        number = whole(metric.raw) & ((1 << bits) - 1)
        return Value(kind, number - (1 << bits) if signed and number >> (bits - 1) else number)

    return read


def _real(metric: Metric) -> Value:
    if metric.field == FLOAT:
        return Value(ValueKind.F4, protobuf.float32(metric.raw))
    return Value(ValueKind.F8, protobuf.float64(metric.raw))


def _boolean(metric: Metric) -> Value:
    return Value(ValueKind.BOOL, bool(whole(metric.raw)))


def _string(metric: Metric) -> Value:
    return Value(ValueKind.STR, text(metric.raw))


def _date_time(metric: Metric) -> Value:
    try:
        return Value(ValueKind.STR, iso(whole(metric.raw) * _MS))
    except OverflowError:
        return bad(StatusCode.BAD_OUT_OF_RANGE)


_SCALARS: dict[int, tuple[frozenset[int], Callable[[Metric], Value]]] = {
    **{type_: (frozenset({INT, LONG}), _integer(type_)) for type_ in _BITS},
    **dict.fromkeys((_FLOAT, _DOUBLE), (frozenset({FLOAT, DOUBLE}), _real)),
    **dict.fromkeys((_STRING, _TEXT, _UUID), (frozenset({STRING}), _string)),
    _BOOLEAN: (frozenset({BOOLEAN}), _boolean),
    _DATE_TIME: (frozenset({INT, LONG}), _date_time),
}
"""By DataType: the fields that may hold it, and what reads it."""


def _array(metric: Metric, type_: int, rate: float | None) -> Value:
    raw, dtype = metric.raw, np.dtype(_ARRAYS[type_])
    if metric.field != BYTES or isinstance(raw, int) or len(raw) % dtype.itemsize:
        raise MalformedError("not an array")
    with np.errstate(over="ignore", invalid="ignore"):  # what float32 cannot hold becomes Inf, and that is Bad
        samples = np.frombuffer(raw, dtype).astype(np.int16 if type_ in _COUNTS else np.float32)
    return waveform(samples, rate)
