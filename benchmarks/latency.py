"""From a change at the PLC to the alarm at an independent subscriber: a real slave, daemon and broker."""

from __future__ import annotations

import json
import queue
import random
import sqlite3
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import paho.mqtt.client as paho
from configurations import device, gateway, machine, tag
from paho.mqtt.enums import CallbackAPIVersion
from rows import Row, at_most, plain, skipped
from servers import broker, daemons, no_broker, scratch, slave

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from servers import Slave

PERIOD = 0.1
"""Seconds between polls; a change comes at any moment between two of them."""
NAME = "latency: change at the PLC to alarm received"
LIMIT = 'unit = "bar"\nlimits = { hi = 50 }'


def rows(*, quick: bool) -> Iterable[Row]:
    """Return p50 and p99 in ms, and what a commit takes on this disk."""
    if why := no_broker():
        return [skipped(NAME, "ms", why)]
    with scratch() as folder, broker(folder) as port, slave() as plc:
        plc.set(0, 0)
        text = gateway(port) + device("plc", "modbus", plc.url, f"{round(PERIOD * 1e3)}ms")
        text += machine("press", [tag("pressure", "plc", "holding:0:uint16", "pressure", LIMIT)])
        with daemons((folder / "daemon", text)):
            took = list(_changes(plc, port, 20 if quick else 100))
        commit = _commit(folder / "commit.db")
    p50, p99 = np.percentile(took, [50, 99]).tolist()
    note = f"{len(took)} changes, polled every {PERIOD * 1e3:g} ms; {PERIOD * 500:g} ms of it is waiting for the poll"
    return [
        at_most(f"{NAME}, p50", p50, "ms", PERIOD * 1e3 + 5, note),
        plain(f"{NAME}, p99", p99, "ms"),
        plain(
            "latency: a commit to this disk", commit, "ms", "median; one row, WAL, synchronous=FULL; it is in the above"
        ),
    ]


def _changes(plc: Slave, port: int, count: int) -> Iterator[float]:
    """Yield the ms from each change until its alarm, raised or cleared, is received."""
    heard: queue.SimpleQueue[tuple[int, dict[str, Any]]] = queue.SimpleQueue()
    client = paho.Client(CallbackAPIVersion.VERSION2, "subscriber")
    client.on_message = lambda _c, _u, message: heard.put((time.monotonic_ns(), json.loads(message.payload)))
    client.connect("127.0.0.1", port)
    client.subscribe("shoptwin/v1/+/+/+/press/event", qos=1)
    client.loop_start()
    time.sleep(1.0)
    draw = random.Random(1)  # noqa: S311 - the moment between two polls is no secret
    for i in range(count):
        time.sleep(PERIOD * (1 + draw.random()))
        changed = plc.set(0, 0 if i % 2 else 100)
        while True:
            received, told = heard.get(timeout=10)
            if told.get("kind") == ("cleared" if i % 2 else "raised"):
                break
        yield (received - changed) / 1e6
    client.disconnect()
    client.loop_stop()


def _commit(path: Path) -> float:
    """Return the median ms of committing a row as the ledger does."""
    connection, took = sqlite3.connect(path, isolation_level=None), []
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE t (x)")
    for i in range(50):
        began = time.perf_counter()
        connection.execute("INSERT INTO t VALUES (?)", (i,))
        took.append((time.perf_counter() - began) * 1e3)
    connection.close()
    return float(np.median(took))
