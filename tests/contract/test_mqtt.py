"""The MQTT driver keeps the contract, with either version of MQTT, and nothing but reading goes over the wire."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

import shoptwin_mqtt
from shoptwin.testing import DriverContract, Site, free_port
from shoptwin.testing.proxy import WireWatch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

READING = {1: "CONNECT", 4: "PUBACK", 8: "SUBSCRIBE", 12: "PINGREQ", 14: "DISCONNECT"}
"""The only packets that the driver may ever send, by their type; PUBLISH is 3."""
_WILL = 0x04
"""The flag of a CONNECT that leaves something behind to be published."""
Packet = tuple[int, bytes]

PUBLISHED: dict[str, Any] = {
    "sensors/hall-2/temperature": "21.5",
    "sensors/hall-2/door": "open",
    "meters/7": {
        "power": 4211.25, "on": True, "name": "press 3", "text": "-0.125", "total": 2**53 + 1, "most": 2**64 - 1,
        "phases": [{"v": 230.1}, {"v": 229.8}], "a/b": {"m~n": 7}, "wave": [i / 10 for i in range(256)],
        "time": "2026-11-22T06:00:00Z",
    },
}  # fmt: skip
EXPECTED: dict[str, object] = {
    "sensors/hall-2/temperature": 21.5,
    "sensors/hall-2/door": "open",
    "meters/7#/power@/time": 4211.25,
    "meters/7#/on": True,
    "meters/7#/name": "press 3",
    "meters/7#/text": -0.125,
    "meters/7#/total": 2**53 + 1,
    "meters/7#/most": 2**64 - 1,
    "meters/7#/phases/1/v": 229.8,
    "meters/7#/a~1b/m~0n": 7.0,
}


class PacketScanner:
    """Cuts a stream of bytes from an MQTT client into packets (MQTT 5, 2.1); a pure machine, fed as the bytes come."""

    def __init__(self) -> None:
        self._pending = b""
        self.broken = False

    def feed(self, data: bytes) -> list[Packet]:
        """Return the packets now complete, each as its type and the rest of it."""
        self._pending += data
        found = []
        while len(self._pending) > 1 and not self.broken:
            length = shift = 0
            at = 1
            while at < len(self._pending):
                length |= (self._pending[at] & 0x7F) << shift
                shift, at = shift + 7, at + 1
                if not self._pending[at - 1] & 0x80:
                    break
            else:
                break
            if len(self._pending) < at + length:
                break
            found.append((self._pending[0] >> 4, self._pending[at : at + length]))
            self._pending = self._pending[at + length :]
            self.broken = not found[-1][0]
        return found


class MqttWatch(WireWatch[Packet]):
    """A proxy before a broker that counts what a client sends."""

    def __init__(self, target_port: int) -> None:
        super().__init__(target_port)
        self.packets: Counter[str] = Counter()
        self.outside: list[Packet] = []
        """What goes beyond reading; must stay empty."""

    def scanner(self) -> PacketScanner:
        return PacketScanner()

    def seen(self, requests: Sequence[Packet]) -> None:
        for kind, body in requests:
            self.packets[READING.get(kind, str(kind))] += 1
            if kind not in READING or (kind == 1 and body[7] & _WILL):
                self.outside.append((kind, body))


class Publishing:
    """A broker, and a sensor and a meter that publish ten times a second."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        self._config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n")
        self._broker: asyncio.subprocess.Process | None = None
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "sensors")
        self._client.reconnect_delay_set(1, 1)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._publish, name="sensors")

    async def start(self) -> None:
        """Start the broker, and the sensors the first time."""
        program = shutil.which("mosquitto", path="/usr/bin:/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin")
        if program is None:
            pytest.skip("mosquitto is not installed (apt install mosquitto)")
        quiet = asyncio.subprocess.DEVNULL
        self._broker = await asyncio.create_subprocess_exec(program, "-c", self._config, stdout=quiet, stderr=quiet)
        async with asyncio.timeout(10):
            while True:
                with suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    break
                await asyncio.sleep(0.02)
        if not self._thread.is_alive():
            self._client.connect("127.0.0.1", self.port)
            self._client.loop_start()  # it connects again by itself when the broker comes back
            self._thread.start()

    async def stop(self) -> None:
        """Kill the broker: kill -9."""
        if self._broker is not None:
            self._broker.kill()
            await self._broker.wait()
            self._broker = None

    async def end(self) -> None:
        """Switch off everything."""
        self._end.set()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)
        await self.stop()

    def _publish(self) -> None:
        while not self._end.wait(0.1):
            for topic, payload in PUBLISHED.items():
                told = {**payload, "time": time.time()} if isinstance(payload, dict) else payload
                self._client.publish(topic, told if isinstance(told, str) else json.dumps(told))


class MqttContract(DriverContract):
    """What both versions share."""

    package = "shoptwin_mqtt"
    protocol = ("paho", "ssl", "google.protobuf")
    version = 5

    # A subscription is not read by the runtime: there is nothing to skip either.
    test_each_tag_once_a_poll = test_groups_do_not_mix = test_cancelled_read_does_no_harm = None

    @pytest.fixture
    def plugin(self) -> shoptwin_mqtt.plugin.MqttPlugin:
        """Return the driver that the entry point names."""
        return shoptwin_mqtt.plugin

    @pytest.fixture
    async def site(self, tmp_path: Path) -> AsyncIterator[Site]:
        """Publish, and fail whatever test sent anything that does not read."""
        sensors = Publishing(tmp_path)
        try:
            await sensors.start()
            async with MqttWatch(sensors.port) as watch:
                yield self.at(watch, sensors)
                assert not watch.outside
                assert not watch.broken
        finally:
            await sensors.end()

    def at(self, watch: MqttWatch, sensors: Publishing) -> Site:
        """Return the site behind the watch."""
        more = {"version": self.version, "first": "2s", "timeout": "3s"}

        async def stop() -> None:
            await sensors.stop()
            watch.cut()

        return Site(
            settings={"url": f"mqtt://127.0.0.1:{watch.port}", **more},
            expected=EXPECTED,
            missing="sensors/hall-2/nothing",
            malformed="sensors/+/temperature",
            unreachable={"url": f"mqtt://127.0.0.1:{free_port()}", **more},
            stop=stop,
            start=sensors.start,
            say=watch.say,
        )


class TestVersion5(MqttContract):
    """MQTT 5, the default."""


class TestVersion311(MqttContract):
    """MQTT 3.1.1."""

    version = 4


def test_the_watch_sees_what_publishes() -> None:
    """A PUBLISH and a will, cut into single bytes, are seen by the watch that finds none in the driver."""
    watch, scanner = MqttWatch(0), PacketScanner()
    connect = bytes([0x10, 12, 0, 4, *b"MQTT", 4, 0x02, 0, 60, 0, 0])
    will = bytes([0x10, 18, 0, 4, *b"MQTT", 4, 0x06, 0, 60, 0, 0, 0, 1, *b"t", 0, 1, *b"w"])
    publish = bytes([0x30, 0x83, 0x01, 0, 1, *b"t"]) + bytes(128)
    for byte in connect + will + publish:
        watch.seen(scanner.feed(bytes([byte])))
    assert [kind for kind, _ in watch.outside] == [1, 3]
    assert watch.packets["CONNECT"] == 2
    assert not scanner.broken
