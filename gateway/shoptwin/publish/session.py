"""Session: one connection to the broker, paho-mqtt on the asyncio loop.

paho's own thread would cost two switches a message and a lock around all that the callbacks touch. So paho's hooks for
an external loop are used instead: the loop watches the socket, reads and writes when it is ready, and a timer looks
after the keepalive once in a while. Only the dialling, which blocks (name service, TCP, TLS), has a thread of its own:
a daemon thread, because a name service that hangs must not keep the process from ending.

A session is used once. paho's own reconnecting is off, and so is its queue: what is not acknowledged is in the outbox.
"""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from paho.mqtt import MQTTException
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from shoptwin.domain.errors import PublishError
from shoptwin.publish.connection import refusal, tls_context, translate
from shoptwin.runtime.background import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from paho.mqtt.client import ConnectFlags, DisconnectFlags, MQTTMessage
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

    from shoptwin.config.settings import Mqtt
    from shoptwin.domain.message import OutboxMessage

_DIAL_SECONDS = 15.0
_ANSWER_SECONDS = 10.0
_TIMER = 1.0
_BRIEF = 30.0
_DEFAULT_WINDOW = 20
_LARGEST_WINDOW = 64
_V5 = 5
_NOT_MQTT = (MQTTException, ValueError, LookupError, TypeError, AssertionError, struct.error)
"""What paho raises on bytes that make no sense to it."""


class Listener(Protocol):
    """Who is told what the broker says; always in the loop's thread."""

    def acknowledged(self, mid: int, refused: str | None) -> None:
        """A message was taken, or refused for this reason."""

    def received(self, topic: str, *, retained: bool) -> None:
        """A message came on a topic that was subscribed to."""

    def lost(self) -> None:
        """The connection is gone; `Session.failure` says why."""


class Session:
    """One connection. `failure` is None while it stands; `window` and `largest` are what the broker takes."""

    def __init__(
        self, mqtt: Mqtt, will: OutboxMessage, client_id: str, listener: Listener, now: Callable[[], int]
    ) -> None:
        self.failure: PublishError | None = None
        self.window = _DEFAULT_WINDOW
        self.largest: int | None = None
        self._mqtt = mqtt
        self._listener = listener
        self._now = now
        self._loop = asyncio.get_running_loop()
        self._born = self._loop.time()
        self._answer: asyncio.Future[None] = self._loop.create_future()
        self._gone = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._client_id = client_id
        self._client = self._make(will)

    @property
    def tells_reasons(self) -> bool:
        """Whether the broker says if it has really taken a message: MQTT 5 does."""
        return self._mqtt.version == _V5

    @property
    def age(self) -> float:
        """Seconds since it was dialled."""
        return self._loop.time() - self._born

    async def open(self) -> None:
        """Dial, say CONNECT and wait for the answer.

        Raises:
            PublishError: the broker cannot be reached or refuses.
        """
        if self._mqtt.tls:
            self._client.tls_set_context(tls_context(self._mqtt))
        dialled = in_thread("mqtt dial", self._dial)
        try:
            async with asyncio.timeout(_DIAL_SECONDS):
                await asyncio.shield(asyncio.wrap_future(dialled))
        except (OSError, ValueError) as error:  # TimeoutError is an OSError, and so are the errors of TLS
            dialled.add_done_callback(self._hang_up)
            raise translate(error, self._mqtt, self._now()) from error
        except asyncio.CancelledError:
            dialled.add_done_callback(self._hang_up)
            raise
        self._watch()
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._answer
        except TimeoutError:
            self.abort()
            raise PublishError(
                f"The broker at {self._mqtt.host}:{self._mqtt.port} does not answer", "Does it speak MQTT on that port?"
            ) from None
        except (PublishError, asyncio.CancelledError):
            self.abort()
            raise

    def publish(self, message: OutboxMessage) -> int | None:
        """Send a message; return its packet identifier, or None where the connection is gone."""
        info = self._client.publish(message.topic, message.payload, message.qos, message.retain)
        return info.mid if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    def publish_unacknowledged(self, topic: str, payload: bytes) -> None:
        """Send and forget, QoS 0."""
        self._client.publish(topic, payload, 0)

    def subscribe(self, filters: list[str]) -> None:
        """Ask for what comes on these topics."""
        self._client.subscribe([(one, 0) for one in filters])

    def unsubscribe(self, filters: list[str]) -> None:
        """Ask no longer."""
        self._client.unsubscribe(filters)

    async def close(self, seconds: float) -> None:
        """Say DISCONNECT, so that the broker keeps the will to itself, and let go."""
        if self.failure is None:
            self._client.disconnect()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._gone.wait()  # set by paho once DISCONNECT is on its way
        self.abort()

    def abort(self) -> None:
        """Let go of the socket without a word; may be called twice."""
        self.failure = self.failure or PublishError("The connection to the broker was closed")
        if self._timer is not None:
            self._timer.cancel()
        self._close_socket()

    def _make(self, will: OutboxMessage) -> Client:
        protocol = MQTTProtocolVersion.MQTTv5 if self._mqtt.version == _V5 else MQTTProtocolVersion.MQTTv311
        client = Client(CallbackAPIVersion.VERSION2, self._client_id, protocol=protocol, reconnect_on_failure=False)
        client.connect_timeout = 5.0
        client.max_inflight_messages_set(0)  # no limit: the dispatcher keeps the window
        client.will_set(will.topic, will.payload, will.qos, will.retain)
        if self._mqtt.user:
            secret = self._mqtt.password
            client.username_pw_set(self._mqtt.user, secret.reveal() if secret else None)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        return client

    # Dialling, in its thread.

    def _dial(self) -> None:
        self._client.connect(self._mqtt.host, self._mqtt.port, self._mqtt.keepalive)

    def _hang_up(self, _: Future[None]) -> None:
        """Close what a dialling opened that nobody waits for any more."""
        self._close_socket()

    def _close_socket(self) -> None:
        # reinitialise() would also close it but builds a whole new client; paho has no other way to say "now".
        self._client._sock_close()  # noqa: SLF001

    # Hooks for the external loop; from here on everything runs in the loop's thread.

    def _watch(self) -> None:
        sock = self._client.socket()
        if sock is None:  # gone before anyone looked
            self._lost(PublishError(f"The broker at {self._mqtt.host}:{self._mqtt.port} hung up at once"))
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

    def _read(self) -> None:
        try:
            self._read_all()
        except _NOT_MQTT as error:
            self._close_socket()
            where = f"{self._mqtt.host}:{self._mqtt.port}"
            self._lost(PublishError(f"What {where} sends is not MQTT: {error!r}", "Check the port in url of [mqtt]"))

    def _read_all(self) -> None:
        self._client.loop_read()
        # TLS takes whole records off the wire: what waits in it makes the socket readable to nobody else.
        while (sock := self._client.socket()) is not None and getattr(sock, "pending", int)():
            self._client.loop_read()

    def _tick(self) -> None:
        self._timer = self._loop.call_later(_TIMER, self._tick)
        self._client.loop_misc()

    # paho's callbacks. They must not call back into what closes the socket: paho's locks are not reentrant.

    def _on_connect(
        self,
        _client: Client,
        _userdata: object,
        _flags: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if self._answer.done():
            return
        if reason.is_failure:
            self._answer.set_exception(refusal(reason.value, str(reason), self._mqtt))
            return
        if self.tells_reasons:
            self.window = min(_LARGEST_WINDOW, getattr(properties, "ReceiveMaximum", _LARGEST_WINDOW))
            self.largest = getattr(properties, "MaximumPacketSize", None)
            for code, limit, name in (
                (0x9A, "RetainAvailable", "Retain not supported"),
                (0x9B, "MaximumQoS", "No QoS 1"),
            ):
                if getattr(properties, limit, 1) == 0:
                    self._answer.set_exception(refusal(code, name, self._mqtt))
                    return
        self._answer.set_result(None)

    def _on_disconnect(
        self, _client: Client, _userdata: object, flags: DisconnectFlags, reason: ReasonCode, _: Properties | None
    ) -> None:
        where = f"{self._mqtt.host}:{self._mqtt.port}"
        if flags.is_disconnect_packet_from_server and reason.is_failure:
            self._lost(refusal(reason.value, str(reason), self._mqtt, inside=True))
        elif not self._answer.done():
            self._lost(
                PublishError(
                    f"The broker at {where} hung up before it answered",
                    "It may want a client certificate (cert_file, key_file), or another version; its log says why",
                )
            )
        else:
            hint = (
                f"If it goes on: does another client use the client_id {self._client_id!r}?"
                if self.age < _BRIEF
                else ""
            )
            self._lost(PublishError(f"The connection to the broker at {where} was lost", hint))

    def _on_publish(
        self, _client: Client, _userdata: object, mid: int, reason: ReasonCode, properties: Properties | None
    ) -> None:
        told = None
        if reason.is_failure:
            more = getattr(properties, "ReasonString", "")
            told = f"{reason} (0x{reason.value:02X})" + (f": {more}" if more else "")
        self._listener.acknowledged(mid, told)

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        self._listener.received(message.topic, retained=bool(message.retain))

    def _lost(self, error: PublishError) -> None:
        self._gone.set()
        if self.failure is None:
            self.failure = error
            if not self._answer.done():
                self._answer.set_exception(error)
            self._listener.lost()
