"""A real broker, a client that publishes, and Sparkplug payloads made by the protobuf library."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import shutil
import socket
import subprocess
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import msgspec
import paho.mqtt.client as paho
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from paho.mqtt.enums import CallbackAPIVersion

from shoptwin.testing import free_port, group_of
from shoptwin_mqtt import plugin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SBIN = f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin{os.pathsep}/usr/local/sbin"


@dataclass
class Broker:
    """One mosquitto; its port stays the same over `kill()` and `start()`."""

    folder: Path
    options: list[str]
    port: int = field(default_factory=free_port)
    scheme: str = "mqtt"
    host: str = "127.0.0.1"
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"

    def start(self) -> None:
        program = shutil.which("mosquitto", path=SBIN)
        if program is None:
            pytest.skip("mosquitto is not installed (apt install mosquitto)")
        config = self.folder / "mosquitto.conf"
        mine = [f"user {pwd.getpwuid(os.getuid()).pw_name}", f"listener {self.port} 127.0.0.1"]
        config.write_text("\n".join([*mine, *self.options]) + "\n")
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen([program, "-c", str(config)], stdout=quiet, stderr=quiet)
        for _ in range(200):
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            time.sleep(0.02)
        raise AssertionError("mosquitto did not start")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None


@pytest.fixture
def broker(tmp_path) -> Iterator[Callable[..., Broker]]:
    """Give a factory of running brokers: `broker("allow_anonymous false", scheme="mqtts")`; options as in its file."""
    made: list[Broker] = []

    def make(*options: str, **more: Any) -> Broker:
        folder = tmp_path / f"broker-{len(made)}"
        folder.mkdir()
        made.append(Broker(folder, list(options or ("allow_anonymous true",)), **more))
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        one.kill()


@pytest.fixture
def publish() -> Iterator[Callable[..., None]]:
    """Give what publishes and waits until the broker has it: `publish(broker, "topic", {"a": 1}, retain=True)`."""
    clients: dict[int, paho.Client] = {}

    def send(broker: Broker, topic: str, payload: Any, *, retain: bool = False, qos: int = 1) -> None:
        client = clients.get(broker.port)
        if client is None:
            client = clients[broker.port] = paho.Client(CallbackAPIVersion.VERSION2)
            client.reconnect_delay_set(1, 1)
            client.connect("127.0.0.1", broker.port)
            client.loop_start()
        for _ in range(500):  # it connects again by itself
            if client.is_connected():
                break
            time.sleep(0.01)
        data = payload if isinstance(payload, bytes | str) else json.dumps(payload)
        client.publish(topic, data, qos, retain).wait_for_publish(5)

    yield send
    for client in clients.values():
        client.disconnect()
        client.loop_stop()


class Listening:
    """A connection that is subscribed to; `take` returns what came of each address."""

    def __init__(self, connection: Any, addresses: tuple[str, ...], group: Any) -> None:
        self.connection = connection
        self.addresses = addresses
        self.stream = connection.batches([group])
        self.heard: dict[str, list[tuple[Any, int, int]]] = {address: [] for address in addresses}

    async def take(self, until: Callable[[dict[str, list[Any]]], object], seconds: float = 5) -> dict[str, list[Any]]:
        """Listen until `until(heard)`; heard are value, status, source time, by address."""
        async with asyncio.timeout(seconds):
            while not until(self.heard):
                batch = await anext(self.stream)
                for row in zip(batch.tag, batch.values, batch.status, batch.source_time, strict=True):
                    self.heard[self.addresses[int(row[0])]].append((row[1], int(row[2]), int(row[3])))
        return self.heard

    async def ready(self) -> None:
        """Be subscribed, and have been told that nothing has come yet where `first` is that short."""
        with suppress(TimeoutError):
            await self.take(lambda _: False, 0.5)


@pytest.fixture
def listen() -> Callable[..., Any]:
    """Give a context of a connection that listens to addresses: `listen(broker, "a", "b#/c", stale="1s")`."""

    @asynccontextmanager
    async def make(broker: Broker, *addresses: str, period: int = 10**7, rate: float | None = None, **settings: Any):
        connection = plugin.open(config(broker, **settings))
        try:
            await connection.connect()
            group = group_of(plugin, addresses, period=period)
            points = tuple(replace(point, rate=rate) for point in group.points)
            yield Listening(connection, addresses, replace(group, points=points))
        finally:
            await connection.aclose()

    return make


class Refusing:
    """A broker that answers topics as it is told, as no real one can be made to; it publishes nothing.

    mosquitto grants what its access list hides; others refuse in SUBACK, which is all that this one is for.
    """

    def __init__(self, version: int, code: Callable[[str], int | None]) -> None:
        self.scheme, self.url, self.asked = "mqtt", "", list[str]()
        self._version, self._code = version, code
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"mqtt://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        five = self._version == 5
        with suppress(asyncio.IncompleteReadError, OSError):
            while True:
                kind, length = await reader.readexactly(1), 0
                for shift in range(0, 28, 7):
                    [byte] = await reader.readexactly(1)
                    length |= (byte & 0x7F) << shift
                    if byte < 0x80:
                        break
                body = await reader.readexactly(length)
                match kind[0] >> 4:
                    case 1:
                        writer.write(bytes([0x20, 3, 0, 0, 0] if five else [0x20, 2, 0, 0]))
                    case 8:
                        codes = [self._code(topic) for topic in self._topics(body[3 if five else 2 :])]
                        if None not in codes:
                            answer = [*body[:2], *([0] if five else []), *codes]
                            writer.write(bytes([0x90, len(answer), *answer]))
                    case 12:
                        writer.write(b"\xd0\x00")
        writer.close()

    def _topics(self, data: bytes) -> list[str]:
        found = []
        while data:
            size = int.from_bytes(data[:2], "big")
            found.append(data[2 : 2 + size].decode())
            data = data[3 + size :]
        self.asked += found
        return found


@pytest.fixture
async def refusing() -> Any:
    """Give a factory of brokers of a version of MQTT that answer each topic with the reason code of a function."""
    made: list[Refusing] = []

    async def make(version: int, code: Callable[[str], int | None]) -> Refusing:
        made.append(Refusing(version, code))
        await made[-1].start()
        return made[-1]

    yield make
    for one in made:
        one.stop()


def config(broker: Broker, **settings: Any) -> Any:
    return msgspec.convert({"url": broker.url, "timeout": "3s", "first": "200ms", **settings}, plugin.Settings)


@pytest.fixture
def settings_of() -> Callable[..., Any]:
    """Give what makes settings for a broker."""
    return config


def _tahu() -> Any:
    """Build `Payload` of Eclipse Tahu's sparkplug_b.proto, as far as the driver reads it."""
    file = descriptor_pb2.FileDescriptorProto(name="sparkplug_b.proto", package="tahu", syntax="proto2")
    kinds = descriptor_pb2.FieldDescriptorProto
    scalars = {
        "uint32": kinds.TYPE_UINT32, "uint64": kinds.TYPE_UINT64, "bool": kinds.TYPE_BOOL, "string": kinds.TYPE_STRING,
        "float": kinds.TYPE_FLOAT, "double": kinds.TYPE_DOUBLE, "bytes": kinds.TYPE_BYTES,
    }  # fmt: skip

    def message(called: str, /, *, oneof: str = "", **members: str) -> None:
        made = file.message_type.add(name=called)
        if oneof:
            made.oneof_decl.add(name="value")
        for member, told in members.items():
            kind, number = told.split()
            label = kinds.LABEL_REPEATED if kind.endswith("*") else kinds.LABEL_OPTIONAL
            kind = kind.rstrip("*")
            one = made.field.add(name=member, number=int(number), label=label)
            if kind in scalars:
                one.type = scalars[kind]
            else:
                one.type, one.type_name = kinds.TYPE_MESSAGE, f".tahu.{kind}"
            if member.endswith("_value"):
                one.oneof_index = 0

    message("PropertyValue", oneof="value", type="uint32 1", is_null="bool 2", int_value="uint32 3",
            long_value="uint64 4", string_value="string 8")  # fmt: skip
    message("PropertySet", keys="string* 1", values="PropertyValue* 2")
    message("DataSet", num_of_columns="uint64 1", columns="string* 2")
    message("MetaData", is_multi_part="bool 1", content_type="string 2", description="string 8")
    message("Metric", oneof="value", name="string 1", alias="uint64 2", timestamp="uint64 3", datatype="uint32 4",
            is_historical="bool 5", is_transient="bool 6", is_null="bool 7", metadata="MetaData 8",
            properties="PropertySet 9", int_value="uint32 10", long_value="uint64 11", float_value="float 12",
            double_value="double 13", boolean_value="bool 14", string_value="string 15", bytes_value="bytes 16",
            dataset_value="DataSet 17")  # fmt: skip
    message("Payload", timestamp="uint64 1", metrics="Metric* 2", seq="uint64 3", uuid="string 4", body="bytes 5")
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tahu.Payload"))


@pytest.fixture(scope="session")
def payload() -> Callable[..., Any]:
    """Give what makes a payload with the protobuf library: `payload({"name": "a", "int_value": 1}, seq=0)`."""
    kind = _tahu()
    return lambda *metrics, **more: kind(metrics=list(metrics), **more)
