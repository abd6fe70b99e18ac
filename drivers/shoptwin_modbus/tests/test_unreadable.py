"""Tags that the device's settings keep from being read are told before anything is asked for."""
# ruff: noqa: E501 - one case a line

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptwin.sdk import BadAddress, Group, Point
from shoptwin_modbus.addresses.address import parse_address
from shoptwin_modbus.plugin import plugin
from shoptwin_modbus.poll.layout import Layout
from shoptwin_modbus.poll.terrain import Terrain
from shoptwin_modbus.poll.waveform import Waveforms
from shoptwin_modbus.target import ModbusSettings

AVOID = ("holding:100-109", "holding:5@3")
SEQ = "holding:1000:int16[300]:seq=holding:998"


def _told(text: str, rate: float | None = None, **settings: object) -> str:
    """Return what is told of a tag, nothing where it can be read."""
    device = ModbusSettings(**{"url": "tcp://192.0.2.1", **settings})
    try:
        plugin.check_point(device, Point(0, parse_address(text), rate=rate))
    except BadAddress as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("text", "rate", "settings", "told"),
    [
        ("holding:99:float32", None, {"avoid": AVOID}, "touches holding:100-109, which this device is never asked for ('avoid')"),
        ("holding:5:int16@3", None, {"avoid": AVOID}, "touches holding:5@3"),
        ("holding:0:string[100]", None, {"max_block": 40}, "takes 50 registers, and one request reads 40 of this device ('max_block')"),
        ("holding:0:int16[50]", 100.0, {"max_block": 40}, "takes 50 registers, and one request reads 40"),
        (SEQ, None, {}, "needs its sampling rate. add to the tag: rate = 25600"),
        (SEQ, 100.0, {"avoid": ("holding:998",)}, "'holding:998:uint16': it touches holding:998"),
        (SEQ, 100.0, {"avoid": ("holding:1150",)}, "touches holding:1150"),
        ("holding:1:int16@0", None, {"url": "rtu:///dev/ttyUSB0"}, "unit 0 cannot be on a serial line, where units are 1 to 247"),
        ("holding:1:int16@248", None, {"url": "rtu+tcp://192.0.2.1"}, "write the number that is set at the device, or leave out @248 for unit 1"),
        ("holding:0:int16[50]@0", 100.0, {"url": "rtu+tcp://192.0.2.1"}, "unit 0 cannot be on a serial line"),
    ],
)  # fmt: skip
def test_told(text, rate, settings, told):
    """A tag on an address to avoid, longer than a request, of no unit of a line, or without a rate is told with its cure."""
    assert told in _told(text, rate, **settings)


@pytest.mark.parametrize(
    ("text", "rate", "settings"),
    [
        ("holding:98:float32", None, {"avoid": AVOID}),
        ("holding:5:int16", None, {"avoid": AVOID}),
        ("coil:100", None, {"avoid": AVOID}),
        ("holding:0:string[100]", None, {}),
        (SEQ, 100.0, {"max_block": 40}),
        ("holding:1:int16@0", None, {}),
        ("holding:1:int16@255", None, {}),
        ("holding:1:int16@247", None, {"url": "rtu:///dev/ttyUSB0"}),
    ],
)
def test_what_can_be_read(text, rate, settings):
    """What touches nothing to avoid and fits into its requests is not told of."""
    assert _told(text, rate, **settings) == ""


@given(
    st.sampled_from(["holding:{}:int16", "holding:{}:float64", "holding:{}:string[30]", "holding:{}:int16[60]", "coil:{}",
                     "holding:{}:int16[60]:ready=coil:7"]),
    st.integers(0, 60), st.sampled_from([None, 100.0]), st.integers(4, 40), st.sampled_from([(), ("holding:30-31", "coil:7")]),
)  # fmt: skip
def test_it_is_what_the_poll_does(text, start, rate, most, avoid):
    """Whatever the settings, told are those tags alone that a poll never asks for."""
    device = ModbusSettings(url="tcp://192.0.2.1", max_block=most, avoid=avoid)
    address = parse_address(text.format(start))
    group = Group("g", "plc", 10**9, (Point(0, address, rate=rate),))
    asked = Layout(group, 1, device.reach, Terrain()).members | Waveforms(group, 1, device.reach).units
    assert bool(_told(text.format(start), rate, max_block=most, avoid=avoid)) == (not asked)
