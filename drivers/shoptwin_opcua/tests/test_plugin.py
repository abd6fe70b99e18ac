"""Settings, loopback, documentation."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import pytest

from shoptwin.sdk import Browsable, Polled, Subscribed
from shoptwin_opcua import plugin
from shoptwin_opcua.settings import full_url

FOLDER = Path(__file__).resolve().parents[1]
URL = "opc.tcp://plc:4840"


def settings(**more):
    return msgspec.convert({"url": URL, **more}, plugin.Settings)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"url": "http://plc"}, "opc.tcp://host:4840"),
        ({"url": "opc.tcp://user:secret@plc"}, "password_file"),
        ({"timeout": "4"}, "duration"),
        ({"timeout": "0s"}, "longer"),
        ({"sampling": "fast"}, "duration"),
        ({"queue": -1}, "negative"),
        ({"mode": "write"}, "enum"),
        ({"security": "Basic128Rsa15"}, "enum"),
        ({"certificate": "a.der"}, "go together"),
        ({"security": "none", "certificate": "a.der", "private_key": "a.pem"}, "say nothing"),
        ({"security": "none", "sign_only": True}, "say nothing"),
        ({"user_certificate": "a.der"}, "go together"),
        ({"user": "u", "user_certificate": "a.der", "user_private_key": "a.pem"}, "not by both"),
        ({"security": "none", "user_certificate": "a.der", "user_private_key": "a.pem"}, "proves nothing"),
        ({"security": "none", "user": "u", "password_file": "p"}, "allow_plain_password"),
        ({"password_file": "p"}, "user"),
        ({"paswword": "x"}, "unknown field"),
    ],
)
def test_wrong_settings_are_refused(wrong, says):
    """A setting that cannot work is refused when the configuration is read, and the message says what is wrong."""
    with pytest.raises(msgspec.ValidationError, match=says):
        settings(**wrong)


def test_mode_decides_what_a_connection_can():
    """A polled connection is read, a subscribed one sends; both can be browsed."""
    polled, subscribed = plugin.open(settings(mode="poll")), plugin.open(settings())
    assert isinstance(polled, Polled)
    assert not isinstance(polled, Subscribed)
    assert isinstance(subscribed, Subscribed)
    assert not isinstance(subscribed, Polled)
    assert isinstance(polled, Browsable)
    assert isinstance(subscribed, Browsable)


@pytest.mark.parametrize(
    ("url", "loopback"),
    [("opc.tcp://127.0.0.5", True), ("opc.tcp://[::1]:5", True), ("opc.tcp://localhost", True), (URL, False)],
)
def test_loopback(url, loopback):
    """A server on this box is told from one elsewhere."""
    assert plugin.loopback(settings(url=url)) is loopback


def test_port_is_4840_where_none_is_given():
    """The registered port stands in for a missing one, and the path stays."""
    assert full_url("opc.tcp://plc/Server/A") == "opc.tcp://plc:4840/Server/A"
    assert full_url("opc.tcp://[::1]:48010") == "opc.tcp://[::1]:48010"


def test_readme_tells_every_setting():
    """The README has every setting in its table, with the default that holds."""
    text = (FOLDER / "README.md").read_text()
    for field in msgspec.structs.fields(plugin.Settings):
        line = next((line for line in text.splitlines() if line.startswith(f"| `{field.name}` |")), "")
        assert line, f"{field.name} is missing in the README"
        if not field.required:
            default = f'"{field.default}"' if isinstance(field.default, str) else str(field.default)
            assert f"`{default}`" in line, f"{field.name}: the README does not tell the default {default}"


def test_sample_is_right():
    """Every device in sample.toml has settings that hold, and every tag an address that parses."""
    sample = tomllib.loads((FOLDER / "sample.toml").read_text())
    for device in sample["device"]:
        assert device.pop("driver") == "opcua"
        del device["name"]
        device.pop("period", None)
        msgspec.convert(device, plugin.Settings)
    for machine in sample["machine"]:
        for tag in machine["tag"]:
            plugin.parse_address(tag["address"])
