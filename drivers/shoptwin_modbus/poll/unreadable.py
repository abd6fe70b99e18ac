"""Tags that the device's own settings keep from ever being read: told before anybody asks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from shoptwin.sdk import BadAddress
from shoptwin_modbus.addresses.places import name_place
from shoptwin_modbus.planning import touches
from shoptwin_modbus.poll.layout import span_of

if TYPE_CHECKING:
    from shoptwin.sdk import Point
    from shoptwin_modbus.addresses.address import Burst, ModbusAddress
    from shoptwin_modbus.planning import Reach, Span


ON_A_LINE = range(1, 248)
"""The units that there can be on a serial line (Modbus over Serial Line 1.02, 2.2)."""


def check(point: Point, unit: int, reach: Reach, *, line: bool = False) -> None:
    """Check that a tag can be read within `reach`; `unit` is the device's own, `line`: it is on a serial line.

    Raises:
        BadAddress: it would be BadConfigurationError for ever; the hint says which key to change.
    """
    address: ModbusAddress = point.address
    span = span_of(address, unit)
    if line and span.unit not in ON_A_LINE:
        cure = f"write the number that is set at the device, or leave out @{span.unit} for unit {unit}"
        _refuse(address, f"unit {span.unit} cannot be on a serial line, where units are 1 to 247 (0 calls all)", cure)
    _avoided(address, span, unit, reach)
    if (burst := address.waveform) is not None:
        _waveform(address, burst, point.rate, reach)
        for mark in (burst.seq, burst.ready):
            if mark is not None:
                _whole(mark, own := span_of(replace(mark, unit=span.unit), unit), reach)
                _avoided(mark, own, unit, reach)
    else:
        _whole(address, span, reach)


def _avoided(address: ModbusAddress, span: Span, unit: int, reach: Reach) -> None:
    for shy in reach.avoid:
        if touches(shy, span):
            place = name_place(shy, unit)
            cure = "take it out of the device's 'avoid' if it may be read after all, or leave out the tag"
            _refuse(address, f"it touches {place}, which this device is never asked for ('avoid')", cure)


def _whole(address: ModbusAddress, span: Span, reach: Reach) -> None:
    size, most = span.stop - span.start, reach.most(span.table)
    if size > most:
        what = f"it takes {size} registers, and one request reads {most} of this device ('max_block')"
        _refuse(
            address, what, "a value is never put together from two requests: raise max_block, or read a shorter type"
        )


def _waveform(address: ModbusAddress, burst: Burst, rate: float | None, reach: Reach) -> None:
    if not rate:
        _refuse(address, "a waveform needs its sampling rate", "add to the tag: rate = 25600 (samples in a second)")
    if burst.seq is None and burst.ready is None and address.count > reach.registers:
        what = (
            f"it takes {address.count} registers, and one request reads {reach.registers} of this device ('max_block')"
        )
        cure = f"add a number that changes with each measurement, {address}:seq=holding:998, or raise max_block"
        _refuse(address, what, cure)


def _refuse(address: ModbusAddress, what: str, hint: str) -> NoReturn:
    raise BadAddress(f"Modbus address '{address}': {what}", hint)
