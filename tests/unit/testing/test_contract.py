"""The driver contract, run by a small third party's driver; and each of its rules can be broken."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from shoptwin.sdk import BadAddress, NotConnected, SampleBatch, StatusCode, ValueKind
from shoptwin.testing import DriverContract, Site, group_of
from shoptwin.testing.checks import settings as convert


@dataclass(frozen=True)
class Key:
    """An address: a key in a JSON file of numbers."""

    key: str
    kind = ValueKind.F8


class FileSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The one setting."""

    url: str


class FileConnection:
    """A "device" that is a file."""

    def __init__(self, path: Path, fault: str) -> None:
        self._path, self._fault, self._open, self._old = path, fault, False, {}

    async def connect(self) -> None:
        """Look whether the file is there."""
        if not self._path.exists() and self._fault != "connects to nothing":
            raise NotConnected(f"no file {self._path}", "" if self._fault == "no cure" else "make it")
        self._open = True

    async def aclose(self) -> None:
        """Let go."""
        if self._fault == "closes once" and not self._open:
            raise RuntimeError("not open")
        self._open = False

    async def read(self, group):
        """Read the file."""
        if (line := self._path.with_name("line")).exists():
            said = line.read_bytes()
            line.unlink()
            if self._fault == "chokes on garbage" and len(said) > 100:
                raise ValueError("too long")
            if self._fault != "takes any reply":
                raise NotConnected("an answer to nothing", "it is connected again")
            return [SampleBatch.of(group.name, ValueKind.F8, [p.tag for p in group.points], [0.0] * len(group.points))]
        if self._fault == "hides a loss" and self._old:
            found = self._old
        elif not self._path.exists():
            raise NotConnected("the file is gone", "put it back")
        else:
            found = self._old = json.loads(self._path.read_text("utf-8"))
        keys = [point.address.key for point in group.points]
        tags = [point.tag for point in group.points]
        status = [StatusCode.GOOD if key in found else StatusCode.BAD_NODE_ID_UNKNOWN for key in keys]
        if self._fault == "hides a hole":
            status = [StatusCode.GOOD] * len(keys)
        if self._fault == "loses a point":
            keys, tags, status = keys[1:], tags[1:], status[1:]
        values = [found.get(key, 0.0) + (self._fault == "wrong value") for key in keys]
        return [SampleBatch.of(group.name, ValueKind.F8, tags, values, status=status)] if tags else []


class FilePlugin:
    """A third party's driver."""

    name = "file"
    Settings = FileSettings
    schemes = ("file",)

    def __init__(self, fault: str = "") -> None:
        self._fault = fault

    def parse_address(self, text):
        """A key is a word."""
        if not text.isidentifier() and self._fault != "takes any address":
            raise BadAddress(f"{text!r} is no key", "write a word")
        return Key(text) if self._fault != "addresses without value" else object()

    def open(self, settings):
        """Return a connection."""
        return FileConnection(Path(settings.url.removeprefix("file://")), self._fault)

    def loopback(self, settings):
        """A file is always here."""
        return settings.url.startswith("file://")


class WritingPlugin(FilePlugin):
    """A driver that could change something."""

    def write(self):
        """Be forbidden."""


class TestThirdParty(DriverContract):
    """A driver that keeps the contract."""

    @pytest.fixture
    def plugin(self):
        """Return the driver."""
        return FilePlugin()

    @pytest.fixture
    def site(self, tmp_path):
        """Return a file with values."""
        return site_in(tmp_path)


def site_in(folder: Path) -> Site:
    """Return a file with values in a folder."""
    file = folder / "values.json"
    expected = {"a": 1.0, "b": -2.5, "c": 1e9}

    async def start():
        file.write_text(json.dumps(expected), "utf-8")

    async def stop():
        file.unlink()

    async def say(data):
        file.with_name("line").write_bytes(data)

    file.write_text(json.dumps(expected), "utf-8")
    return Site(
        settings={"url": f"file://{file}"}, expected=expected, missing="d", malformed="a b",
        unreachable={"url": f"file://{folder}/none"}, stop=stop, start=start, patience=1.0, say=say, stray=b"a 7",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ("wrong value", "test_values_are_right"),
        ("loses a point", "test_each_tag_once_a_poll"),
        ("hides a hole", "test_missing_address_is_bad_alone"),
        ("hides a loss", "test_lost_server_is_told"),
        ("connects to nothing", "test_unreachable_is_not_connected"),
        ("no cure", "test_unreachable_is_not_connected"),
        ("closes once", "test_open_does_not_connect"),
        ("takes any address", "test_malformed_address_has_a_cure"),
        ("addresses without value", "test_addresses_are_values"),
        ("writes", "test_nothing_can_write"),
        ("takes any reply", "test_reply_to_nothing"),
        ("chokes on garbage", "test_garbage_without_end"),
    ],
)
async def test_rules_can_be_broken(fault, rule, tmp_path):
    """A driver with this fault fails this rule of the contract."""
    plugin, site = (WritingPlugin() if fault == "writes" else FilePlugin(fault)), site_in(tmp_path)
    fixtures = {
        "plugin": plugin, "site": site, "connection": plugin.open(convert(plugin, site.settings)),
        "group": group_of(plugin, site.expected, first=10),
    }  # fmt: skip
    test = getattr(DriverContract(), rule)
    given = {name: fixtures[name] for name in test.__code__.co_varnames[: test.__code__.co_argcount] if name != "self"}

    async def run() -> None:
        if (running := test(**given)) is not None:
            await running

    with pytest.raises((AssertionError, RuntimeError, ValueError, TimeoutError, pytest.fail.Exception)):
        await run()
