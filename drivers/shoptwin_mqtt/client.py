"""paho's client, made and dialled as the settings say."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from paho.mqtt import MQTTException
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from shoptwin_mqtt import security

if TYPE_CHECKING:
    from shoptwin_mqtt.settings import Settings

_V5 = 5
_SPARE = 65_536 + 1024
"""Bytes of a packet beside its payload: a topic of the greatest length, and some."""
_HUGE = 64_000_000
"""Bytes of one packet that end the connection: under MQTT 3.1.1 a broker cannot be told not to send it."""
NOT_MQTT = (MQTTException, ValueError, LookupError, TypeError, AssertionError, struct.error)
"""What paho raises on bytes that make no sense to it."""


class TooLargeError(Exception):
    """A packet would not fit into memory."""


class Client(paho.Client):
    """One that does not take packets of up to 256 MB, as paho's own does."""

    def _sock_recv(self, bufsize: int) -> bytes:
        if bufsize > _HUGE:
            raise TooLargeError(f"a message of {bufsize // 10**6} MB")
        return super()._sock_recv(bufsize)


def make(settings: Settings, client_id: str) -> Client:
    """Return a client that has not dialled yet, without a will: it leaves nothing behind to be published.

    Raises:
        AuthFailed: a file of the settings cannot be used.
    """
    v5 = settings.version == _V5
    client = Client(
        CallbackAPIVersion.VERSION2, client_id,
        clean_session=None if v5 else True,
        protocol=MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311,
        reconnect_on_failure=False,
    )  # fmt: skip
    client.connect_timeout = settings.seconds("timeout")
    if settings.user:
        client.username_pw_set(settings.user, security.password(settings))
    if settings.tls:
        client.tls_set_context(security.context(settings))
    return client


def dial(client: Client, settings: Settings) -> None:
    """Reach the broker and say CONNECT; blocks. Raises OSError, ValueError."""
    more: dict[str, Any] = {}
    if settings.version == _V5:
        more["clean_start"] = True
        more["properties"] = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        more["properties"].MaximumPacketSize = settings.max_payload + _SPARE
    client.connect(settings.host, settings.port, round(settings.seconds("keepalive")), **more)


def drop(client: Client) -> None:
    """Close the socket without a word; may be called twice."""
    # reinitialise() would also close it but builds a whole new client; paho has no other way to say "now".
    client._sock_close()  # noqa: SLF001
