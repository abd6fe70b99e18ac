"""Settings; the README and the sample say what the code does."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from shoptwin.sdk import Cautioning, Polled, Subscribed, Talking
from shoptwin_mqtt import plugin
from shoptwin_mqtt.settings import Settings

HERE = Path(__file__).parent.parent
README = (HERE / "README.md").read_text("utf-8")
SAMPLE = tomllib.loads((HERE / "sample.toml").read_text("utf-8"))
URL = "mqtt://broker:1883"


def settings(**more):
    return msgspec.convert({"url": URL, **more}, Settings)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"url": "tcp://broker:1883"}, "mqtt://host:1883"),
        ({"url": "mqtt://"}, "mqtt://host:1883"),
        ({"url": "mqtt://me:secret@broker"}, "password_file"),
        ({"url": "mqtt://broker/topic"}, "addresses of tags"),
        ({"url": "mqtt://broker:99999"}, "Port"),
        ({"stale": "0s"}, "longer"),
        ({"stale": "soon"}, "duration"),
        ({"keepalive": "500ms"}, "from 1s"),
        ({"keepalive": "2d"}, "from 1s"),
        ({"max_payload": 0}, "at least"),
        ({"version": 3}, "3"),
        ({"time_field": "time"}, "begins with /"),
        ({"password_file": "p"}, "no user"),
        ({"key_file": "k"}, "no cert_file"),
        ({"ca_file": "c"}, "mqtts://"),
        ({"publish": True}, "unknown field"),
    ],
)
def test_wrong_settings_are_refused(wrong, says):
    """A setting that cannot work is refused when the configuration is read, and the message says what is wrong."""
    with pytest.raises(msgspec.ValidationError, match=says):
        settings(**wrong)


@pytest.mark.parametrize(
    ("url", "host", "port", "tls"),
    [
        ("mqtt://broker", "broker", 1883, False),
        ("mqtts://broker/", "broker", 8883, True),
        ("mqtt://[::1]:99", "::1", 99, False),
    ],
)
def test_urls(url, host, port, tls):
    """A URL says where the broker is and whether by TLS; the port may be left out."""
    found = settings(url=url)
    assert (found.host, found.port, found.tls) == (host, port, tls)


@pytest.mark.parametrize(
    ("url", "loopback"),
    [("mqtt://127.0.0.5", True), ("mqtt://[::1]", True), ("mqtt://localhost", True), (URL, False)],
)
def test_loopback(url, loopback):
    """A broker on this very box is known as such."""
    assert plugin.loopback(settings(url=url)) is loopback


@pytest.mark.parametrize(
    ("more", "noted"),
    [
        ({}, False),
        ({"user": "u"}, False),
        ({"user": "u", "password_file": "p"}, True),
        ({"user": "u", "password_file": "p", "url": "mqtts://broker"}, False),
        ({"user": "u", "password_file": "p", "url": "mqtt://localhost"}, False),
    ],
)
def test_a_password_in_the_clear_is_noted(more, noted):
    """A password that crosses the network in the clear is noted, with what to write."""
    assert isinstance(plugin, Cautioning)
    assert [note.split(":")[0] for note in plugin.cautions(settings(**more))] == ["url has no TLS"] * noted


def test_what_a_connection_can():
    """A connection is subscribed to, and tells how it goes; it is not polled."""
    connection = plugin.open(settings())
    assert isinstance(connection, Subscribed)
    assert isinstance(connection, Talking)
    assert not isinstance(connection, Polled)


@pytest.mark.parametrize("field", msgspec.structs.fields(Settings), ids=lambda field: field.name)
def test_settings_are_documented(field):
    """Each setting has its row in the README, with its default."""
    row = re.search(rf"^\| `{field.name}` \| (.+?) \|", README, re.MULTILINE)
    assert row, f"{field.name} is not in the README"
    assert row[1] == ("required" if field.required else f"`{json.dumps(field.default)}`")


def test_addresses_in_the_docs_are_addresses():
    """Each address in the README's table and in the sample is understood."""
    table = README.split("## Addresses")[1].split("##")[0]
    found = re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)
    assert len(found) > 5
    for text in [*found, *(tag["address"] for machine in SAMPLE["machine"] for tag in machine["tag"])]:
        plugin.parse_address(text)


def test_sample_has_every_setting():
    """The sample shows each setting with its default, and nothing that does not exist."""
    [device] = SAMPLE["device"]
    own = {key: value for key, value in device.items() if key not in {"name", "driver", "period"}}
    assert own.keys() == {field.name for field in msgspec.structs.fields(Settings)}
    assert msgspec.convert(own, Settings) == Settings(url=device["url"])


def test_statuses_in_the_readme_are_given():
    """Each status that the README names is one of the code's, and each of the code's is in the README."""
    code = "".join(path.read_text("utf-8") for path in HERE.glob("*.py"))
    given = {
        "".join(map(str.capitalize, name.split("_"))) for name in re.findall(r"StatusCode\.(BAD_\w+|UNC\w+_\w+)", code)
    }
    named = set(re.findall(r"\b(Bad[A-Z]\w+|Uncertain[A-Z]\w+)", README))
    assert given == named
