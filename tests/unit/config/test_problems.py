"""A configuration that is wrong: what is told, where, and the cure."""
# ruff: noqa: E501 - one case a line

from __future__ import annotations

from typing import Any

import pytest

from shoptwin import config
from shoptwin.domain.errors import ConfigError

DEVICE = """
[[device]]
name = "plc1"
driver = "fake"
url = "fake://192.0.2.10"
"""
TAG = """
[[machine]]
name = "press-3"
[[machine.tag]]
name = "temp"
device = "plc1"
address = "h100"
role = "temperature"
"""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[mqqt]", "mqqt is not a known table; did you mean 'mqtt'?"),
        ('[mqtt]\nurl = "mqtt://a"\npasword_file = "x"', "mqtt.pasword_file is not a known key; did you mean 'password_file'?"),
        ('[mqtt]\nurl = "mqtt://a"\npassword = "x"', "secrets do not stand in this file"),
        ('[mqtt]\nurl = "mqtt://u:p@a"', "mqtt.url has a user or password in it; use the keys 'user' and 'password_file'"),
        ('[mqtt]\nurl = "http://a"', "mqtt.url has the scheme 'http'; write mqtt://host:1883"),
        ('[mqtt]\nurl = "mqtt://"', "mqtt.url names no host"),
        ('[mqtt]\nurl = "mqtt://a:99999"', "mqtt.url is not a URL"),
        ('[mqtt]\nurl = "mqtt://a/b"', "mqtt.url goes on after the port"),
        ('[mqtt]\nurl = "mqtt://a"\nca_file = "/etc/hostname"', "mqtt.url has no TLS, yet certificates are given"),
        ('[mqtt]\nurl = "mqtt://a"\nversion = 4', "mqtt.version cannot be 4; one of: 5, 3.1.1"),
        ('[mqtt]\nurl = "mqtt://a"\nuser = 5', "mqtt.user must be text in quotes, not a whole number (5)"),
        ('[mqtt]\nurl = "mqtt://a"\nuser = "b"\npassword_file = "gone"', "gone is not there; put it there, or give systemd"),
        ('[mqtt]\nurl = "mqtt://a"\nkeepalive = "10 sec"', "mqtt.keepalive is wrong: '10 sec' is not a duration: write 500ms"),
        ('[mqtt]\nuser = "b"', "mqtt needs the key 'url'; mqtt://host[:1883]"),
        ("mqtt = 5\n[gateway]\nsite = 'a'\nname = 'b'", "mqtt must be a table, not a whole number (5)"),
        ('[store]\nmax_bytes = "2 gigs"', "store.max_bytes is not a size ('2 gigs'); write 500MB or 2GB"),
        ('[store]\nmax_bytes = "1MB"', "store.max_bytes is too small ('1MB'); at least 10MB"),
        ('[serve]\nmetrics = "9464"', "serve.metrics is not an address to listen on ('9464')"),
        ("[device]\nname = 'a'", "device must be an array of tables; write [[device]], with two brackets"),
        ("[machine]\nname = 'a'", "machine must be an array of tables; write [[machine]], with two brackets"),
        (DEVICE.replace('"fake"\n', '"fakes"\n'), "device[0].driver is not installed ('fakes'); did you mean 'fake'?"),
        (DEVICE.replace('driver = "fake"\n', ""), "device[0] needs the key 'driver'"),
        (DEVICE + "untit = 1", "device[0].untit is not a known key; did you mean 'unit'?"),
        (DEVICE + "perod = '1s'", "device[0].perod is not a known key; did you mean 'period'?"),
        (DEVICE + "unit = 'a'", "device[0].unit must be a whole number, not text ('a')"),
        (DEVICE + "unit = 300", "device[0] is refused: unit must be at most 247"),
        (DEVICE + "retry = { tims = 1 }", "device[0].retry.tims is not a known key; did you mean 'times'?"),
        (DEVICE + "retry = { times = 1.5 }", "device[0].retry.times must be a whole number, not a number (1.5)"),
        (DEVICE + "period = '1ms'", "device[0].period is too short ('1ms'); at least 10ms"),
        (DEVICE + "password_file = 'gone'", "device[0].password_file names no file"),
        (DEVICE.replace("//", "//me:secret@"), "device[0].url has a password in it"),
        (DEVICE + DEVICE, "device[1].name 'plc1' is already a device, on line 5"),
        (TAG, "machine[0].tag[0].device names no device ('plc1'); add a [[device]] of this name"),
        (DEVICE + TAG.replace("plc1", "plc2"), "names no device ('plc2'); did you mean 'plc1'?"),
        (DEVICE + TAG.replace("h100", "100"), "machine[0].tag[0].address is refused by fake: '100' is no address; Write a letter"),
        (DEVICE + TAG.replace("temperature", "temprature"), "tag[0].role cannot be 'temprature'; did you mean 'temperature'?"),
        (DEVICE + TAG.replace("temperature", "xyz"), "tag[0].role cannot be 'xyz'; one of: vibration, waveform, temperature"),
        (DEVICE + TAG.replace('role = "temperature"', ""), "tag[0] needs the key 'role'; one of: vibration"),
        (DEVICE + TAG.replace('device = "plc1"', ""), "tag[0] needs the key 'device'; one of: plc1"),
        (DEVICE + TAG.replace('address = "h100"', ""), "tag[0] needs the key 'address'"),
        (DEVICE + TAG + "limits = { hi = 90, hihi = 80 }", "tag[0].limits.hihi is 80, not above 'hi' (90); lolo < lo < hi < hihi"),
        (DEVICE + TAG + "limits = { lo = 90, hihi = 80 }", "tag[0].limits.hihi is 80, not above 'lo' (90)"),
        (DEVICE + TAG + "limits = { hi = nan }", "tag[0].limits.hi cannot be nan"),
        (DEVICE + TAG + "limits = { hi = 9, lo = 8, deadband = 1 }", "deadband leaves no value between 'lo' and 'hi'"),
        (DEVICE + TAG + "limits = { hi = 9, deadband = -1 }", "deadband must not be below 0"),
        (DEVICE + TAG + "limits = { high = 9 }", "tag[0].limits.high is not a known key; did you mean 'hi"),
        (DEVICE + TAG.replace("temperature", "waveform") + "limits = { hi = 9 }", "tag[0].limits cannot judge a waveform"),
        (DEVICE + TAG + "scale = 0", "tag[0].scale cannot be 0"),
        (DEVICE + TAG + "scale = true", "tag[0].scale must be a number, not true or false (true)"),
        (DEVICE + TAG + "rate = 0", "tag[0].rate must be above 0 Hz"),
        (DEVICE + TAG + "period = '0s'", "tag[0].period is too short ('0s'); at least 10ms"),
        (DEVICE + TAG + TAG, "machine[1].name 'press-3' is already the name of a machine, on line 10"),
        (DEVICE + TAG + TAG.replace("press-3", "b"), ""),
        (DEVICE + TAG.replace("press-3", "press 3"), "machine[0].name cannot be 'press 3': it has a space in it"),
        (DEVICE + TAG.replace("press-3", "a/b+#"), "it has '#' '+' '/' in it"),
        (DEVICE + TAG.replace("press-3", "_gateway"), "machine[0].name cannot be '_gateway'"),
        (DEVICE + TAG.replace("press-3", ""), "machine[0].name cannot be '': it is empty"),
        (DEVICE + TAG.replace('name = "press-3"', 'name = "p"\narea = ""'), "machine[0].area cannot be ''"),
        (DEVICE + TAG.replace('name = "press-3"', 'name = "p"\niso20816 = "group2"'), "did you mean 'group2-rigid'?"),
        (DEVICE + TAG.replace('name = "press-3"', 'name = "p"\nfalse_alarms = "0 per day"'), "is not a rate ('0 per day')"),
        (DEVICE + TAG.replace('name = "press-3"', 'name = "p"\nmaintenance_tag = "tmp"'), "names no tag of this machine ('tmp')"),
        ("[[machine]]\nname = 'p'\nlearning.until = 2026-12-01T06:00:00", "has no time zone: end it with Z or +01:00"),
        ("[[machine]]\nname = 'p'\nlearning.until = 'soon'", "machine[0].learning.until cannot be 'soon'"),
        ("[[machine]]\nname = 'p'\nlearning.span = '0d'", "machine[0].learning.span is too short ('0d'); more than nothing"),
        ("[[machine]]\nname = 'p'\nstate = { off = 5, idle = 5 }", "machine[0].state.off is 5, not below 'idle' (5)"),
        ("[[machine]]\nname = 'p'\nstate.values.0 = 'of'", "machine[0].state.values.0 cannot be 'of'; did you mean 'off'?"),
        ("[[machine]]\nname = 'p'\ntag = 5", "machine[0].tag must be an array of tables"),
        ('[gateway]\nsite = "a"\nname = "b"\ntimezone = "Europe/Berlim"', "did you mean 'Europe/Berlin'?"),
        ('[gateway]\nsite = "a"\nname = "b"\ntimezone = "Berlin"', "did you mean 'Europe/Berlin'?"),
        ('[gateway]\nsite = "a"', "gateway needs the key 'name'"),
        ("# [gateway]", "needs a table [gateway]"),
    ],
)  # fmt: skip
def test_told(problems: Any, load: Any, text: str, told: str) -> None:
    """Each mistake is told with its key path and its cure."""
    if not told:
        load(text)
        return
    found = problems(text)
    assert len(found) == 1, found
    assert found[0].startswith("shoptwin.toml:")
    assert told in found[0]


def test_the_line(problems: Any) -> None:
    """The line is that of the key, even in an inline table or an array of tables."""
    text = """
        [gateway]
        site = "plant-1"
        name = "gw"

        [[machine]]
        name = "a"

        [[machine]]
        name = "b"
        learning = { span = "7d",
                     spam = 1 }
        [[machine.tag]]  # of b
        name = "x"
        role = "other"
        device = "d"
        address = "h1"
        "adr ess" = 1
        """
    # A line end within an inline table is TOML 1.1; 1.0 wants one line.
    found = problems(text.replace(",\n                     ", ", "))
    assert found == [
        "shoptwin.toml:10: machine[1].learning.spam is not a known key; did you mean 'span'?",
        "shoptwin.toml:14: machine[1].tag[0].device names no device ('d'); add a [[device]] of this name",
        "shoptwin.toml:16: machine[1].tag[0].\"adr ess\" is not a known key; did you mean 'address'?",
    ]


def test_a_typo_is_told_once(problems: Any) -> None:
    """A misspelt key that is required is not also told as missing."""
    found = problems(DEVICE + TAG.replace("role", "rolle"))
    assert found == ["shoptwin.toml:15: machine[0].tag[0].rolle is not a known key; did you mean 'role'?"]


def test_all_at_once(problems: Any) -> None:
    """Every mistake is told in one go, in the order of the file."""
    text = (DEVICE + TAG).replace("h100", "100").replace(
        "fake://", "fake:"
    ) + 'limits = { hi = "9" }\nscal = 2\n[mqtt]\n'
    lines = [int(line.split(":")[1]) for line in problems(text)]
    assert lines == [14, 16, 17, 18]


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b'[gateway]\nsite = "a"\nname = b\n', "shoptwin.toml:3: is not TOML: invalid value, column 8"),
        (b'[gateway]\nsite = "a"\nsite = "b"\n', "shoptwin.toml:3: is not TOML: cannot overwrite a value"),
        (b"[gateway\n", "shoptwin.toml:1: is not TOML"),
        (b'a = """never ends\n', "shoptwin.toml:1: is not TOML"),
        (b'site = "M\xfcnchen"\n', "shoptwin.toml: byte 9 is not UTF-8"),
        (b"", "needs a table [gateway]"),
    ],
)
def test_not_toml(tmp_path: Any, raw: bytes, told: str) -> None:
    """What is not TOML, or not UTF-8, is told with its line."""
    path = tmp_path / "shoptwin.toml"
    path.write_bytes(raw)
    with pytest.raises(ConfigError) as wrong:
        config.load(path, {})
    assert told in wrong.value.message
    assert wrong.value.hint


def test_no_file(tmp_path: Any) -> None:
    """A file that is not there, or is a folder, is told by its path."""
    with pytest.raises(ConfigError, match="There is no file"):
        config.load(tmp_path / "gone.toml", {})
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load(tmp_path, {})


def test_a_socket_path_that_is_too_long(problems: Any) -> None:
    """A socket path that the kernel refuses is told before the daemon starts."""
    assert "is too long for a Unix socket" in problems(f'[serve]\nsocket = "{"x" * 108}"')[0]
    assert "shoptwin.toml:5" in problems(f'[serve]\nsocket = "{"x" * 108}"')[0]


def test_recording(tmp_path: Any) -> None:
    """The machine.toml of a recording has no devices, and unknown keys are errors in it too."""
    path = tmp_path / "machine.toml"
    path.write_text('[[machine]]\nname = "pump-1"\n[[machine.tag]]\nname = "t"\nrole = "temperature"\nunit = "degC"\n')
    (machine,) = config.load_machines(path)
    assert machine.tags[0].id == "pump-1.t"
    path.write_text('[gateway]\n[[machine]]\nname = "pump-1"\nnam = 1\n')
    with pytest.raises(ConfigError) as wrong:
        config.load_machines(path)
    assert wrong.value.message.splitlines() == [
        "machine.toml:1: gateway is not known in a recording; one of: machine",
        "machine.toml:4: machine[0].nam is not a known key; did you mean 'name'?",
    ]
    path.write_text("")
    with pytest.raises(ConfigError, match=r"has no \[\[machine\]\]"):
        config.load_machines(path)
