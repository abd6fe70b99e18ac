"""Sparkplug nodes publish what changes alone: births, deaths and data of others say how good the rest still is."""

from __future__ import annotations

import asyncio

import pytest

from shoptwin.sdk import StatusCode

GOOD, LATE, UNSURE = StatusCode.GOOD, StatusCode.BAD_TIMEOUT, StatusCode.UNCERTAIN_LAST_USABLE_VALUE
GONE, UNKNOWN = StatusCode.BAD_NOT_CONNECTED, StatusCode.BAD_NODE_ID_UNKNOWN
STEADY, BUSY, OWN = "spB:g/n/d/Steady", "spB:g/n/d/Busy", "spB:g/n//Up"
TYPED = {"datatype": 10}


@pytest.fixture
def send(publish, payload):
    """Give what publishes a message of a node: `send(broker, "DDATA", "d", {"name": "a", "int_value": 1}, seq=1)`."""

    def make(broker, kind, device, *metrics, retain=False, kept=False, **more):
        topic = f"spBv1.0/g/{kind}/n" + (f"/{device}" if device else "")
        topic = f"$sparkplug/certificates/{topic}" if kept else topic
        publish(broker, topic, payload(*metrics, **more).SerializeToString(), retain=retain or kept)

    return make


def statuses(one, address):
    return [row[1] for row in one.heard[address]]


def born(*names, value=1.0):
    return [{"name": name, "alias": i, **TYPED, "double_value": value} for i, name in enumerate(names, 10)]


class Beat:
    """A device that tells each 100 ms of something that changes."""

    def __init__(self, send, broker, seq):
        self._send, self._broker, self._seq, self._task = send, broker, seq, None

    async def __aenter__(self):
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_):
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self):
        while True:
            told = {"alias": 11, "double_value": float(self._seq)}
            await asyncio.to_thread(self._send, self._broker, "DDATA", "d", told, seq=self._seq % 256)
            self._seq += 1
            await asyncio.sleep(0.1)


async def test_steady_while_its_device_lives(broker, send, listen):
    """A metric that does not change is Good while its device tells of others, Bad when all is silent, then Good."""
    here = broker()
    async with listen(here, STEADY, BUSY, stale="3s", first="60s") as one:
        await one.ready()
        send(here, "NBIRTH", "", seq=0)
        send(here, "DBIRTH", "d", *born("Steady", "Busy"), seq=1)
        async with Beat(send, here, 2) as beat:
            await one.take(lambda h: len(h[BUSY]) > 45, 40)
            assert statuses(one, STEADY) == [GOOD]
        await one.take(lambda h: h[STEADY][-1][1] == h[BUSY][-1][1] == LATE, 15)
        send(here, "DDATA", "d", {"alias": 11, "double_value": 9.0}, seq=beat._seq % 256)
        await one.take(lambda h: h[STEADY][-1][1] == GOOD, 15)
        assert statuses(one, STEADY) == [GOOD, LATE, GOOD]
        assert one.heard[STEADY][-1][0] == 1
        assert one.connection.talk().timeouts == 2
        assert not one.connection.talk().exceptions


async def test_steady_after_a_gap(broker, send, listen):
    """After a gap nobody knows whether a metric has changed: after `stale` it is Uncertain while its device lives."""
    here = broker()
    async with listen(here, STEADY, BUSY, stale="3s", first="60s") as one:
        await one.ready()
        send(here, "DBIRTH", "d", *born("Steady", "Busy"), seq=1)
        async with Beat(send, here, 3):
            await one.take(lambda h: h[STEADY] and h[STEADY][-1][1] != GOOD, 30)
            count = len(one.heard[BUSY])
            await one.take(lambda h: len(h[BUSY]) > count + 10, 30)
        assert statuses(one, STEADY) == [GOOD, UNSURE]
        assert one.heard[STEADY][-1][0] == 1


async def test_the_will_of_an_old_session(broker, send, listen):
    """A death of a session before the kept birth's does not end a living node."""
    here = broker()
    birth = [{"name": "bdSeq", "long_value": 6, "datatype": 8}, *born("Up")]
    send(here, "NBIRTH", "", *birth, seq=0, kept=True)
    async with listen(here, OWN, STEADY, first="60s") as one:
        await one.take(lambda h: h[OWN])
        send(here, "NDATA", "", {"name": "Up", "double_value": 2.0}, seq=1)
        send(here, "NDEATH", "", {"name": "bdSeq", "long_value": 5})
        send(here, "NDATA", "", {"name": "Up", "double_value": 3.0}, seq=2)
        heard = await one.take(lambda h: h[OWN][-1][0] == 3)
        assert [row[:2] for row in heard[OWN][1:]] == [(2, GOOD), (3, GOOD)]
        send(here, "NDEATH", "", {"name": "bdSeq", "long_value": 6})
        await one.take(lambda h: h[OWN][-1][1] == GONE and h[STEADY])


async def test_what_no_birth_names_stays_unknown(broker, send, listen):
    """A metric that no birth names is told to be unknown once, and is not called silent later."""
    here = broker()
    async with listen(here, STEADY, BUSY, stale="500ms", first="60s") as one:
        await one.ready()
        send(here, "DBIRTH", "d", *born("Busy"), seq=1)
        await one.take(lambda h: h[BUSY] and h[BUSY][-1][1] == LATE, 15)
        await one.ready()
        assert statuses(one, STEADY) == [UNKNOWN]
        send(here, "DBIRTH", "d", *born("Steady", "Busy"), seq=2)
        await one.take(lambda h: h[STEADY][-1][1] == GOOD)


async def test_a_node_that_is_born_without_its_device(broker, send, listen):
    """After a node's birth its devices are not known to be alive until their own, and what they said is Uncertain."""
    here = broker()
    async with listen(here, STEADY, OWN, first="60s") as one:
        await one.ready()
        send(here, "NBIRTH", "", *born("Up"), seq=0)
        send(here, "DBIRTH", "d", *born("Steady"), seq=1)
        send(here, "NBIRTH", "", *born("Up"), seq=0)
        heard = await one.take(lambda h: len(h[OWN]) == 2 and len(h[STEADY]) == 2)
        assert [row[:2] for row in heard[STEADY]] == [(1, GOOD), (1, UNSURE)]
        assert one.connection.talk().parts == {"g/n": True}
        send(here, "DBIRTH", "d", *born("Steady", value=2.0), seq=1)
        await one.take(lambda h: h[STEADY][-1][:2] == (2, GOOD))
        assert one.connection.talk().parts == {"g/n": True, "g/n/d": True}
