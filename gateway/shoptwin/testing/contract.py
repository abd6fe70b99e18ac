"""The contract of a driver (`shoptwin.sdk`), as a test class that any driver can subclass."""
# ruff: noqa: S101 - a test suite asserts

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from shoptwin.domain.errors import BadAddress, NotConnected, Timeout
from shoptwin.domain.ports import Browsable, Connection, Plugin, Polled
from shoptwin.domain.quality import is_bad
from shoptwin.domain.tag import ValueKind
from shoptwin.testing.builders import group_of, readings
from shoptwin.testing.checks import (
    batches_of,
    check_values,
    exhaust,
    expected,
    first,
    polled_or_skip,
    right_or_lost,
    settings,
    without_points,
)

if TYPE_CHECKING:
    from shoptwin.domain.device import Group
    from shoptwin.testing.site import Site

WRITING = ("write", "set_", "put", "force", "preset", "reset", "execute", "call")
"""Beginnings of names that a driver's public methods must not have: it can read and never write."""

GARBAGE = b"U" * 200_000
"""Bytes that are no message, nor the end of a line, in any protocol."""


class DriverContract:
    """Subclass it in a test module and override the fixtures `plugin` and `site`, and `package` and `protocol`."""

    package: str = ""
    """The import name of the driver's package."""
    protocol: tuple[str, ...] = ()
    """Modules of the protocol library, which importing the driver must not import."""

    @pytest.fixture
    def plugin(self) -> Plugin:
        """Return the driver under test."""
        raise NotImplementedError("override the fixture `plugin`")

    @pytest.fixture
    def site(self) -> Site:
        """Return a live server; mostly an async fixture that stops it afterwards."""
        raise NotImplementedError("override the fixture `site`")

    @pytest.fixture
    def group(self, plugin: Plugin, site: Site) -> Group:
        """Return all that is expected at the site, as one group whose tags begin at 10."""
        return group_of(plugin, site.expected, kinds=site.kinds, first=10)

    @pytest.fixture
    def connection(self, plugin: Plugin, site: Site) -> Connection:
        """Return a connection to the live server, not connected yet."""
        return plugin.open(settings(plugin, site.settings))

    # ---- what a plugin is

    def test_plugin_says_what_it_is(self, plugin: Plugin) -> None:
        """A plugin has a name and the URL schemes by which `browse` finds it."""
        assert plugin.name.isidentifier()
        assert isinstance(plugin.schemes, tuple)
        assert all(scheme == scheme.lower() and scheme for scheme in plugin.schemes)

    def test_importing_imports_no_protocol_library(self) -> None:
        """Importing the driver does not import its protocol library, which costs memory on a small box."""
        if not self.package or not self.protocol:
            pytest.skip("does not apply: name `package` and `protocol` to have this checked")
        check = f"import sys, {self.package}; print(*[m for m in {self.protocol!r} if m in sys.modules])"
        done = subprocess.run(  # noqa: S603 - our own interpreter and our own text
            [sys.executable, "-c", check], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == ""

    def test_unknown_settings_are_refused(self, plugin: Plugin, site: Site) -> None:
        """A key that the driver does not know is an error, not silence."""
        with pytest.raises(msgspec.ValidationError):
            settings(plugin, {**site.settings, "no_such_key": 1})

    def test_addresses_are_values(self, plugin: Plugin, site: Site) -> None:
        """The same text gives equal, hashable addresses, and different texts different ones."""
        for text in site.expected:
            first, second = plugin.parse_address(text), plugin.parse_address(text)
            assert first == second
            assert hash(first) == hash(second)
            assert first.kind is None or isinstance(first.kind, ValueKind)
        assert len({plugin.parse_address(text) for text in site.expected}) == len(site.expected)

    def test_malformed_address_has_a_cure(self, plugin: Plugin, site: Site) -> None:
        """An address that cannot be understood is BadAddress with a message and a hint."""
        for text in (site.malformed, "", " "):
            with pytest.raises(BadAddress) as caught:
                plugin.parse_address(text)
            assert caught.value.message
            assert caught.value.hint

    def test_loopback_is_known(self, plugin: Plugin, site: Site) -> None:
        """A server on this box is known as such (a scaled clock is accepted for those alone)."""
        assert plugin.loopback(settings(plugin, site.settings)) is True

    def test_nothing_can_write(self, plugin: Plugin, connection: Connection) -> None:
        """Neither the plugin nor its connection has a method whose name speaks of writing."""
        for thing in (plugin, connection):
            names = [n for n in dir(thing) if not n.startswith("_")]
            assert [n for n in names if n.startswith(WRITING) or "write" in n] == []

    # ---- connecting and letting go

    async def test_open_does_not_connect(self, plugin: Plugin, site: Site) -> None:
        """Opening reaches for nothing, and a connection that was never made closes without complaint, twice."""
        connection = plugin.open(settings(plugin, site.unreachable))
        await connection.aclose()
        await connection.aclose()

    async def test_unreachable_is_not_connected(self, plugin: Plugin, site: Site) -> None:
        """Where nothing listens, `connect` raises NotConnected or Timeout in time, with a message and a cure."""
        connection = plugin.open(settings(plugin, site.unreachable))
        async with asyncio.timeout(site.patience):
            with pytest.raises((NotConnected, Timeout)) as caught:
                await connection.connect()
        assert caught.value.message
        assert caught.value.hint
        await connection.aclose()

    async def test_closing_leaves_nothing_behind(self, connection: Connection, group: Group) -> None:
        """After `aclose`, no task of the driver is left running; closing twice does no harm."""
        before = asyncio.all_tasks()
        await connection.connect()
        await first(connection, group)
        await connection.aclose()
        await connection.aclose()
        if left := asyncio.all_tasks() - before:
            _, left = await asyncio.wait(left, timeout=5)
        assert not left

    # ---- reading

    async def test_values_are_right(self, plugin: Plugin, connection: Connection, group: Group, site: Site) -> None:
        """Each tag is read with its value, its kind and Good."""
        await connection.connect()
        try:
            check_values(await first(connection, group), group, expected(plugin, site))
        finally:
            await connection.aclose()

    async def test_batches_are_well_formed(self, connection: Connection, group: Group) -> None:
        """Batches name their group, have columns of one length and type, one batch a kind, and no time of receipt."""
        await connection.connect()
        try:
            batches = await batches_of(connection, group)
        finally:
            await connection.aclose()
        for batch in batches:
            assert batch.group == group.name
            assert batch.receive_time == 0
            assert batch.tag.dtype == np.int32
            assert batch.status.dtype == np.uint32
            assert batch.source_time.dtype == batch.server_time.dtype == np.int64
            assert batch.values.dtype == np.dtype(batch.kind.dtype)
            columns = (batch.tag, batch.values, batch.status, batch.source_time, batch.server_time)
            assert {len(column) for column in columns} == {len(batch)}

    async def test_each_tag_once_a_poll(self, connection: Connection, group: Group) -> None:
        """One poll gives each point exactly once, one batch a kind; a group without points gives nothing."""
        polled = polled_or_skip(connection)
        await connection.connect()
        try:
            batches = await polled.read(group)
            empty = await polled.read(without_points(group))
        finally:
            await connection.aclose()
        assert sorted(tag for batch in batches for tag in batch.tag) == [point.tag for point in group.points]
        assert len({batch.kind for batch in batches}) == len(batches)
        assert sum(len(batch) for batch in empty) == 0

    async def test_missing_address_is_bad_alone(
        self, plugin: Plugin, connection: Connection, group: Group, site: Site
    ) -> None:
        """An address that the server does not have is Bad, from the first poll on, and its neighbours stay Good."""
        texts = [*site.expected, site.missing]
        with_missing = group_of(plugin, texts, kinds=site.kinds, first=10)
        await connection.connect()
        try:
            for _ in range(3):
                found = await first(connection, with_missing)
                assert is_bad(found.pop(10 + len(texts) - 1).status)
                check_values(found, group, expected(plugin, site))
                if not isinstance(connection, Polled):
                    break
        finally:
            await connection.aclose()

    async def test_groups_do_not_mix(self, plugin: Plugin, connection: Connection, site: Site) -> None:
        """Two groups that are read at the same time each get their own values."""
        polled = polled_or_skip(connection)
        one = group_of(plugin, site.expected, kinds=site.kinds, name="one", first=10)
        two = group_of(plugin, reversed(list(site.expected)), kinds=site.kinds, name="two", first=500)
        await connection.connect()
        try:
            for batches, group in zip(
                await asyncio.gather(polled.read(one), polled.read(two)), (one, two), strict=True
            ):
                assert {batch.group for batch in batches} == {group.name}
                found = {tag: each[0] for tag, each in readings(batches).items()}
                check_values(found, group, expected(plugin, site))
        finally:
            await connection.aclose()

    async def test_cancelled_read_does_no_harm(
        self, plugin: Plugin, connection: Connection, group: Group, site: Site
    ) -> None:
        """A read that was cancelled halfway never gives its answer to a later one: that is right, or raises."""
        polled = polled_or_skip(connection)
        await connection.connect()
        try:
            for turns in range(4):
                cut = asyncio.ensure_future(polled.read(group))
                for _ in range(turns):
                    await asyncio.sleep(0)
                cut.cancel()
                await asyncio.gather(cut, return_exceptions=True)
                try:
                    check_values(await first(connection, group), group, expected(plugin, site))
                except (NotConnected, Timeout):
                    await connection.aclose()
                    await connection.connect()
        finally:
            await connection.aclose()

    # ---- what nobody asked for

    async def test_reply_to_nothing(self, plugin: Plugin, connection: Connection, group: Group, site: Site) -> None:
        """A reply that answers no question is never taken for that of another, and what comes then is right again."""
        await right_or_lost(plugin, site, connection, group, site.stray)

    async def test_garbage_without_end(self, plugin: Plugin, connection: Connection, group: Group, site: Site) -> None:
        """Bytes without sense or end cost a reading or the connection, and never raise another error."""
        await right_or_lost(plugin, site, connection, group, GARBAGE)

    # ---- losing the server

    async def test_lost_server_is_told(self, connection: Connection, group: Group, site: Site) -> None:
        """When the server goes, reading raises NotConnected or Timeout in time, and nothing old is given as Good."""
        await connection.connect()
        try:
            await first(connection, group)
            await site.stop()
            async with asyncio.timeout(site.patience):
                with pytest.raises((NotConnected, Timeout)) as caught:
                    await exhaust(connection, group)
            assert caught.value.message
        finally:
            await connection.aclose()

    async def test_comes_back(self, plugin: Plugin, connection: Connection, group: Group, site: Site) -> None:
        """A server that comes back is read again by a new connection."""
        await connection.connect()
        await first(connection, group)
        await site.stop()
        await connection.aclose()
        await site.start()
        again = plugin.open(settings(plugin, site.settings))
        await again.connect()
        try:
            check_values(await first(again, group), group, expected(plugin, site))
        finally:
            await again.aclose()

    # ---- browsing, where there is any

    async def test_browsing_finds_addresses(self, plugin: Plugin, connection: Connection) -> None:
        """What browsing offers as a value is an address that the driver itself understands."""
        if not isinstance(connection, Browsable):
            pytest.skip("does not apply: this driver cannot browse")
        await connection.connect()
        try:
            candidates = list(await connection.browse())
            assert candidates
            for candidate in candidates:
                assert candidate.name
                if candidate.is_value:
                    plugin.parse_address(candidate.address)
        finally:
            await connection.aclose()
