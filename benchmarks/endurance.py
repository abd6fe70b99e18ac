"""200 tags at 1 Hz, devices and a broker that come and go: memory, the file, and what the ledger accounts for."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import paho.mqtt.client as mqtt
from configurations import device, floats, gateway, machine, tag
from measure import trend
from rows import Row, at_most
from servers import SBIN, daemons, scratch, slaves

from shoptwin.testing import free_port

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from servers import Daemon

TAGS, FLAPPING = 200, 5
UP, AWAY = 50.0, 10.0
"""Seconds that the broker is there, and is not."""
EVERY = 0.5
WARM = 240.0
"""Seconds before memory is looked at: what is bounded has filled by then."""
BUDGET = 40_000_000
_LEDGER = "SELECT count(*) FROM alarm_events WHERE kind NOT IN ('suppressed', 'unsuppressed')"


def soak(minutes: float) -> Iterable[Row]:
    """Return the slope of the resident memory, the bytes of the file, and what the ledger does not account for."""
    seconds = 60 * minutes
    plan = [{"kind": "steady", "drift": True}]
    plan += [{"kind": "flapping", "up": 12.0, "down": 2.0, "seed": i, "hurry": 0.0} for i in range(FLAPPING)]
    with scratch() as folder, ExitStack() as stack:
        _, urls = stack.enter_context(slaves(*plan))
        broker = Flaps(folder)
        stack.callback(broker.close)
        heard = Heard(broker.port)
        stack.callback(heard.close)
        (daemon,) = stack.enter_context(daemons((folder / "daemon", _text(broker.port, urls)), well=False))
        ends = threading.Event()
        flapping = threading.Thread(target=broker.run, args=(ends,))
        flapping.start()
        try:
            sizes, took = _watch(daemon, min(WARM, seconds / 2), seconds)
        finally:
            ends.set()
            flapping.join()
        status = _drained(daemon)
        state = folder / "daemon" / "state"
        yield _memory(sizes, took, broker.times)
        yield from _told(status, heard, state)


def _text(port: int, urls: Sequence[str]) -> str:
    head = gateway(port).replace("[mqtt]", f'[store]\nmax_bytes = "{BUDGET // 1_000_000}MB"\n[mqtt]')
    rest = "".join(
        device(f"plc{i}", "modbus", url) + floats(f"m{i}", f"plc{i}", TAGS if i == 0 else 1)
        for i, url in enumerate(urls)
    )
    hot = tag("hot", "plc0", "holding:0:float32", "temperature", "limits = { hi = 50, deadband = 1 }")
    return head + rest + machine("oven", [hot])


def _watch(daemon: Daemon, warm: float, seconds: float) -> tuple[list[float], float]:
    time.sleep(warm)
    began, sizes = time.monotonic(), []
    while time.monotonic() < began + seconds - warm:
        sizes.append(daemon.resident() / 1024)
        time.sleep(EVERY)
    return sizes, time.monotonic() - began


def _drained(daemon: Daemon) -> dict[str, Any]:
    """Wait until nothing is in the outbox; return the status."""
    for _ in range(600):
        status = daemon.status()
        if not status["outbox"]["messages"] and status["outbox"].get("connected"):
            break
        time.sleep(0.1)
    return status


def _memory(sizes: Sequence[float], took: float, flaps: int) -> Row:
    slope = trend(sizes, took)
    return Row(
        "endurance: memory", slope.slope, "KB RSS an hour", hold=f"0 within {slope.error:,.0f}", ok=slope.flat,
        note=f"{min(sizes) / 1024:.1f} to {max(sizes) / 1024:.1f} MB in {took:.0f} s; the broker away {flaps} times",
    )  # fmt: skip


def _told(status: dict[str, Any], heard: Heard, state: Path) -> Iterable[Row]:
    store = status["store"]
    yield at_most("endurance: bytes of twin.db", store["bytes"], "bytes", BUDGET, f"{store['written']:,} samples")
    yield at_most("endurance: samples lost", store["lost"], "samples", 0)
    with closing(sqlite3.connect(f"file:{state / 'ledger.db'}?mode=ro", uri=True)) as ledger:
        (made,) = ledger.execute(_LEDGER).fetchone()
        (shed,) = ledger.execute("SELECT coalesce(sum(messages), 0) FROM outbox_shed").fetchone()
    missing = made - len(heard.transitions)
    yield at_most("endurance: transitions not told", missing, "of them", 0, f"{made:,} made, {shed} messages shed")
    yield at_most("endurance: holes in the numbers", heard.holes(), "messages", 0, "of all streams that number theirs")


class Flaps:
    """A broker that keeps its sessions, and goes away for a while again and again."""

    def __init__(self, folder: Path) -> None:
        self.port, self.times = free_port(), 0
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence true\n"
            f"persistence_location {folder}/\nmax_queued_messages 0\nuser root\n"
        )
        self._process = self._start()

    def run(self, ends: threading.Event) -> None:
        """Come and go until it is told to end; then it is there."""
        while not ends.wait(UP):
            self._process.send_signal(signal.SIGTERM)  # it writes down what it keeps
            self._process.wait()
            ends.wait(AWAY)
            self._process = self._start()
            self.times += 1

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        program = shutil.which("mosquitto", path=SBIN)
        if program is None:
            raise RuntimeError("mosquitto is not installed (apt install mosquitto)")
        null = subprocess.DEVNULL
        process = subprocess.Popen([program, "-c", str(self._config)], stdout=null, stderr=null)
        time.sleep(0.5)
        return process


class Heard:
    """A subscriber with a session of its own: what it was told, each message by its id."""

    def __init__(self, port: int) -> None:
        self.transitions: set[str] = set()
        self._numbers: dict[str, set[int]] = {}
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "endurance", clean_session=False)
        self._client.on_connect = lambda client, *_: client.subscribe("shoptwin/v1/#", 1)
        self._client.on_message = self._take
        self._client.reconnect_delay_set(1, 2)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _take(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        if not message.topic.endswith("/event") or not message.payload:
            return
        told = json.loads(message.payload)
        if told.get("type") == "alarm":
            self.transitions.add(told["id"])
        if "seq" in told:
            self._numbers.setdefault(message.topic, set()).add(told["seq"])

    def holes(self) -> int:
        """Return how many numbers of a stream are missing between its first and its last."""
        return sum(max(seen) - min(seen) + 1 - len(seen) for seen in self._numbers.values())

    def close(self) -> None:
        """Let go."""
        self._client.loop_stop()
        self._client.disconnect()
