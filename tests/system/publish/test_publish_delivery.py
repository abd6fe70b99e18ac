"""Messages on their way to a real broker: they arrive, in order, at least once, whatever is killed in between."""

from __future__ import annotations

import signal

import pytest

from shoptwin.domain.alarm import Annunciation, EventKind
from shoptwin.domain.machine import MachineState
from shoptwin.domain.timing import SECOND, iso, parse_time
from shoptwin.store.ledger import add_message

BEGIN = parse_time("2026-11-22T06:00:00Z")
ALARM = "shoptwin/v1/plant-1/hall-2/line-a/press-3/alarm/spindle_temp.hi"
EVENT = "shoptwin/v1/plant-1/hall-2/line-a/press-3/event"


def seqs(messages, topic=EVENT):
    """Return the sequence numbers in the order in which they came, repetitions left out."""
    return list(dict.fromkeys(m.json["seq"] for m in messages if m.topic == topic and m.payload))


@pytest.mark.parametrize("version", [5, 4])
async def test_an_alarm_arrives_on_both_its_topics_with_its_own_time(broker, subscriber, station, off, version):
    """A transition that was committed arrives as an event and as the alarm itself, and leaves the outbox."""
    b = broker()
    s = await off(subscriber, b)
    gateway = station(b, version=version).start()
    event = await gateway.alarm()
    await off(s.wait, lambda m: {ALARM, EVENT} <= {x.topic for x in m})
    await gateway.empty()
    told, alarm = (s.on("/event")[-1].json, s.on(ALARM)[-1].json)
    assert told["time"] == alarm["time"] == iso(event.time)
    assert told["seq"] == alarm["seq"] == 1
    assert told["kind"] == "raised"
    assert alarm["alarm"]["state"] == "unacknowledged"
    assert alarm["alarm"]["tag"] == "spindle_temp"


async def test_the_alarms_topic_is_retained_while_it_stands_and_emptied_afterwards(broker, subscriber, station, off):
    """A subscriber that comes late finds the alarm that stands, and no alarm once it is normal and acknowledged."""
    b = broker()
    gateway = station(b).start()
    await gateway.alarm()
    await gateway.empty()
    late = await off(subscriber, b)
    await off(late.wait, lambda m: any(x.topic == ALARM and x.retained for x in m))
    await gateway.alarm(kind=EventKind.CLEARED, annunciation=Annunciation.NORMAL, cleared_at=BEGIN + SECOND)
    messages = await off(late.wait, lambda m: any(x.topic == ALARM and not x.payload for x in m))
    order = [(m.topic, bool(m.payload)) for m in messages if m.topic in {ALARM, EVENT} and not m.retained]
    assert order == [(EVENT, True), (ALARM, False)]
    later = await off(subscriber, b)
    await off(later.wait, lambda m: any("status" in x.topic for x in m))
    assert not later.on("/alarm/")


async def test_a_test_alarm_is_marked_and_does_not_hide_what_is_retained(broker, subscriber, station, off):
    """A test of the loop looks raised, says that it is a test, and leaves the retained alarm as it was."""
    b = broker()
    s = await off(subscriber, b)
    gateway = station(b).start()
    await gateway.alarm()
    await gateway.alarm(kind=EventKind.TEST, annunciation=Annunciation.NORMAL)
    messages = await off(s.wait, lambda m: len([x for x in m if x.topic == ALARM]) == 2)
    test = [m for m in messages if m.topic == ALARM][-1].json["alarm"]
    assert (test["test"], test["state"], test["active"]) == (True, "unacknowledged", True)
    await gateway.empty()
    late = await off(subscriber, b)
    messages = await off(late.wait, lambda m: any(x.topic == ALARM for x in m))
    assert next(m for m in messages if m.topic == ALARM).json["alarm"]["test"] is False


@pytest.mark.parametrize("version", [5, 4])
async def test_what_happens_while_the_broker_is_dead_arrives_later_in_order(broker, subscriber, station, off, version):
    """Kill -9 of the broker: what was made meanwhile arrives when it is back, in order, with its original time."""
    b = broker(persistence=True)
    s = await off(subscriber, b)
    gateway = station(b, version=version).start()
    await gateway.alarm()
    await gateway.empty()
    await off(b.kill)
    for _ in range(150):
        await gateway.alarm()
    await gateway.until(lambda: gateway.errors)
    assert gateway.waiting() == 300
    assert not gateway.publisher.status().connected
    await off(b.start)
    await off(s.back)
    await off(s.wait, lambda m: len(seqs(m)) == 151)
    assert seqs(s.messages) == list(range(1, 152))
    times = [m.json["time"] for m in s.messages if m.topic == EVENT]
    assert list(dict.fromkeys(times)) == [iso(BEGIN + n * SECOND) for n in range(1, 152)]
    await gateway.empty()


async def test_a_broker_that_is_down_at_the_start_is_found_when_it_comes(broker, subscriber, station, off):
    """The gateway may be started before its broker: it says what is wrong, and connects when it can."""
    b = broker(start=False)
    gateway = station(b).start()
    await gateway.alarm()
    await gateway.until(lambda: gateway.errors)
    assert "Nobody listens" in str(gateway.errors[0])
    await off(b.start)
    s = await off(subscriber, b)
    await off(s.wait, lambda m: any(x.topic == ALARM for x in m))
    await gateway.empty()


async def test_a_broker_that_is_frozen_is_given_up_and_found_again(broker, subscriber, station, off, monkeypatch):
    """The connection stands but nothing is acknowledged any more: it is given up, and nothing is lost."""
    monkeypatch.setattr("shoptwin.publish.publisher._UNANSWERED", 0.3)
    b = broker()
    s = await off(subscriber, b, EVENT)
    gateway = station(b).start()
    await gateway.connected()
    b.process.send_signal(signal.SIGSTOP)
    for _ in range(30):
        await gateway.alarm()
    await gateway.until(lambda: gateway.errors)
    assert "acknowledges nothing" in str(gateway.errors[0])
    b.process.send_signal(signal.SIGCONT)
    await off(s.wait, lambda m: len(seqs(m)) == 30)
    assert seqs(s.messages) == list(range(1, 31))
    await gateway.empty()


async def test_state_is_retained_the_newest_wins_and_all_is_told_again(broker, subscriber, station, off):
    """A broker that forgot everything is told the state again at the reconnect, and it is the newest one."""
    b = broker()
    gateway = station(b).start()
    for power in (MachineState.IDLE, MachineState.PRODUCING):
        gateway.publisher.latest(gateway.composer.state("press-3", power, (), (), None, BEGIN))
    await gateway.connected()
    await off(b.kill)
    await off(b.start)
    s = await off(subscriber, b)
    messages = await off(s.wait, lambda m: any(x.topic.endswith("press-3/state") for x in m))
    assert messages[-1].json["state"] == "producing"
    gateway.publisher.latest(gateway.composer.state("press-3", MachineState.DOWN, (), (), None, BEGIN))
    await off(s.wait, lambda m: m[-1].topic.endswith("press-3/state") and m[-1].json["state"] == "down")


async def test_standing_alarms_are_told_again_to_a_broker_that_has_forgotten_them(broker, subscriber, station, off):
    """The hook at each connect lets the runtime put what stands into the outbox once more."""
    b = broker()
    connects = []
    gateway = station(b, connected=lambda: connects.append(1)).start()
    event = await gateway.alarm()
    await gateway.empty()
    await off(b.kill)
    await off(b.start)
    await gateway.until(lambda: len(connects) == 2)
    again = gateway.composer.standing(event.definition, event.state, 1)
    await gateway.commit(lambda tx: add_message(tx, again))
    await gateway.empty()
    s = await off(subscriber, b)
    messages = await off(s.wait, lambda m: any(x.topic == ALARM for x in m))
    again = next(m for m in messages if m.topic == ALARM)
    assert again.retained
    assert (again.json["seq"], again.json["time"]) == (1, iso(BEGIN + SECOND))


async def test_a_commit_is_at_the_subscriber_within_milliseconds(broker, subscriber, station, off):
    """The publisher is woken by the commit: the median way from there to a subscriber is a few ms, no poll between."""
    import statistics  # noqa: PLC0415
    import time  # noqa: PLC0415

    b = broker()
    s = await off(subscriber, b, EVENT)
    gateway = station(b).start()
    await gateway.connected()
    delays = []
    for n in range(1, 31):
        await gateway.alarm(wake=False)
        begin = time.monotonic()
        gateway.publisher.wake()
        messages = await off(s.wait, lambda m, n=n: len(m) >= n)
        delays.append(messages[-1].time - begin)
    assert statistics.median(delays) < 0.02
