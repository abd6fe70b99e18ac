"""What is wrong outside is told with its cure, costs its neighbours nothing, and loses nothing already taken in."""

from __future__ import annotations

import math
import signal
from dataclasses import dataclass
from typing import Any

import pytest

FAST = ("--clock-rate", "40")
"""Forty seconds a second, so that the delays of the gateway's own alarms run out while a test waits."""
PLC = """
[[device]]
name = "plc{n}"
driver = "modbus"
url = "tcp://127.0.0.1:{port}"
period = "4s"

[[machine]]
name = "press-{n}"

[[machine.tag]]
name = "oil_temp"
role = "temperature"
unit = "degC"
device = "plc{n}"
address = "holding:0:float32"
limits = {{ hi = 60, deadband = 1 }}

[[machine.tag]]
name = "pressure"
role = "pressure"
unit = "bar"
device = "plc{n}"
address = "holding:2:float32"
"""
HI = "press-1/oil_temp.hi"


def plc(server: Any, n: int = 1) -> str:
    """Return the configuration of one press on its own PLC."""
    return PLC.format(port=server.port, n=n)


def quality(gateway: Any, tag: str) -> str:
    """Return the quality of a tag now."""
    found: str = gateway.tag(tag)["quality"]
    return found


def kinds(heard: Any, alarm: str) -> list[str]:
    """Return what happened to an alarm of any machine or of the gateway, as it arrived."""
    told = [m.json for m in heard.on("/event") if m.payload]
    return [e["kind"] for e in told if e["type"] == "alarm" and e["alarm"]["id"] == alarm]


@dataclass(frozen=True)
class Mistake:
    """What stands in the file in the place of something right, and what must be told of it."""

    right: str
    wrong: str
    line: int
    told: tuple[str, str]


MISTAKES = (
    Mistake("deadband = 1", "dead_band = 1", 20, ("dead_band", "deadband")),
    Mistake("hi = 60", 'hi = "warm"', 20, ("hi", "number")),
    Mistake('period = "4s"', "period = 4", 9, ("period", "text in quotes")),
    Mistake("holding:0:float32", "holding:0:flot32", 19, ("address", "float32")),
    Mistake('driver = "modbus"', 'driver = "modbas"', 7, ("driver", "did you mean 'modbus'")),
)


@pytest.mark.parametrize("mistake", MISTAKES, ids=[m.wrong for m in MISTAKES])
def test_configuration_that_is_wrong(slave: Any, daemon: Any, mistake: Mistake) -> None:
    """A mistake in the file ends the start with 78 and names file, line, key and cure."""
    gateway = daemon(plc(slave()).replace(mistake.right, mistake.wrong))
    gateway.start(wait=False)
    assert gateway.process.wait(20) == 78
    told = gateway.log
    assert f"shoptwin.toml:{mistake.line}" in told
    assert all(word in told for word in mistake.told), told
    assert "cure:" in told
    assert "Traceback" not in told


def test_reload_of_a_broken_file(slave: Any, daemon: Any) -> None:
    """A broken file never stops a running daemon: reload says what is wrong with 78, SIGHUP logs it."""
    server = slave()
    gateway = daemon(plc(server)).start(*FAST)
    gateway.until(lambda s: s["devices"][0]["polls"] > 2)
    whole = gateway.path.read_text()
    for broken in (whole.replace("limits", "limit"), whole[: len(whole) // 2] + "[[", ""):
        gateway.path.write_text(broken)
        told = gateway.run("reload")
        assert told.returncode == 78, told
        assert "shoptwin.toml" in told.stderr
        logged = gateway.log.count("not reloaded")
        gateway.process.send_signal(signal.SIGHUP)
        gateway.until(lambda _, logged=logged: gateway.log.count("not reloaded") > logged)
        polls = gateway.status()["devices"][0]["polls"]
        gateway.until(lambda s, polls=polls: s["devices"][0]["polls"] > polls)
    server.put(0, 70.0)
    gateway.until_standing(HI)
    assert gateway.wire(server).watch.connections == 1


def test_address_outside_the_map(slave: Any, daemon: Any, broker: Any, subscriber: Any) -> None:
    """A tag whose register does not exist is Bad and alarms as `<tag>.bad`; the others of its device stay Good."""
    server, mosquitto = slave(), broker()
    server.put(0, 20.0, 3.0)
    heard = subscriber(mosquitto)
    gateway = daemon(plc(server).replace("holding:2:", "holding:3000:"), mosquitto).start(*FAST)
    gateway.until_standing("press-1/pressure.bad")
    assert gateway.tag("press-1.oil_temp")["value"] == 20
    assert quality(gateway, "press-1.oil_temp") == "Good"
    assert quality(gateway, "press-1.pressure").startswith("Bad")
    assert list(gateway.standing()) == ["press-1/pressure.bad"]
    heard.wait(lambda _: kinds(heard, "pressure.bad") == ["raised"])
    assert heard.on("press-1/alarm/pressure.bad")[-1].json["alarm"]["advice"]


def test_unreachable_plc(slave: Any, daemon: Any, broker: Any, subscriber: Any) -> None:
    """A PLC that is gone is Bad and alarms once; its neighbour misses no poll; it is back by itself, and so says."""
    first, second, mosquitto = slave(), slave(), broker()
    for server in (first, second):
        server.put(0, 20.0, 3.0)
    heard = subscriber(mosquitto)
    gateway = daemon(plc(first) + plc(second, 2), mosquitto)
    gateway.wire(first).down()
    gateway.start(*FAST)
    gateway.until_standing("_gateway/plc1.not-connected")
    assert quality(gateway, "press-1.oil_temp") == "BadNotConnected"
    assert [a for a in gateway.standing() if "press-1" in a] == [], "one alarm says it for all tags of the device"
    lost = next(d for d in gateway.status()["devices"] if d["device"] == "plc1")
    assert lost["reason"]
    gateway.wire(first).up()
    gateway.until(lambda _: gateway.tag("press-1.oil_temp")["value"] == 20, 70)
    gateway.wire(first).down()
    gateway.until(lambda _: quality(gateway, "press-1.oil_temp").startswith("Bad"))
    gateway.wire(first).up()
    gateway.until(lambda _: quality(gateway, "press-1.oil_temp") == "Good", 30)
    heard.wait(lambda _: kinds(heard, "plc1.not-connected")[-1:] == ["cleared"])
    neighbour = next(d for d in gateway.status()["devices"] if d["device"] == "plc2")
    assert neighbour["missed_polls"] == 0
    assert neighbour["bad_samples"] == 0
    assert gateway.log.count('"task": "device plc1"') == 1, "not once a try, and not once a flap either"


def test_silent_plc(slave: Any, daemon: Any) -> None:
    """A PLC that takes connections but answers nothing is Bad as well, and its neighbour is polled on all the while."""
    first, second = slave(), slave()
    gateway = daemon(plc(first) + plc(second, 2)).start(*FAST)
    gateway.until(lambda s: all(d["health"] == "connected" for d in s["devices"]))
    first.mute = True
    gateway.until(lambda _: quality(gateway, "press-1.oil_temp") in {"BadTimeout", "BadNotConnected"}, 20)
    first.mute = False
    gateway.until(lambda _: quality(gateway, "press-1.oil_temp") == "Good", 30)
    neighbour = next(d for d in gateway.status()["devices"] if d["device"] == "plc2")
    # At this rate a poll is due each 25 ms, of which a busy box may miss one; waiting for the other would cost forty.
    assert neighbour["missed_polls"] < neighbour["polls"] / 20


def test_values_that_are_no_numbers(slave: Any, daemon: Any, broker: Any, subscriber: Any) -> None:
    """NaN and infinity in registers are Bad and neither raise nor clear a limit; the next number counts again."""
    server, mosquitto = slave(), broker()
    server.put(0, 70.0, 3.0)
    heard = subscriber(mosquitto)
    gateway = daemon(plc(server), mosquitto).start(*FAST)
    gateway.until_standing(HI)
    for value in (math.nan, math.inf, -math.inf) * 2:
        server.put(0, value)
        gateway.until(lambda _: quality(gateway, "press-1.oil_temp") == "BadOutOfRange")
        assert gateway.tag("press-1.oil_temp")["value"] is None
        assert quality(gateway, "press-1.pressure") == "Good"
        server.put(0, 70.0)
        gateway.until(lambda _: gateway.tag("press-1.oil_temp")["value"] == 70)
    assert kinds(heard, "oil_temp.hi") == ["raised"]
    server.put(0, math.nan)
    gateway.until_standing("press-1/oil_temp.bad", HI)
    server.put(0, 20.0)
    heard.wait(lambda _: kinds(heard, "oil_temp.hi") == ["raised", "cleared"])
    heard.wait(lambda _: kinds(heard, "oil_temp.bad") == ["raised", "cleared"])
    assert all(b"NaN" not in m.payload and b"Infinity" not in m.payload for m in heard.messages)


OPCUA = """
[[device]]
name = "edge"
driver = "opcua"
url = "{url}"
security = "none"
period = "4s"
mode = "{mode}"
refresh = "1s"

[[machine]]
name = "mill-5"

[[machine.tag]]
name = "spindle_temp"
role = "temperature"
device = "edge"
address = "nsu=urn:shoptwin:test;s=n0"

[[machine.tag]]
name = "ambient"
role = "ambient"
device = "edge"
address = "nsu=urn:shoptwin:test;s=n1"
"""


@pytest.mark.parametrize("mode", ["poll", "subscribe"])
def test_node_that_vanishes(node_opcua: Any, daemon: Any, mode: str) -> None:
    """An OPC UA node that vanishes is Bad and alarms, its neighbour stays Good; where it appears again it is Good."""
    server = node_opcua(nodes=2, period=100)
    gateway = daemon(OPCUA.format(url=server.url, mode=mode)).start(*FAST)
    gateway.until(lambda _: quality(gateway, "mill-5.spindle_temp") == "Good")
    server.do("remove", name="n0")
    gateway.until_standing("mill-5/spindle_temp.bad", seconds=25)
    assert quality(gateway, "mill-5.spindle_temp").startswith("Bad")
    assert quality(gateway, "mill-5.ambient") == "Good"
    server.do("add", name="n0", type="Double", value=42.0)
    gateway.until(lambda _: quality(gateway, "mill-5.spindle_temp") == "Good", 25)
