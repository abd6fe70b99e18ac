"""How a gateway leaves: on purpose, or by being killed; and that being killed loses nothing."""

from __future__ import annotations

import asyncio
import itertools
import random
import sys
import time

import pytest

STATUS = "shoptwin/v1/plant-1/_gateway/gw-1/status"
EVENT = "shoptwin/v1/plant-1/hall-2/line-a/press-3/event"


@pytest.mark.parametrize("version", [5, 4])
async def test_a_clean_goodbye_empties_the_outbox_and_says_offline(broker, subscriber, station, off, version):
    """aclose: what waits is sent, status says offline and clean, and run returns, all within the deadline."""
    b = broker()
    s = await off(subscriber, b)
    gateway = station(b, version=version).start()
    await gateway.connected()
    for _ in range(20):
        await gateway.alarm(wake=False)
    goodbye = gateway.composer.status(0, online=False, clean=True, degraded=["for repair"])
    begin = time.monotonic()
    await gateway.publisher.aclose(4.0, goodbye)
    await gateway.task
    assert time.monotonic() - begin < 1.5
    assert gateway.waiting() == 0
    messages = await off(s.wait, lambda m: m[-1].topic == STATUS and m[-1].json["clean"])
    online = [m.json["online"] for m in messages if m.topic == STATUS]
    assert online == [True, False]
    assert messages[-1].json["degraded"] == ["for repair"]
    await asyncio.sleep(0.3)
    assert s.messages[-1].json["clean"], "the will came after a clean goodbye"
    late = await off(subscriber, b, STATUS)
    messages = await off(late.wait, lambda m: m)
    assert messages[0].json["online"] is False


async def test_a_goodbye_without_a_broker_takes_no_time(broker, station):
    """Leaving while the broker is away returns at once; what waits stays in the outbox."""
    b = broker(start=False)
    gateway = station(b).start()
    await gateway.alarm()
    await gateway.until(lambda: gateway.errors)
    begin = time.monotonic()
    await gateway.publisher.aclose(4.0)
    await gateway.task
    assert time.monotonic() - begin < 1
    assert gateway.waiting() == 2


async def test_a_killed_gateway_is_called_offline_by_the_broker(broker, subscriber, station, off):
    """The will: when the connection breaks off, the broker says offline, and not clean, in the gateway's place."""
    b = broker()
    s = await off(subscriber, b, STATUS)
    gateway = station(b).start()
    await off(s.wait, lambda m: m and m[-1].json["online"])
    await gateway.die()
    messages = await off(s.wait, lambda m: m[-1].json["online"] is False)
    assert messages[-1].json["clean"] is False


GATEWAY = """
import asyncio, sys
from pathlib import Path
from shoptwin.config.settings import Mqtt
from shoptwin.domain.alarm import AlarmDef, AlarmEvent, AlarmState, Annunciation, EventKind
from shoptwin.domain.machine import Machine
from shoptwin.publish.composer import Composer
from shoptwin.publish.publisher import Publisher
from shoptwin.runtime.backoff import Backoff
from shoptwin.runtime.clock import SystemClock
from shoptwin.runtime.supervise import Progress, supervise
from shoptwin.store.ledger import Ledger, add_message, next_sequence

async def main(url, folder):
    ledger = Ledger.open(Path(folder) / "ledger.db")
    machine = Machine("press-3", area="hall-2", line="line-a")
    start = await asyncio.wrap_future(ledger.writer.submit(lambda tx: next_sequence(tx, "starts")))
    composer = Composer("plant-1", "gw-1", [machine], version="0", started=1, start=start)
    publisher = Publisher(Mqtt(url), composer, ledger, SystemClock())
    task = asyncio.create_task(supervise("mqtt", publisher.run, progress=Progress(), backoff=Backoff(0.05, 0.3)))
    definition = AlarmDef("t.hi", "press-3", "hi")
    while True:
        def job(tx):
            n = next_sequence(tx, "made")
            state = AlarmState(definition.key, Annunciation.UNACKNOWLEDGED, occurrence=str(n), raised_at=n * 10**9)
            seq = next_sequence(tx, "press-3/event")
            for message in composer.alarm(AlarmEvent(EventKind.RAISED, definition, state, n * 10**9), seq):
                add_message(tx, message)
            return n
        n = await asyncio.wrap_future(ledger.writer.submit(job))
        publisher.wake()
        print(n, flush=True)
        await asyncio.sleep(0.002)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_gateway_killed_at_any_moment_loses_no_transition(broker, subscriber, off, tmp_path, station):
    """Kill -9 of the process, again and again, while it sends: every committed transition arrives, in order."""
    b = broker()
    s = await off(subscriber, b, EVENT)
    (tmp_path / "state").mkdir()
    (tmp_path / "gateway.py").write_text(GATEWAY)
    draw = random.Random(7)
    committed = 0
    for _ in range(6):
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(tmp_path / "gateway.py"), b.url, str(tmp_path / "state"),
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(30):
            first = await process.stdout.readline()
        await asyncio.sleep(draw.uniform(0.02, 0.6))
        process.kill()
        rest = await process.stdout.read()
        await process.wait()
        committed = max(int(line) for line in [first, *rest.splitlines()])
    gateway = station(b).start()
    await gateway.empty()
    messages = await off(s.wait, lambda m: m and m[-1].json["seq"] >= committed)
    got = [m.json["seq"] for m in messages]
    assert list(dict.fromkeys(got)) == list(range(1, max(got) + 1))
    assert max(got) >= committed > 20
    steps = [b - a for a, b in itertools.pairwise(got)]
    assert all(step == 1 or step <= 0 for step in steps), "a message overtook another"
    assert all(m.json["time"].startswith("1970-01-01T") for m in messages)
