"""One connection, against a broker of a few lines that does what mosquitto does not."""

from __future__ import annotations

import asyncio
import ssl
import time
from contextlib import asynccontextmanager

import pytest

from shoptwin.config.settings import Mqtt
from shoptwin.domain.errors import PublishError
from shoptwin.domain.message import MessageClass, OutboxMessage
from shoptwin.publish.session import Session

WILL = OutboxMessage("1", "w", MessageClass.STATUS, "w", b"{}", 1, True, 0)
CONNACK = b"\x20\x03\x00\x00\x00"
SHUTTING_DOWN = b"\xe0\x02\x8b\x00"


class Nobody:
    """Listens to nothing."""

    def acknowledged(self, mid, refused): ...

    def received(self, topic, *, retained): ...

    def lost(self): ...


def session(port, **mqtt):
    scheme = "mqtts" if "ca_file" in mqtt else "mqtt"
    return Session(Mqtt(f"{scheme}://localhost:{port}", **mqtt), WILL, "gw-1", Nobody(), time.time_ns)


@asynccontextmanager
async def broker_that_says(answer, tls=None):
    """Run a broker that reads CONNECT, writes `answer` in one go, and then says nothing; give its port."""
    writers = []

    async def talk(reader, writer):
        writers.append(writer)
        await reader.read(1000)
        writer.write(answer)

    context = None
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.cert, tls.key)
    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0.05)


async def test_what_waits_inside_tls_is_read(certificates):
    """Two packets in one record of TLS: the second is not forgotten in the decrypted buffer."""
    tls = certificates()
    async with broker_that_says(CONNACK + SHUTTING_DOWN, tls) as port:
        one = session(port, ca_file=tls.ca)
        await one.open()
        async with asyncio.timeout(2):
            while one.failure is None:
                await asyncio.sleep(0.01)
        assert "Server shutting down" in str(one.failure)
        one.abort()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"\x20\x03\x00\x84\x00", 'version = "3.1.1"'),
        (b"\x20\x03\x00\x85\x00", "client_id"),
        (b"\x20\x05\x00\x00\x02\x25\x00", "Allow retained"),
        (b"\x20\x05\x00\x00\x02\x24\x00", "Allow QoS 1"),
        (b"\x20\x01\x00", ""),
        (b"\x90\x00", ""),
    ],
)
async def test_each_refusal_names_its_cure(answer, said):
    """A broker that does not take this client, this version, or what the gateway needs: the hint says what to do."""
    async with broker_that_says(answer) as port:
        one = session(port)
        with pytest.raises(PublishError, match=r"refuses|hung up|is not MQTT") as caught:
            await one.open()
        assert said in caught.value.hint


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
async def test_a_broker_that_never_answers_is_given_up(monkeypatch, answer):
    """Someone accepts the connection and says nothing, or nothing of MQTT: an error, in bounded time."""
    monkeypatch.setattr("shoptwin.publish.session._ANSWER_SECONDS", 0.2)
    async with broker_that_says(answer) as port:
        with pytest.raises(PublishError, match="does not answer"):
            await session(port).open()


async def test_a_dialling_that_is_cancelled_leaves_nothing_open(monkeypatch):
    """Cancelled while it dials: the socket that comes of it all the same is closed in the background."""
    async with broker_that_says(CONNACK) as port:
        one = session(port)
        dial = one._dial

        def slowly():
            time.sleep(0.2)
            dial()

        monkeypatch.setattr(one, "_dial", slowly)
        task = asyncio.create_task(one.open())
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.4)
        assert one._client.socket() is None
