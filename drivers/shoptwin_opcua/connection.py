"""What polled and subscribed connections have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoptwin.sdk import Talk
from shoptwin_opcua.browse import browse, candidates
from shoptwin_opcua.channel import Channel
from shoptwin_opcua.server import ask_server
from shoptwin_opcua.services import Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from shoptwin.sdk import BrowseWish, FoundMachine, TagCandidate
    from shoptwin_opcua.pki import Pki
    from shoptwin_opcua.sessions import Sessions
    from shoptwin_opcua.settings import Settings


class OpcUaConnection:
    """One session at one server."""

    def __init__(self, settings: Settings, pki: Pki | None = None, sessions: Sessions | None = None) -> None:
        self._settings = settings
        self._channel = Channel(settings, pki, sessions)
        self._server = Server()

    async def connect(self) -> None:
        """Open a session, and ask for the server's limits and namespaces.

        Raises:
            NotConnected, Timeout: try again later. AuthFailed: do not.
        """
        await self._channel.open()
        try:
            self._server = await ask_server(self._channel, self._settings)
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Let go of everything within two seconds; never raises, may be called twice and without `connect`."""
        await self._channel.close()

    @property
    def path(self) -> str:
        """How values are decoded: `fast`, or `plain` and why; empty before the first."""
        return ""

    def talk(self) -> Talk:
        """Tell how it goes."""
        notes = self._server.notes | ({"path": self.path} if self.path else {})
        return Talk(notes=notes, expires=dict(self._channel.expires))

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
        from shoptwin_opcua.companion import machines  # noqa: PLC0415

        return await machines(self._channel, self._server)
