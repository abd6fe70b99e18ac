"""Settings and URLs."""

from __future__ import annotations

import msgspec
import pytest

from shoptwin_modbus.target import ModbusSettings, Rs485, Target, Timing, parse_url


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("tcp://192.0.2.10:1502", Target("tcp", "192.0.2.10", 1502)),
        ("tcp://plc.example", Target("tcp", "plc.example", 502)),
        ("tcp://[2001:db8::1]:502", Target("tcp", "2001:db8::1", 502)),
        ("tls://192.0.2.10", Target("tls", "192.0.2.10", 802)),
        ("tls://plc.example:8802", Target("tls", "plc.example", 8802)),
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
        ({"url": "rtu:///tmp/ttyBOX"}, "a serial port is below /dev/"),
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
        ({"turnaround": "11s"}, "turnaround must be at most 10 s"),
        ({"pause": "-1s"}, "not a duration"),
        ({"frame_gap": "0s"}, "frame_gap must be more than 0"),
        ({"frame_gap": "2s"}, "at most 1 s"),
        ({"in_flight": 17}, "<= 16"),
        ({"url": "rtu:///dev/ttyUSB0", "in_flight": 2}, "in_flight must be 1"),
        ({"url": "rtu+tcp://192.0.2.10:4001", "in_flight": 2}, "in_flight must be 1"),
        ({"ca_file": "ca.pem"}, "tls:// alone"),
        ({"url": "tls://192.0.2.10", "cert_file": "gateway.pem"}, "go together"),
        ({"rs485": {}}, "rtu://"),
        ({"url": "rtu:///dev/ttyS1", "rs485": {"rts": True}}, "rts"),
        ({"url": "rtu:///dev/ttyS1", "rs485": {"delay_before_send": "2s"}}, "at most 1s"),
        ({"avoid": ["holding"]}, "no place in a device"),
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


def test_a_target_says_all_that_devices_on_a_port_share():
    """Devices whose files or RS-485 settings differ do not have the same target."""
    plain = ModbusSettings(url="rtu:///dev/ttyS1")
    driven = ModbusSettings(url="rtu:///dev/ttyS1", rs485=Rs485(delay_after_send="2ms"))
    assert plain.target == ModbusSettings(url="rtu:///dev/ttyS1").target
    assert plain.target != driven.target
    assert driven.target.rs485.delays == (0, 0.002)
    assert len({plain.target, driven.target, plain.target}) == 2
    secure = ModbusSettings(url="tls://192.0.2.10", ca_file="/a", cert_file="/b", key_file="/c", server_name="plc")
    assert (secure.target.ca_file, secure.target.cert_file, secure.target.key_file) == ("/a", "/b", "/c")
    assert secure.target.server_name == "plc"


def test_timing():
    """Durations in the settings are seconds of a timing; the gap between frames may be left to the baud rate."""
    settings = ModbusSettings(url="tcp://192.0.2.10", timeout="2s", turnaround="0s", pause="20ms")
    assert settings.timing == Timing(timeout=2, turnaround=0, pause=0.02, frame_gap=None)
    assert ModbusSettings(url="tcp://192.0.2.10", frame_gap="4ms").timing.frame_gap == 0.004
    assert parse_url("rtu:///dev/ttyS1?baud=9600").silence == pytest.approx(3.5 * 11 / 9600)
    assert parse_url("rtu:///dev/ttyS1?baud=115200").silence == 1.75e-3
    assert parse_url("rtu+tcp://192.0.2.10:4001").silence == 5e-3
