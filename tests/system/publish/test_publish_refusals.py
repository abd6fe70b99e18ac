"""A broker that says no: to a topic, to a user, to a version; and one that cannot say no."""

from __future__ import annotations

import asyncio

import pytest

ALARM = "shoptwin/v1/plant-1/hall-2/line-a/press-3/alarm/spindle_temp.hi"
EVENT = "shoptwin/v1/plant-1/hall-2/line-a/press-3/event"
NO_ALARMS = """
user gw
topic write shoptwin/v1/plant-1/_gateway/#
topic write shoptwin/v1/plant-1/+/+/+/event
topic write shoptwin/v1/plant-1/+/+/+/summary
topic write shoptwin/v1/plant-1/+/+/+/state
user scada
topic read #
"""
WITH_ALARMS = NO_ALARMS.replace("user scada", "topic write shoptwin/v1/plant-1/+/+/+/alarm/#\nuser scada")
READABLE = "user gw\ntopic readwrite shoptwin/v1/plant-1/#\nuser scada\ntopic read #\n"
USERS = {"gw": "geheim-1", "scada": "geheim-2"}
GATEWAY = {"user": "gw", "password": "geheim-1"}
SCADA = {"user": "scada", "password": "geheim-2"}


async def test_a_refused_topic_waits_and_shows_while_the_others_flow(broker, subscriber, station, off):
    """MQTT 5 says "Not authorized" in its PUBACK: the message stays, status names it, and nothing else is held up."""
    b = broker(users=USERS, acl=NO_ALARMS)
    s = await off(lambda: subscriber(b, **SCADA))
    gateway = station(b, retry=0.5, **GATEWAY).start()
    for _ in range(30):
        await gateway.alarm()
    await gateway.alarm(machine="press-4")
    await gateway.summary()
    messages = await off(s.wait, lambda m: len([x for x in m if x.topic == EVENT]) == 30 and "summary" in m[-1].topic)
    assert [m.json["seq"] for m in messages if m.topic == EVENT] == list(range(1, 31))
    await gateway.until(lambda: gateway.waiting() == 31)
    status = gateway.publisher.status()
    assert status.connected
    assert set(status.refused) == {ALARM, ALARM.replace("press-3", "press-4")}
    assert "Not authorized (0x87)" in status.refused[ALARM]
    assert "refuses" in status.degraded()[0]

    b.write_acl(WITH_ALARMS)
    b.reload()
    messages = await off(s.wait, lambda m: len([x for x in m if x.topic == ALARM]) == 30)
    assert [m.json["seq"] for m in messages if m.topic == ALARM] == list(range(1, 31))
    await gateway.empty()
    assert not gateway.publisher.status().refused
    assert not gateway.publisher.status().degraded()


async def test_under_mqtt_311_what_can_be_read_back_is_verified(broker, subscriber, station, off, monkeypatch):
    """With the right to read its own topics, a 3.1.1 gateway proves at connect that the broker takes each class."""
    monkeypatch.setattr("shoptwin.publish.publisher.SETTLE_SECONDS", 0.5)
    b = broker(users=USERS, acl=READABLE)
    s = await off(lambda: subscriber(b, "shoptwin/v1/plant-1/+/+/+/event", version=4, **SCADA))
    gateway = station(b, version=4, **GATEWAY).start()
    for machine in ("press-3", "press-4"):
        gateway.publisher.latest(gateway.composer.state(machine, "idle", (), (), None, 0))
    await gateway.alarm()
    await off(s.wait, lambda m: m)
    await gateway.until(lambda: gateway.publisher._readback is not None and not gateway.publisher._readback.filters)
    await gateway.until(lambda: gateway.publisher._session.age > 2.5)
    assert gateway.publisher.status().unverified == ()
    assert all(m.payload for m in s.messages)


async def test_under_mqtt_311_what_cannot_be_read_back_is_called_unverified(broker, station, monkeypatch):
    """The broker acknowledges what its access list refuses: status says that nothing has been proved."""
    monkeypatch.setattr("shoptwin.publish.publisher.SETTLE_SECONDS", 0.5)
    b = broker(users=USERS, acl=NO_ALARMS)
    gateway = station(b, version=4, **GATEWAY).start()
    await gateway.alarm()
    await gateway.empty()
    await gateway.until(lambda: gateway.publisher.status().unverified)
    status = gateway.publisher.status()
    assert ALARM.rpartition("/")[0] in status.unverified
    assert "unverified" in " ".join(status.degraded())


@pytest.mark.parametrize("version", [5, 4])
async def test_a_wrong_password_is_said_with_its_cure_and_tried_slowly(broker, station, version):
    """The broker refuses the user: the error says so without the password, and the broker is not hammered."""
    b = broker(users=USERS)
    gateway = station(b, version=version, user="gw", password="falsch-9", retry=1.0).start()
    await gateway.alarm()
    await gateway.until(lambda: gateway.errors)
    error = gateway.errors[0]
    assert "user 'gw'" in error.message
    assert "password_file" in error.hint
    assert "falsch" not in f"{error!r} {error} {gateway.publisher.status()}"
    await asyncio.sleep(0.8)
    assert len(gateway.errors) == 1
    await gateway.until(lambda: len(gateway.errors) == 2)
    assert gateway.waiting() == 2


async def test_a_broker_that_takes_less_gets_no_more(broker, station):
    """What is larger than the broker's limit stays in the outbox and shows in status; the connection stands."""
    b = broker(extra=("max_packet_size 900",))
    gateway = station(b).start()
    await gateway.alarm(text="x" * 2000)
    await gateway.summary()
    await gateway.until(lambda: gateway.waiting() == 2)
    status = gateway.publisher.status()
    assert status.connected
    assert "900 bytes at most" in status.refused[ALARM]


async def test_the_window_of_the_broker_is_kept(broker, subscriber, station, off):
    """A broker with a receive maximum of 2 is never sent a third message before it has acknowledged one."""
    b = broker(extra=("max_inflight_messages 2",))
    s = await off(subscriber, b, EVENT)
    gateway = station(b)
    for _ in range(50):
        await gateway.alarm()
    gateway.start()
    await off(s.wait, lambda m: len(m) == 50)
    assert gateway.publisher._dispatcher.window == 2
    assert not gateway.errors


async def test_two_gateways_with_one_name_are_told_so(broker, station):
    """The one that is put out by the other says what may be the reason: mosquitto only hangs up."""
    b = broker()
    first = station(b, folder="one").start()
    await first.connected()
    second = station(b, folder="two").start()
    await second.connected()
    await first.until(lambda: first.errors)
    assert "client_id" in first.errors[0].hint
