"""One device: a broker, and the topics that tags name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoptwin.sdk import BrowseWish, NotConnected, Talk
from shoptwin_mqtt.feed import Feed
from shoptwin_mqtt.session import Session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from shoptwin.sdk import FoundMachine, Group, SampleBatch, TagCandidate
    from shoptwin_mqtt.settings import Settings


class MqttConnection:
    """Subscribes; what comes is decoded and handed over in batches."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._session: Session | None = None
        self._feed: Feed | None = None

    async def connect(self) -> None:
        """Reach the broker and be let in.

        Raises:
            NotConnected, Timeout: it cannot be reached. AuthFailed: it refuses us, or its certificate is not trusted.
        """
        self._session = Session(self._settings)
        await self._session.open()

    def batches(self, groups: Sequence[Group]) -> AsyncIterator[SampleBatch]:
        """Yield batches as messages come, and what says that none do; ends by raising.

        Raises:
            NotConnected: the broker is lost. AuthFailed: it has put us out for good.
        """
        if self._session is None:
            raise NotConnected("there is no connection yet", "connect first")
        self._feed = Feed(self._session, self._settings, groups)
        return self._feed

    async def browse(self, at: str | None = None) -> Sequence[TagCandidate]:
        """Listen for as long as `first` says, and list all values that came below the topic `at`, or anywhere.

        Raises:
            BadAddress: `at` is no topic, or the broker does not let us listen there. NotConnected: it is lost.
        """
        found = {each.address: each async for some in self.walk(BrowseWish(at)) for each in some if each.is_value}
        return [found[address] for address in sorted(found)]

    async def walk(self, wish: BrowseWish) -> AsyncIterator[Sequence[TagCandidate]]:
        """Listen as `browse` does, and yield what is heard as it comes."""
        from shoptwin_mqtt.browse import walk  # noqa: PLC0415 - for commissioning alone, never in the daemon

        if self._session is None:
            raise NotConnected("there is no connection yet", "connect first")
        async for some in walk(self._session, self._settings, wish):
            yield some

    async def machines(self) -> Sequence[FoundMachine]:
        """Return none: what is published does not say what it belongs to."""
        return ()

    async def aclose(self) -> None:
        """Let go of the broker; never raises."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def talk(self) -> Talk:
        """Return what was asked for and heard, and who is alive; the driver's README says what each figure counts."""
        session, feed = self._session, self._feed
        return Talk(
            requests=feed.subscriptions if feed else 0,
            bytes_sent=session.bytes_sent if session else 0,
            bytes_received=session.bytes_received if session else 0,
            timeouts=feed.silences if feed else 0,
            garbled=feed.garbled if feed else 0,
            exceptions=feed.counted() if feed else {},
            parts=feed.alive() if feed else {},
            holes=feed.holes if feed else (),
        )
