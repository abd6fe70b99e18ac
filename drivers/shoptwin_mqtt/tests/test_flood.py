"""Much at a time: more than can wait before the broker has answered, and payloads that take long to decode."""

from __future__ import annotations

import asyncio
import gc
import time
from itertools import pairwise

from shoptwin.sdk import StatusCode

GOOD = StatusCode.GOOD


async def test_more_is_retained_than_can_wait(broker, publish, listen):
    """Retained messages of 40 MB, which come before the answer to what we ask for, are all heard."""
    here = broker("allow_anonymous true", "max_queued_messages 0", "max_inflight_messages 0", "max_queued_bytes 0")
    topics = [f"big/{i}" for i in range(16)]
    for topic in topics:
        publish(here, topic, b'"' + b"x" * 2_500_000 + b'"', retain=True)
    publish(here, "small", "1", retain=True)
    async with listen(here, *topics, "small", max_payload=3_000_000, timeout="3s", first="60s") as one:
        heard = await one.take(lambda h: all(h.values()), 30)
        assert heard["small"][0][0] == 1
        publish(here, "small", "2")
        await one.take(lambda h: h["small"][-1][:2] == (2, GOOD), 30)
        assert one.connection._session._waiting <= 16_000_000


async def test_others_have_their_turn(broker, publish, listen, payload):
    """While a birth of 20,000 metrics, and many messages, are decoded, the loop goes on."""
    here = broker("allow_anonymous true", "max_queued_messages 0", "max_inflight_messages 0", "max_queued_bytes 0")
    birth = payload(
        *({"name": f"Folder/metric-{i}", "alias": i, "datatype": 10, "double_value": 1.0} for i in range(20_000)), seq=1
    ).SerializeToString()
    assert 700_000 < len(birth) < 1_000_000
    turns = []

    async def tick():
        while True:
            turns.append(time.thread_time())
            await asyncio.sleep(0)

    async with listen(here, "spB:g/n/d/Folder/metric-7", "end", first="60s") as one:
        await one.ready()
        for _ in range(3):
            publish(here, "spBv1.0/g/DBIRTH/n/d", birth)
        publish(here, "end", "1")
        gc.disable()  # its own pauses are not the driver's
        try:
            ticking = asyncio.create_task(tick())
            await one.take(lambda h: h["end"], 60)
            ticking.cancel()
        finally:
            gc.enable()
        assert len(one.heard["spB:g/n/d/Folder/metric-7"]) == 3
    longest = max(after - before for before, after in pairwise(turns))
    whole = turns[-1] - turns[0]
    assert longest < max(0.15, whole / 4)
