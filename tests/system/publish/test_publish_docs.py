"""The access lists of the how-to, in a real broker."""

from __future__ import annotations

from pathlib import Path

HOW_TO = (Path(__file__).parents[3] / "docs" / "how-to" / "mqtt.md").read_text()
LISTS = [text for text in HOW_TO.split("```")[1::2] if "topic" in text]
USERS = {"press-hall-gw": "geheim-1", "scada": "geheim-2"}
GATEWAY = {"user": "press-hall-gw", "password": "geheim-1"}


def rights(n):
    """Return the n-th list; the gateway of the tests has another name."""
    return LISTS[n].replace("_gateway/press-hall-gw", "_gateway/gw-1")


async def test_the_access_list_of_the_how_to_lets_everything_through(broker, subscriber, station, off):
    """With the list as documented nothing is refused, and the SCADA's user reads it all."""
    b = broker(users=USERS, acl=rights(0))
    s = await off(lambda: subscriber(b, user="scada", password="geheim-2"))
    gateway = station(b, **GATEWAY).start()
    gateway.publisher.latest(gateway.composer.state("press-3", "idle", (), (), None, 0))
    await gateway.alarm()
    await gateway.alarm(machine=None)
    await gateway.summary()
    ends = ("/state", "/alarm/spindle_temp.hi", "/event", "/summary", "/status")
    await off(s.wait, lambda m: all(any(x.topic.endswith(end) for x in m) for end in ends))
    await gateway.empty()
    assert not gateway.publisher.status().degraded()


async def test_the_access_list_for_mqtt_311_makes_everything_verified(broker, station, monkeypatch):
    """With the right to read its own topics as documented, nothing is left unverified."""
    monkeypatch.setattr("shoptwin.publish.publisher.SETTLE_SECONDS", 0.2)
    b = broker(users=USERS, acl=rights(1))
    gateway = station(b, version=4, **GATEWAY).start()
    for machine in ("press-3", "press-4"):
        gateway.publisher.latest(gateway.composer.state(machine, "idle", (), (), None, 0))
    await gateway.until(lambda: gateway.publisher._readback is not None)
    await gateway.until(lambda: not gateway.publisher._readback.unverified)
