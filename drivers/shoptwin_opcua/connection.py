"""What polled and subscribed connections have in common."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from asyncua.ua.status_codes import StatusCodes

from shoptwin.sdk import Talk
from shoptwin_opcua.discovery.browse import browse, candidates
from shoptwin_opcua.errors import Refused
from shoptwin_opcua.profiles import sessions_of
from shoptwin_opcua.reading.record import Record
from shoptwin_opcua.session.channel import Channel
from shoptwin_opcua.space.memory import Memory
from shoptwin_opcua.space.server import ask_server
from shoptwin_opcua.space.services import Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from shoptwin.sdk import BrowseWish, FoundMachine, Hole, TagCandidate
    from shoptwin_opcua.security.pki import Pki
    from shoptwin_opcua.session.sessions import Sessions
    from shoptwin_opcua.settings import Settings


class OpcUaConnection:
    """One session at one server."""

    def __init__(self, settings: Settings, pki: Pki | None = None, sessions: Sessions | None = None) -> None:
        self._settings = settings
        self._channel = Channel(settings, pki, sessions)
        self._server = Server()
        self._memory = Memory()
        self._record = Record(self._channel, self._server, 0)

    async def connect(self) -> None:
        """Open a session, and ask for the server's limits and namespaces.

        Raises:
            NotConnected, Timeout: try again later. AuthFailed: do not.
        """
        await self._record.stop()
        try:
            await self._channel.open()
        except Refused as error:
            if error.status == StatusCodes.BadTooManySessions:
                error.hint += sessions_of(self._settings.profile or self._memory.profile)
            raise
        try:
            self._server = await ask_server(self._channel, self._settings)
            self._server.memory, self._memory.profile = self._memory, self._server.profile
            self._record = Record(self._channel, self._server, self._settings.longest_gap)
            await self._record.look(asyncio.get_running_loop().time())
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Let go of everything within two seconds; never raises, may be called twice and without `connect`."""
        try:
            await self._record.stop()
        finally:  # where we are cancelled, too: a session that nobody knows of is never closed
            await self._channel.close()

    @property
    def path(self) -> str:
        """How values are decoded: `fast`, or `plain` and why; empty before the first."""
        return ""

    @property
    def parts(self) -> dict[str, bool]:
        """What answers for itself: subscriptions, and whether they live."""
        return {}

    @property
    def holes(self) -> tuple[Hole, ...]:
        """The nodes that the server has not, or does not give."""
        return ()

    def talk(self) -> Talk:
        """Return the figures since this connection was made, and what is so now."""
        notes = self._server.notes | ({"path": self.path} if self.path else {})
        notes |= {f"namespace {index}": told for index, told in self._memory.moved.items()}
        now = Talk(parts=self.parts, holes=self.holes, notes=notes, expires=dict(self._channel.expires))
        return self._channel.counters.talk() + now

    def recall(self, memory: str) -> None:
        """Take up what `memory` returned before."""
        self._memory.recall(memory)

    def memory(self) -> str | None:
        """Return what was learned of the server, and until when data came, as JSON; None where that is as before."""
        return self._memory.news()

    async def browse(self, at: str | None = None) -> Sequence[TagCandidate]:
        """List what is below the node `at`, or below Objects.

        Raises:
            BadAddress: there is no such node. NotConnected, Timeout: the server could not be asked.
        """
        return await browse(self._channel, self._server, at)

    def walk(self, wish: BrowseWish) -> AsyncIterator[Sequence[TagCandidate]]:
        """Yield what is below the node `wish.at`, or below Objects, from top to bottom.

        Raises:
            BadAddress: there is no such node. NotConnected, Timeout: the server could not be asked.
        """
        return candidates(self._channel, self._server, wish)

    async def machines(self) -> Sequence[FoundMachine]:
        """Return the machines that the server describes by a companion specification. Raises as `walk`."""
        # Commissioning alone asks for it.
        from shoptwin_opcua.discovery.companion import machines  # noqa: PLC0415

        return await machines(self._channel, self._server)
