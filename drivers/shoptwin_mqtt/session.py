"""One connection to the broker: paho-mqtt on the asyncio loop, which can subscribe and has no way to publish.

paho's own thread would cost two switches a message, so the loop watches its socket, and a timer its keepalive. Only the
dialling, which blocks (name service, TCP, TLS), has a thread. A session is used once: paho's reconnecting is off.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from shoptwin.sdk import NotConnected, Timeout
from shoptwin_mqtt.background import in_thread
from shoptwin_mqtt.causes import refused, why_not
from shoptwin_mqtt.client import NOT_MQTT, TooLargeError, dial, drop, make

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

    from shoptwin.sdk import DriverError
    from shoptwin_mqtt.settings import Settings

_TIMER = 1.0
_AT_ONCE = 8
"""Topics in one SUBSCRIBE: AWS IoT Core takes no more."""
_WAITING = 16_000_000
"""Bytes of messages that may wait to be decoded; beyond, the socket is left alone, and the broker has to wait."""
_PORTION = 100_000
"""Bytes of messages that are handed out at a time, the last of them whole."""


class Message(NamedTuple):
    """What was published."""

    topic: str
    payload: bytes
    retained: bool
    """Whether the broker has kept it from before this connection; nobody knows for how long."""


class Session:
    """One connection. Messages wait in `messages` until they are taken."""

    def __init__(self, settings: Settings) -> None:
        self.failure: DriverError | None = None
        """Why it is over; None while it stands."""
        self.bytes_sent = 0
        self.bytes_received = 0
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[None] = self._loop.create_future()
        self._asked: dict[int, Sequence[str]] = {}
        """Topics whose SUBSCRIBE has not been answered, by its packet identifier."""
        self._refused: dict[str, int] = {}
        self._progress = 0.0
        """When the broker has last sent an answer or a message, on the loop's clock."""
        self._messages: deque[Message] = deque()
        self._waiting = 0
        self._paused = False
        self._something = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._client_id = settings.client_id or f"shoptwin-{uuid.uuid4().hex[:8]}"
        self._client = make(settings, self._client_id)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message

    async def open(self) -> None:
        """Dial, say CONNECT and wait for the answer.

        Raises:
            NotConnected, Timeout: try again later. AuthFailed: do not.
        """
        dialled = in_thread("mqtt dial", partial(dial, self._client, self._settings))
        try:
            async with asyncio.timeout(seconds := self._settings.seconds("timeout")):
                await asyncio.shield(asyncio.wrap_future(dialled))
        except (OSError, ValueError) as error:  # TimeoutError is an OSError, and so are the errors of TLS
            dialled.add_done_callback(self._hang_up)
            raise why_not(self._settings, error) from error
        except asyncio.CancelledError:
            dialled.add_done_callback(self._hang_up)
            raise
        self._watch()
        try:
            async with asyncio.timeout(seconds):
                await self._answer
        except TimeoutError:
            raise Timeout(f"{self._settings.where} does not answer", "does it speak MQTT on that port?") from None

    def subscribe(self, topics: Sequence[str]) -> None:
        """Ask for what comes on topics, QoS 1; which of them the broker refuses is told by `refusals`.

        The answer is not waited for here: retained messages come before it, and somebody has to take them. Where none
        comes, and nothing else either, the connection is over.
        """
        self._progress = self._loop.time()
        for i in range(0, len(topics), _AT_ONCE):
            part = topics[i : i + _AT_ONCE]
            _, mid = self._client.subscribe([(topic, 1) for topic in part])
            self.bytes_sent += sum(len(topic.encode()) + 3 for topic in part) + 4
            if mid is None:  # gone between two of them
                break
            self._asked[mid] = part

    def refusals(self) -> dict[str, int]:
        """Return the reason codes of topics that the broker has refused since the last call."""
        refused, self._refused = self._refused, {}
        return refused

    async def messages(self, seconds: float | None) -> list[Message]:
        """Return some of what has come, after waiting for so long at most; nothing where other things came, or none.

        Raises:
            NotConnected, AuthFailed: the connection is over, and all that came before has been handed out.
        """
        if not (self._messages or self._refused or self.failure):
            self._something.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._something.wait()
        if not self._messages and self.failure is not None:
            raise self.failure
        taken: list[Message] = []
        size = 0
        while self._messages and size < _PORTION:
            taken.append(self._messages.popleft())
            size += _size(taken[-1])
        self._waiting -= size
        if self._paused and self._waiting <= _WAITING:
            self._resume()
        return taken

    def close(self) -> None:
        """Say DISCONNECT where that is possible at once, and let go; may be called twice."""
        if self.failure is None:
            self._client.disconnect()
        self._lost(NotConnected(f"the connection to {self._settings.where} was closed", "it is made anew"))
        if self._timer is not None:
            self._timer.cancel()
        drop(self._client)

    def _hang_up(self, _: Future[None]) -> None:
        """Close what a dialling opened that nobody waits for any more."""
        drop(self._client)

    # Hooks for the external loop; from here on everything runs in the loop's thread.

    def _watch(self) -> None:
        sock = self._client.socket()
        if sock is None:  # gone before anyone looked
            self._lost(NotConnected(f"{self._settings.where} hung up at once", "its log says why"))
            return
        self._client.on_socket_close = lambda _c, _u, closed: self._unwatch(closed)
        self._client.on_socket_register_write = lambda _c, _u, s: self._loop.add_writer(s, self._client.loop_write)
        self._client.on_socket_unregister_write = self._on_written
        self._loop.add_reader(sock, self._read)
        if self._client.want_write():
            self._loop.add_writer(sock, self._client.loop_write)
        self._timer = self._loop.call_later(_TIMER, self._tick)

    def _on_written(self, _client: Client, _userdata: object, sock: Any) -> None:  # noqa: ANN401 - as below
        self._loop.remove_writer(sock)

    def _unwatch(self, sock: Any) -> None:  # noqa: ANN401 - a socket, or one with TLS around it
        self._loop.remove_reader(sock)
        self._loop.remove_writer(sock)

    def _resume(self) -> None:
        self._paused, self._progress = False, self._loop.time()
        if (sock := self._client.socket()) is not None:
            self._loop.add_reader(sock, self._read)
            self._loop.call_soon(self._read)  # TLS may hold what the socket does not tell of any more

    def _read(self) -> None:
        try:
            self._read_all()
        except TooLargeError as error:
            cure = "limit messages at the broker (mosquitto: max_packet_size), or set version = 5"
            self._lost(NotConnected(f"{self._settings.where} sends {error}", cure))
            drop(self._client)
        except NOT_MQTT as error:
            what = f"what {self._settings.where} sends is not MQTT: {error!r}"
            self._lost(NotConnected(what, "check the port in url"))
            drop(self._client)

    def _read_all(self) -> None:
        client = self._client
        while (sock := client.socket()) is not None and not self._paused:
            client.loop_read()
            if self._waiting > _WAITING:
                self._paused = True
                self._loop.remove_reader(sock)
            # TLS takes whole records off the wire: what waits in it makes the socket readable to nobody else.
            if not getattr(sock, "pending", int)():
                return

    def _tick(self) -> None:
        self._timer = self._loop.call_later(_TIMER, self._tick)
        self._client.loop_misc()
        if self._asked and not self._paused and self._loop.time() - self._progress > self._settings.seconds("timeout"):
            what = f"{self._settings.where} did not answer a subscription"
            self._lost(Timeout(what, "raise timeout, or look into its log"))
            drop(self._client)

    # paho's callbacks. They must not call back into what closes the socket: paho's locks are not reentrant.

    def _on_connect(
        self, _client: Client, _userdata: object, _flags: ConnectFlags, reason: ReasonCode, _: Properties | None
    ) -> None:
        if self._answer.done():
            return
        if reason.is_failure:
            self._lost(refused(self._settings, reason.value, str(reason)))
        else:
            self._answer.set_result(None)

    def _on_disconnect(
        self, _client: Client, _userdata: object, flags: DisconnectFlags, reason: ReasonCode, _: Properties | None
    ) -> None:
        where = self._settings.where
        if flags.is_disconnect_packet_from_server and reason.is_failure:
            self._lost(refused(self._settings, reason.value, str(reason), inside=True))
        elif not self._answer.done():
            hint = "it may want a certificate (cert_file, key_file), or another version; its log says why"
            self._lost(NotConnected(f"{where} hung up before it answered", hint))
        else:
            own = f"if it goes on: does another client use the client_id {self._client_id!r}?"
            hint = own if self._settings.client_id else "it is made anew"
            self._lost(NotConnected(f"the connection to {where} was lost", hint))

    def _on_subscribe(
        self, _client: Client, _userdata: object, mid: int, codes: list[ReasonCode], _: Properties | None
    ) -> None:
        self._progress = self._loop.time()
        topics = self._asked.pop(mid, ())
        self._refused |= {t: code.value for t, code in zip(topics, codes, strict=False) if code.is_failure}
        if self._refused:
            self._something.set()

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        came = Message(message.topic, bytes(message.payload), bool(message.retain))
        self.bytes_received += _size(came)
        self._waiting += _size(came)
        self._messages.append(came)
        self._progress = self._loop.time()
        self._something.set()

    def _lost(self, error: DriverError) -> None:
        if self.failure is None:
            self.failure = error
        if not self._answer.done():
            self._answer.set_exception(self.failure)
            self._answer.exception()  # whether or not somebody still waits for it
        self._something.set()


def _size(message: Message) -> int:
    return len(message.payload) + len(message.topic)
