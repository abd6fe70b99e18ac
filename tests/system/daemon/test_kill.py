"""Kill -9 of the broker and of the daemon, at any moment: every alarm transition still arrives, in order."""

from __future__ import annotations

import random
import signal
import time
from typing import Any

import numpy as np
import pytest

from shoptwin.domain.timing import SECOND, iso, parse_time
from shoptwin.store.sample_reader import SampleReader

MACHINES = 3
LATEST = 1_300_000_000
"""A sample is on the disk a second after it came, and the commit takes some more (ns)."""
HEAD = """
[[device]]
name = "plc1"
driver = "modbus"
url = "tcp://127.0.0.1:{port}"
period = "50ms"
"""
MACHINE = """
[[machine]]
name = "press-{n}"

[[machine.tag]]
name = "oil_temp"
role = "temperature"
unit = "degC"
device = "plc1"
address = "holding:{at}:float32"
limits = {{ hi = 60, deadband = 1 }}
"""


_LEDGER = """
SELECT alarm, kind, time, occurrence FROM alarm_events
WHERE machine = ? AND kind IN ('raised', 'cleared', 'acknowledged') ORDER BY seq
"""


def text(port: int) -> str:
    """Return the configuration of some presses on one PLC."""
    return HEAD.format(port=port) + "".join(MACHINE.format(n=n, at=2 * n) for n in range(MACHINES))


class Crossings:
    """Moves a register over its limit and back, and waits each time until the ledger holds the transition."""

    def __init__(self, plc: Any, gateway: Any) -> None:
        self._plc = plc
        self._gateway = gateway
        self.made = [self.recorded(machine) for machine in range(MACHINES)]
        """How often each machine's value went over its limit or back."""

    def recorded(self, machine: int) -> int:
        """Return how many transitions of this machine the ledger holds."""
        query = "SELECT count(*) FROM alarm_events WHERE alarm = ?"
        return int(self._gateway.ledger(query, f"press-{machine}/oil_temp.hi")[0][0])

    def cross(self, machine: int, *, wait: float = 10.0) -> None:
        """Move the value once; with `wait` 0 do not wait for the ledger."""
        self.made[machine] += 1
        self._plc.put(2 * machine, 70.0 if self.made[machine] % 2 else 20.0)
        end = time.monotonic() + wait
        while time.monotonic() < end and self.recorded(machine) < self.made[machine]:
            time.sleep(0.02)
        if wait:
            assert self.recorded(machine) == self.made[machine], "a crossing was not told"

    def settle(self) -> None:
        """Wait until the ledger holds all that was made."""
        end = time.monotonic() + 10
        while any(self.recorded(m) < made for m, made in enumerate(self.made)):
            assert time.monotonic() < end, "a crossing was not told"
            time.sleep(0.05)


def events(heard: Any, machine: int) -> list[Any]:
    """Return the alarm events of one machine as they arrived, the first arrival of each id."""
    found: dict[str, Any] = {}
    for message in heard.on(f"press-{machine}/event"):
        if message.payload and message.json["type"] == "alarm":
            found.setdefault(message.json["id"], message.json)
    return list(found.values())


def check(gateway: Any, heard: Any, seconds: float = 20) -> None:
    """Check that what arrived is what the ledger holds, in its order, with its times."""
    for machine in range(MACHINES):
        rows = gateway.ledger(_LEDGER, f"press-{machine}")
        heard.wait(lambda _, m=machine, rows=rows: len(events(heard, m)) >= len(rows), seconds)
        told = events(heard, machine)
        arrived = [(f"{e['machine']}/{e['alarm']['id']}", e["kind"], e["time"], e["alarm"]["occurrence"]) for e in told]
        assert arrived == [(alarm, kind, iso(when), which) for alarm, kind, when, which in rows]
        numbers = [e["seq"] for e in told]
        assert numbers == sorted(set(numbers)), "out of order"
        times = [parse_time(e["time"]) for e in told]
        assert times == sorted(times)
    gateway.until(lambda status: status["outbox"]["messages"] == 0)


def stage(slave: Any, broker: Any, subscriber: Any, daemon: Any) -> tuple[Any, Any, Any, Any]:
    """Start it all: a PLC, a broker that keeps sessions, a subscriber with one, and the daemon."""
    plc, mosquitto = slave(), broker(persistence=True, extra=("max_queued_messages 0",))
    plc.put(0, *[20.0] * MACHINES)
    heard = subscriber(mosquitto, "shoptwin/v1/+/+/+/+/event")
    gateway = daemon(text(plc.port), mosquitto).start()
    gateway.until(lambda status: status["devices"][0]["health"] == "connected")
    return plc, mosquitto, heard, gateway


def broker_away(plc: Any, mosquitto: Any, heard: Any, gateway: Any, seconds: float) -> None:
    """Kill the broker for some seconds while alarms come and go; twice."""
    made = Crossings(plc, gateway)
    for _ in range(2):
        made.cross(0)
        mosquitto.process.send_signal(
            signal.SIGSTOP
        )  # what is sent now is taken by the kernel, and acknowledged by nobody
        for machine in range(MACHINES):
            made.cross(machine)
        time.sleep(0.3)
        mosquitto.kill()
        end = time.monotonic() + seconds / 2
        while time.monotonic() < end:
            made.cross(random.randrange(MACHINES))
            time.sleep(seconds / 40)
        assert "the broker is away" in " ".join(gateway.status()["degraded"])
        mosquitto.start()
        heard.back(20)
        for machine in range(MACHINES):
            made.cross(machine)
    check(gateway, heard, 40)


def test_broker_killed(slave: Any, broker: Any, subscriber: Any, daemon: Any) -> None:
    """While the broker is away for seconds, twice, nothing is lost; all arrives in order, with its original time."""
    broker_away(*stage(slave, broker, subscriber, daemon), seconds=6)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_broker_killed_for_a_minute(slave: Any, broker: Any, subscriber: Any, daemon: Any) -> None:
    """While the broker is away for a minute, twice, nothing is lost; all arrives in order, with its original time."""
    broker_away(*stage(slave, broker, subscriber, daemon), seconds=120)


def daemon_dies(plc: Any, gateway: Any, times: int, seed: int) -> None:
    """Kill the daemon again and again at random moments around a transition, and start it again."""
    draw, made, started = random.Random(seed), Crossings(plc, gateway), time.time_ns()
    for n in range(times):
        for _ in range(draw.randrange(1, 4)):
            made.cross(draw.randrange(MACHINES))
        time.sleep(3.0 if n % 5 == 0 else 0.0)  # long enough for samples to be due on the disk
        # Poll, commit, send and PUBACK all lie within the next 80 ms or so: the axe falls anywhere among them.
        made.cross(draw.randrange(MACHINES), wait=0)
        time.sleep(draw.uniform(0, 0.1))
        gateway.kill()
        kept(gateway, started, time.time_ns())
        gateway.start()
        started = time.time_ns()
        made.settle()


def kept(gateway: Any, started: int, killed: int) -> None:
    """Check that `twin.db` holds each sample once, and all that was sampled until a second before the kill."""
    series = SampleReader(gateway.state / "twin.db").read("press-0.oil_temp", started - SECOND, killed + SECOND)
    assert len(set(series.time.tolist())) == len(series)
    if killed - started > 2 * LATEST:
        assert killed - int(series.time[-1]) < LATEST
        assert np.diff(series.time).max() < LATEST, "a hole"


def test_daemon_killed(slave: Any, broker: Any, subscriber: Any, daemon: Any) -> None:
    """Killed five times around a transition, the daemon tells all that its ledger holds and every standing limit."""
    plc, _, heard, gateway = stage(slave, broker, subscriber, daemon)
    daemon_dies(plc, gateway, 5, 1)
    check(gateway, heard)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_both_killed_often(slave: Any, broker: Any, subscriber: Any, daemon: Any) -> None:
    """Killed forty times, with the broker killed in between, the daemon still loses nothing and keeps the order."""
    plc, mosquitto, heard, gateway = stage(slave, broker, subscriber, daemon)
    for seed in range(8):
        daemon_dies(plc, gateway, 5, seed)
        mosquitto.kill()
        Crossings(plc, gateway).cross(seed % MACHINES)
        gateway.kill()
        gateway.start()
        mosquitto.start()
        heard.back(20)
    check(gateway, heard, 60)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_both_killed_five_hundred_times(slave: Any, broker: Any, subscriber: Any, daemon: Any) -> None:
    """Over 500 kills of the daemon and 50 of the broker, no transition and no sample older than a second is lost."""
    plc, mosquitto, heard, gateway = stage(slave, broker, subscriber, daemon)
    for seed in range(50):
        daemon_dies(plc, gateway, 10, 1_000 + seed)
        mosquitto.kill()
        Crossings(plc, gateway).cross(seed % MACHINES)
        mosquitto.start()
        heard.back(20)
    check(gateway, heard, 120)
