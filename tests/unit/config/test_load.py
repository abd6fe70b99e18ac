"""A configuration that is right."""

from __future__ import annotations

from typing import Any

import pytest

from shoptwin.domain.machine import Learning, MachineState, StateRule
from shoptwin.domain.tag import Limits, Role
from shoptwin.domain.timing import DAY, HOUR, SECOND, parse_time

WHOLE = """
[gateway]
site = "plant-1"
name = "press-hall-gw"
timezone = "Europe/Berlin"

[mqtt]
url = "mqtts://scada.example"
user = "gw"
password_file = "secret"
version = "3.1.1"
keepalive = "1m"

[store]
keep = "12h"
max_bytes = "1.5GiB"

[serve]
metrics = "127.0.0.1:9464"

[[device]]
name = "plc1"
driver = "fake"
url = "fake://192.0.2.10"
retry = { times = 5 }
period = "500ms"

[[machine]]
name = "press-3"
area = "hall-2"
line = "line-a"
iso20816 = "group2-rigid"
false_alarms = "2 per week"
maintenance_tag = "key"
learning = { until = 2026-12-01T07:00:00+01:00 }

[machine.state]
off = 1
idle = 3.5
values = { 3 = "producing" }

[[machine.tag]]
name = "spindle_temp"
id = "press-3-spindle-temp"
device = "plc1"
address = "h100"
role = "temperature"
unit = "degC"
scale = 0.1
offset = -40
period = "2s"
limits = { hihi = 90, hi = 80, deadband = 1, on_delay = "10s" }

[[machine.tag]]
name = "key"
device = "plc1"
address = "c1"
role = "other"
"""


def test_everything(load: Any, tmp_path: Any) -> None:
    """Every key arrives where it belongs, in nanoseconds, bytes and absolute paths."""
    (tmp_path / "secret").write_text("hunter2\n")
    config = load(WHOLE)
    assert (config.gateway.site, config.gateway.timezone) == ("plant-1", "Europe/Berlin")
    mqtt = config.mqtt
    assert (mqtt.host, mqtt.port, mqtt.tls, mqtt.version, mqtt.keepalive) == ("scada.example", 8883, True, 4, 60)
    assert mqtt.password.reveal() == "hunter2"
    assert (config.store.keep, config.store.max_bytes) == (12 * HOUR, round(1.5 * 1024**3))
    assert (config.store.directory, config.serve.socket) == (tmp_path / "state", tmp_path / "state" / "shoptwin.sock")
    assert config.serve.metrics == "127.0.0.1:9464"
    (device,) = config.devices
    assert (device.name, device.period, device.settings.retry.times) == ("plc1", SECOND // 2, 5)
    (machine,) = config.machines
    assert (machine.area, machine.line, machine.iso20816) == ("hall-2", "line-a", "group2-rigid")
    assert machine.false_alarms_per_month == pytest.approx(60 / 7)
    assert machine.learning == Learning(until=parse_time("2026-12-01T06:00:00Z"))
    assert machine.state == StateRule(1, 3.5, {"3": MachineState.PRODUCING})
    tag = machine.tag("spindle_temp")
    assert (tag.id, tag.role, tag.scale, tag.offset) == ("press-3-spindle-temp", Role.TEMPERATURE, 0.1, -40)
    assert tag.period == 2 * SECOND
    assert tag.limits == Limits(hihi=90, hi=80, deadband=1, on_delay=10 * SECOND)
    assert [tag.id for tag in config.tags] == ["press-3-spindle-temp", "press-3.key"]


def test_the_least(load: Any) -> None:
    """One temperature tag is a complete configuration."""
    config = load(
        """
        [[device]]
        name = "plc1"
        driver = "fake"
        url = "fake://192.0.2.10"
        [[machine]]
        name = "press-3"
        [[machine.tag]]
        name = "temp"
        device = "plc1"
        address = "h100"
        role = "temperature"
        """
    )
    (machine,) = config.machines
    assert (config.mqtt, config.gateway.timezone, config.devices[0].period) == (None, "UTC", SECOND)
    assert (machine.area, machine.line, machine.learning.span) == ("-", "-", 7 * DAY)
    assert not machine.tags[0].limits


def test_the_same_file_twice(load: Any, tmp_path: Any) -> None:
    """Two loads of one file are equal, so that a reload finds what has changed and nothing else."""
    (tmp_path / "secret").write_text("hunter2\n")
    first = load(WHOLE)
    assert load(WHOLE) == first
    (tmp_path / "secret").write_text("hunter3\n")
    assert load(WHOLE) != first
    (tmp_path / "secret").write_text("hunter2\n")
    assert load(WHOLE.replace("hi = 80", "hi = 81")).machines != first.machines


def test_systemd_directories(load: Any, tmp_path: Any, monkeypatch: Any) -> None:
    """Under systemd state, socket and secrets are where it says; a given state directory goes first."""
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "secret").write_text("from systemd")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/shoptwin:/var/lib/other")
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/shoptwin")
    config = load(WHOLE)
    assert str(config.store.directory) == "/var/lib/shoptwin"
    assert str(config.serve.socket) == "/run/shoptwin/shoptwin.sock"
    assert config.mqtt.password.reveal() == "from systemd"
    monkeypatch.delenv("RUNTIME_DIRECTORY")
    other = load(WHOLE, state_dir=tmp_path / "mine")
    assert (other.store.directory, other.serve.socket) == (tmp_path / "mine", tmp_path / "mine" / "shoptwin.sock")


def test_secrets_never_show(load: Any, tmp_path: Any) -> None:
    """No text of a configuration has the password in it."""
    (tmp_path / "secret").write_text("hunter2\n")
    config = load(WHOLE)
    assert "hunter2" not in f"{config!r} {config} {config.mqtt.password} {config.mqtt.password!s}"


def test_the_drivers_files_are_found(load: Any, tmp_path: Any) -> None:
    """A file that a driver's settings name is looked for as our own are: credentials, else beside the file."""
    (tmp_path / "plc-password").write_text("x")
    text = """
        [[device]]
        name = "plc1"
        driver = "fake"
        url = "fake://192.0.2.10"
        password_file = "plc-password"
        """
    assert load(text).devices[0].settings.password_file == str(tmp_path / "plc-password")


@pytest.mark.parametrize(("mode", "noted"), [(0o600, 0), (0o640, 1), (0o604, 1), (0o400, 0)])
def test_secrets_that_others_can_read(load: Any, tmp_path: Any, mode: int, noted: int) -> None:
    """A file of a password that others than its owner can read is noted with the cure, a driver's as our own."""
    for name in ("secret", "plc-password"):
        (tmp_path / name).write_text("x")
        (tmp_path / name).chmod(mode)
    mqtt = '[mqtt]\nurl = "mqtts://a"\nuser = "b"\npassword_file = "secret"\n'
    device = '[[device]]\nname = "plc1"\ndriver = "fake"\nurl = "fake://a"\npassword_file = "plc-password"\n'
    found = load(mqtt + device).notes
    assert len(found) == 2 * noted
    assert all("chmod 600" in note for note in found)
    assert {note.split(" ")[0] for note in found} == (
        {"mqtt.password_file", "device.0.password_file"} if noted else set()
    )


def test_what_a_driver_cautions_of(load: Any, plugins: Any) -> None:
    """What a driver knows to be allowed but probably not meant is a note that names the device."""
    plugins["fake"].cautions = lambda settings: [f"url is {settings.url}: write another"]
    text = '[[device]]\nname = "plc1"\ndriver = "fake"\nurl = "fake://a"\n'
    assert load(text).notes == ("device plc1: url is fake://a: write another",)


def test_desk_without_secrets(load: Any) -> None:
    """On the desk, where the password is not, `secrets=False` notes it and loads all the same."""
    config = load(WHOLE, secrets=False)
    assert config.mqtt.password is None
    assert "LoadCredential=secret:" in config.notes[0]


@pytest.mark.parametrize("start", ["", "\ufeff", "\r\n", "# a comment\n"])
def test_any_editor(load: Any, start: str) -> None:
    """A byte-order mark, Windows line ends and comments do no harm."""
    load(start + '[gateway]\r\nsite = "a"\r\nname = "b"\r\n')
