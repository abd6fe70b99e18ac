"""One session at one server: opened, kept alive, asked, and closed without a trace. Over asyncua's secure channel."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.ua_binary import nodeid_from_binary, struct_from_binary
from asyncua.ua.uaerrors import UaError, UaStatusCodeError

from shoptwin.sdk import DriverError, NotConnected
from shoptwin_opcua.errors import translated
from shoptwin_opcua.nodes import node
from shoptwin_opcua.security.dialing import hang_up, open_channel
from shoptwin_opcua.security.security import Security
from shoptwin_opcua.session.sessions import TIMEOUT, Sessions
from shoptwin_opcua.session.talk import Counters
from shoptwin_opcua.settings import full_url

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shoptwin_opcua.security.pki import Pki
    from shoptwin_opcua.settings import Settings

CLOSE_WITHIN = 1.0
"""Seconds that a goodbye may take; the runtime gives up a connection that does not close within 1.5."""

T = TypeVar("T")


class Channel:
    """Services that read, each a coroutine; every error is a DriverError that names the server."""

    def __init__(self, settings: Settings, pki: Pki | None = None, sessions: Sessions | None = None) -> None:
        """`sessions`: those of the device's former connections; without them what was left behind is left alone."""
        self.url = full_url(settings.url)
        self.counters = Counters()
        self._settings = settings
        self._pki = pki
        self._sessions = Sessions() if sessions is None else sessions
        self._security = Security(settings, pki)
        self._client: Client | None = None
        self._secured = False
        """Whether the secure channel has been opened: before that there are no keys to say goodbye with."""
        self._keeper: asyncio.Task[None] | None = None
        self._asked = 0.0
        _quiet()

    async def open(self) -> None:
        """Connect, open the channel and a session.

        Raises:
            NotConnected, Timeout, AuthFailed: as the server or the network says; NotTrusted (a NotConnected) where one
                of the two does not trust the other's certificate.
        """
        await self.close()
        wait = self._settings.wait
        try:
            with translated(self.url):
                async with asyncio.timeout(4 * wait):
                    await self._open(wait)
        except BaseException:
            await self.close()
            raise
        self._keeper = asyncio.create_task(self._keep(), name=f"keep {self.url}")

    async def _open(self, wait: float) -> None:
        client, self._secured = Client(self.url, timeout=wait), False
        self._client = client
        client.name = client.description = "Shoptwin"
        client.application_uri = "urn:shoptwin:gateway"
        client.product_uri = "urn:shoptwin"
        client.session_timeout = TIMEOUT
        security = self._security = Security(self._settings, self._pki)
        await security.prepare(client)
        await client.connect_socket()
        self.counters.watch(client.uaclient.protocol)
        await client.send_hello()
        try:
            with security.refusals("it hung up when it saw it"):
                await open_channel(client)
            self._secured = True
            await self._sessions.open(client, security)
        except UaStatusCodeError as error:
            await security.check_offer(error)
            raise

    @property
    def expires(self) -> Mapping[str, int]:
        """When the certificates in use end to be valid, ns UTC: of the gateway, the server, the user."""
        return self._security.expires

    async def call(self, request: object, response: type[T], wait: float | None = None) -> T:
        """Ask the server and return its answer; `wait` in seconds, 0 for ever.

        Raises:
            NotConnected, Timeout: no answer, or (`Refused`) the service as a whole has failed.
        """
        with translated(self.url), self.counters.request():
            answer: Any = struct_from_binary(response, await self._send(request, wait))
            answer.ResponseHeader.ServiceResult.check()
        return answer  # type: ignore[no-any-return]

    async def raw(self, request: object, decode: Callable[[bytes], T], wait: float | None = None) -> T:
        """As `call`, but return what `decode` makes of the bytes that follow the header of the answer."""
        with translated(self.url), self.counters.request():
            body = await self._send(request, wait)
            nodeid_from_binary(body)
            struct_from_binary(ua.ResponseHeader, body).ServiceResult.check()
            return decode(bytes(body))

    async def _send(self, request: object, wait: float | None) -> Any:  # noqa: ANN401 - asyncua's Buffer
        protocol = self._client.uaclient.protocol if self._client is not None else None
        if protocol is None:
            raise NotConnected(f"not connected to {self.url}", "it is connected again as soon as it answers")
        self._asked = asyncio.get_running_loop().time()
        try:
            return await protocol.send_request(request, wait)
        except asyncio.CancelledError:
            # asyncua cancels what waits for an answer when the socket is closed, as whoever keeps the session may do.
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            raise ConnectionError("the connection was closed") from None

    async def _keep(self) -> None:
        """Renew the channel's keys in time, say something within the session's time if nobody else does.

        And hang up where the server's certificate is accepted no longer, or where this has failed: a channel that
        nobody keeps ends all the same, and the next try says what is wrong.
        """
        client = self._client
        assert client is not None  # noqa: S101 - set by whoever started this task
        loop = asyncio.get_running_loop()
        turn = max(1.0, client.session_timeout / 3000)
        renew = loop.time() + 0.75 * client.secure_channel_timeout / 1000
        with suppress(DriverError), translated(self.url):  # whoever asks next is told what is wrong
            while True:
                await asyncio.sleep(min(turn, max(0.1, renew - loop.time())))
                if not await asyncio.to_thread(self._security.holds):
                    break
                if loop.time() >= renew:
                    await client.open_secure_channel(renew=True)
                    client.uaclient.revolve_security_token()
                    renew = loop.time() + 0.75 * client.secure_channel_timeout / 1000
                if loop.time() - self._asked >= turn:
                    await self.raw(_alive(), len)
        await hang_up(client)

    async def close(self) -> None:
        """Close the session with all its subscriptions, the channel, the socket. Never raises, never hangs."""
        client, self._client = self._client, None
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
        if client is None:
            return
        session = self._sessions.leave(client)  # before all else: who is cancelled must not forget what it leaves
        try:
            with suppress(OSError, UaError, ValueError, AssertionError):
                async with asyncio.timeout(CLOSE_WITHIN):
                    if keeper is not None:
                        await asyncio.wait({keeper})
                    if session is not None:
                        await self._sessions.close(client, session)
                    if self._secured:
                        await client.close_secure_channel()
        finally:
            await hang_up(client)


def _alive() -> ua.ReadRequest:
    state = ua.ReadValueId(NodeId=node(ObjectIds.Server_ServerStatus_State), AttributeId=AttributeIds.Value)
    return ua.ReadRequest(Parameters=ua.ReadParameters(NodesToRead=[state]))


def _quiet() -> None:
    """Silence asyncua, unless somebody has set its level: all that it would say again and again is in our errors."""
    logger = logging.getLogger("asyncua")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL + 1)
