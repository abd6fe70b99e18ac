"""Settings and URLs."""

from __future__ import annotations

import msgspec
import pytest

from shoptwin_modbus.target import ModbusSettings, Target, parse_url


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("tcp://192.0.2.10:1502", Target("tcp", "192.0.2.10", 1502)),
        ("tcp://plc.example", Target("tcp", "plc.example", 502)),
        ("tcp://[2001:db8::1]:502", Target("tcp", "2001:db8::1", 502)),
        ("rtu+tcp://192.0.2.10:4001", Target("rtu+tcp", "192.0.2.10", 4001)),
        ("rtu:///dev/ttyUSB0", Target("rtu", path="/dev/ttyUSB0", baud=19200, parity="E", stop=1, bits=8)),
        (
            "rtu:///dev/ttyUSB0?baud=9600&parity=n&stop=2",
            Target("rtu", path="/dev/ttyUSB0", baud=9600, parity="N", stop=2),
        ),
    ],
)
def test_urls(url, target):
    """A URL names a host and port, or a serial port with its parameters."""
    assert parse_url(url) == target


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"url": "192.0.2.10:502"}, "write tcp://"),
        ({"url": "modbus://192.0.2.10"}, "write tcp://"),
        ({"url": "tcp://192.0.2.10:99999"}, "port"),
        ({"url": "tcp://192.0.2.10/1"}, "no more than tcp://host:port"),
        ({"url": "rtu://dev/ttyUSB0"}, "three slashes"),
        ({"url": "rtu:///dev/ttyUSB0?speed=9600"}, "unknown speed"),
        ({"url": "rtu:///dev/ttyUSB0?parity=X"}, "parity N, E or O"),
        ({"url": "rtu:///dev/ttyUSB0?baud=fast"}, "baud is a number"),
        ({"url": "rtu:///dev/ttyUSB0", "unit": 0}, "1 to 247"),
        ({"unit": 256}, "<= 255"),
        ({"timeout": "soon"}, "not a duration"),
        ({"timeout": "1h"}, "at most 10 s"),
        ({"timeout": "0s"}, "more than 0"),
        ({"max_block": 126}, "<= 125"),
        ({"max_block": 3}, ">= 4"),
        ({"max_bits": 2001}, "<= 2000"),
        ({"max_gap": -1}, ">= 0"),
        ({"max_gaps": 1}, "max_gaps"),
        ({"unit": "1"}, "int"),
    ],
)
def test_mistakes_are_named(changes, message):
    """A wrong setting is refused with what is wrong, or what to write instead."""
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert({"url": "tcp://192.0.2.10", **changes}, ModbusSettings)


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("tcp://127.0.0.1:502", True),
        ("tcp://127.9.9.9:502", True),
        ("tcp://[::1]:502", True),
        ("tcp://localhost:502", True),
        ("tcp://192.0.2.10:502", False),
        ("tcp://plc.example:502", False),
        ("tcp://127.0.0.1.example:502", False),
        ("rtu:///dev/ttyUSB0", False),
        ("rtu:///dev/pts/4", True),
    ],
)
def test_loopback(plugin, url, here):
    """Hosts of this box and pseudo terminals are loopback, nothing else is."""
    assert plugin.loopback(ModbusSettings(url=url)) is here
