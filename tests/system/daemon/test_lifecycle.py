"""From the start to the end of the daemon, and what outlives it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

PLC = """
[[device]]
name = "plc1"
driver = "modbus"
url = "tcp://127.0.0.1:{port}"
period = "100ms"

[[machine]]
name = "press-3"
area = "hall-2"
line = "line-a"

[[machine.tag]]
name = "oil_temp"
role = "temperature"
unit = "degC"
device = "plc1"
address = "holding:0:float32"
limits = {{ hi = 60, hihi = 80, deadband = 1 }}
"""
SECOND = """
[[device]]
name = "plc2"
driver = "modbus"
url = "tcp://127.0.0.1:{port}"
period = "100ms"

[[machine]]
name = "mill-5"

[[machine.tag]]
name = "spindle_temp"
role = "temperature"
unit = "degC"
device = "plc2"
address = "holding:0:float32"
limits = {{ hi = 60 }}
"""
HI = "press-3/oil_temp.hi"


def connected(status: dict[str, Any]) -> bool:
    """Tell whether all devices are connected."""
    return all(device["health"] == "connected" for device in status["devices"])


@pytest.fixture
def press(slave: Any, daemon: Any, broker: Any, subscriber: Any) -> Any:
    """Return a slave at 20 degC, a broker, a subscriber, and a daemon that runs on them."""
    plc, mosquitto = slave(), broker()
    plc.put(0, 20.0)
    heard = subscriber(mosquitto)
    gateway = daemon(PLC.format(port=plc.port), mosquitto).start()
    gateway.until(connected)
    return plc, heard, gateway


def status_message(heard: Any) -> Any:
    """Return the newest status message."""
    return heard.on("/_gateway/gw/status")[-1].json


def test_sigterm_ends_cleanly(press: Any) -> None:
    """SIGTERM ends the daemon with exit code 0 within five seconds, after a goodbye that says it was on purpose."""
    _, heard, gateway = press
    heard.wait(lambda _: heard.on("/_gateway/gw/status") and status_message(heard)["online"])
    began = time.monotonic()
    assert gateway.stop() == 0
    assert time.monotonic() - began < 5
    heard.wait(lambda _: not status_message(heard)["online"])
    assert status_message(heard)["clean"] is True
    assert not gateway.socket.exists()


def test_ctrl_c_ends_cleanly(slave: Any, daemon: Any) -> None:
    """SIGINT ends the daemon with exit code 0 as SIGTERM does, also without a broker."""
    gateway = daemon(PLC.format(port=slave().port)).start()
    gateway.process.send_signal(signal.SIGINT)
    assert gateway.process.wait(5) == 0
    assert "Traceback" not in gateway.log


SLOW_NAMES = """
import socket, time
resolve = socket.getaddrinfo
def slow(host, *rest, **more):
    if host == "plc.invalid":
        time.sleep(60)
    return resolve(host, *rest, **more)
socket.getaddrinfo = slow
"""


def test_sigterm_does_not_wait_for_a_name_server(daemon: Any, tmp_path: Path) -> None:
    """A name that nobody answers for holds up neither the end of the daemon nor its exit code."""
    (tmp_path / "sitecustomize.py").write_text(SLOW_NAMES)
    gateway = daemon(PLC.format(port=1).replace("127.0.0.1:1", "plc.invalid"))
    gateway.start(env={"PYTHONPATH": str(tmp_path)})
    gateway.until(lambda status: "did not answer" in str(status["devices"]))
    began = time.monotonic()
    assert gateway.stop() == 0
    assert time.monotonic() - began < 5


def test_kill_tells_the_will(press: Any) -> None:
    """After kill -9 the broker says for the daemon that it is offline, and not on purpose."""
    _, heard, gateway = press
    heard.wait(lambda _: heard.on("/_gateway/gw/status") and status_message(heard)["online"])
    gateway.kill()
    heard.wait(lambda _: not status_message(heard)["online"])
    assert status_message(heard)["clean"] is False


def test_systemd_is_notified(slave: Any, daemon: Any, tmp_path: Path) -> None:
    """Systemd hears READY, then WATCHDOG again and again, RELOADING and READY at a reload, and STOPPING at the end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)
        gateway = daemon(PLC.format(port=slave().port))
        gateway.start(env={"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000000"}, wait=False)
        told = [systemd.recv(4096).decode()]
        while told.count("WATCHDOG=1") < 3:
            told.append(systemd.recv(4096).decode())
        gateway.process.send_signal(signal.SIGHUP)
        while not told[-1].startswith("RELOADING=1"):
            told.append(systemd.recv(4096).decode())
        while told[-1] != "READY=1":
            told.append(systemd.recv(4096).decode())
        gateway.process.terminate()
        while told[-1] != "STOPPING=1":
            told.append(systemd.recv(4096).decode())
        assert gateway.process.wait(5) == 0
    assert told[0] == "READY=1"


def test_reload_touches_only_what_changed(slave: Any, daemon: Any) -> None:
    """A reload leaves the device whose lines did not change connected and counting; the changed one starts anew."""
    first, second = slave(), slave()
    text = PLC.format(port=first.port) + SECOND.format(port=second.port)
    gateway = daemon(text).start()
    gateway.until(connected)
    wires = gateway.wire(first).watch, gateway.wire(second).watch
    before = {d["device"]: d["polls"] for d in gateway.until(lambda s: s["devices"][0]["polls"] > 20)["devices"]}
    assert [w.connections for w in wires] == [1, 1]
    changed = SECOND.replace('period = "100ms"', 'period = "200ms"').replace("hi = 60", "hi = 10")
    gateway.write(PLC.format(port=first.port) + changed.format(port=second.port))
    done = gateway.run("reload")
    assert done.returncode == 0, done.stderr
    assert "plc2" in done.stdout
    assert "plc1" not in done.stdout
    second.put(0, 15.0)
    gateway.until_standing("mill-5/spindle_temp.hi")
    after = {d["device"]: d for d in gateway.status()["devices"]}
    assert after["plc1"]["polls"] > before["plc1"]
    assert after["plc1"]["missed_polls"] == 0
    assert after["plc2"]["period_s"] == 0.2
    assert [w.connections for w in wires] == [1, 2]


def test_reload_adds_and_removes_machines(slave: Any, daemon: Any, broker: Any, subscriber: Any) -> None:
    """A machine that a reload adds is polled and judged; one that it removes is taken back from the broker."""
    plc, mosquitto = slave(), broker()
    plc.put(0, 70.0)
    heard = subscriber(mosquitto)
    gateway = daemon(PLC.format(port=plc.port), mosquitto).start()
    gateway.until_standing(HI)
    heard.wait(lambda _: heard.on("press-3/alarm/oil_temp.hi") and heard.on("press-3/state"))
    gateway.write(SECOND.format(port=plc.port), mosquitto)
    gateway.process.send_signal(signal.SIGHUP)
    gateway.until_standing("mill-5/spindle_temp.hi")
    gone = ("press-3/alarm/oil_temp.hi", "press-3/state")
    heard.wait(lambda _: all(heard.on(topic)[-1].payload == b"" for topic in gone))
    assert [m["name"] for m in gateway.status()["machines"]] == ["mill-5"]
    late = subscriber(mosquitto)
    late.wait(lambda _: late.on("mill-5/alarm/spindle_temp.hi"))
    assert not late.on("press-3")


def test_restart_keeps_what_stands(press: Any) -> None:
    """Standing alarms and who acknowledged them outlive a restart as well as a kill -9; none is raised anew."""
    plc, heard, gateway = press
    plc.put(0, 90.0)
    alarms = gateway.until_standing(HI, "press-3/oil_temp.hihi")
    told = gateway.run("ack", HI, "--by", "anna")
    assert told.returncode == 0, told.stderr
    for end in (gateway.stop, gateway.kill):
        end()
        gateway.start()
        gateway.until(connected)
        after = gateway.standing()
        assert {k: a["occurrence"] for k, a in after.items()} == {k: a["occurrence"] for k, a in alarms.items()}
        assert after[HI]["state"] == "acknowledged"
        assert after[HI]["acknowledged_by"] == "anna"
        assert after[HI]["since"] == alarms[HI]["since"]
    raised = [m.json for m in heard.on("press-3/event") if m.json.get("kind") == "raised"]
    assert sorted(m["alarm"]["id"] for m in raised) == ["oil_temp.hi", "oil_temp.hihi"], "an alarm was raised anew"


def test_restart_keeps_maintenance(press: Any) -> None:
    """A maintenance window outlives a restart as well as a kill -9, and what it suppresses stays silent."""
    plc, heard, gateway = press
    begun = gateway.run("maintenance", "press-3", "--for", "1h", "--reason", "new belt", "--by", "ben")
    assert begun.returncode == 0, begun.stderr
    before = gateway.status()["machines"][0]["maintenance"]
    assert (before["by"], before["reason"]) == ("ben", "new belt")
    plc.put(0, 90.0)
    for end in (gateway.stop, gateway.kill):
        end()
        gateway.start()
        gateway.until(lambda _: gateway.tag("press-3.oil_temp")["value"] == 90)
        assert gateway.status()["machines"][0]["maintenance"] == before
        assert not gateway.standing()
    assert not [m for m in heard.on("press-3/event") if m.json.get("kind") == "raised"]
    gateway.run("maintenance", "press-3", "--end")
    gateway.until_standing(HI, "press-3/oil_temp.hihi")
    heard.wait(lambda _: [m for m in heard.on("press-3/event") if m.json.get("kind") == "raised"])


def test_alarm_that_ends_while_the_daemon_is_away(press: Any) -> None:
    """An alarm whose cause went while the daemon was away is cleared after its start, and acknowledged it vanishes."""
    plc, heard, gateway = press
    plc.put(0, 70.0)
    gateway.until_standing(HI)
    gateway.run("ack", HI, "--by", "anna")
    gateway.kill()
    plc.put(0, 20.0)
    gateway.start()
    gateway.until(lambda _: HI not in gateway.standing())
    heard.wait(lambda _: heard.on("alarm/oil_temp.hi")[-1].payload == b"")
    kinds = [m.json["kind"] for m in heard.on("press-3/event") if m.json["type"] == "alarm"]
    assert kinds[-1] == "cleared"


def test_maintenance_is_visible_and_ends_by_itself(press: Any) -> None:
    """In maintenance an alarm does not stand but is shown as suppressed; when the window runs out it is raised."""
    plc, heard, gateway = press

    def topic() -> Any:
        found = heard.on("press-3/alarm/oil_temp.hi")
        return found[-1].json["alarm"] if found and found[-1].payload else {}

    told = gateway.run("maintenance", "press-3", "--for", "4s", "--reason", "grease", "--by", "anna")
    assert told.returncode == 0, told.stderr
    heard.wait(lambda _: any(m.json.get("kind") == "began" for m in heard.on("press-3/event")))
    plc.put(0, 70.0)
    gateway.until(lambda _: gateway.tag("press-3.oil_temp")["value"] == 70, 3)
    every = {a["key"]: a for a in gateway.client.get("/v1/alarms", active="false")}
    assert every[HI]["suppressed"] == "maintenance: grease"
    assert HI not in gateway.standing()
    heard.wait(lambda _: topic().get("suppressed") == "maintenance: grease")
    assert gateway.status()["machines"][0]["maintenance"]["reason"] == "grease"
    heard.wait(lambda _: any(m.json.get("kind") == "ended" for m in heard.on("press-3/event")))
    heard.wait(lambda _: topic().get("active") and topic()["suppressed"] is None)
    assert gateway.standing()[HI]["suppressed"] is None
    assert gateway.status()["machines"][0]["maintenance"] is None
    audit = gateway.ledger("SELECT action FROM audit WHERE door = 'maintenance'")
    assert [action for (action,) in audit] == ["begun", "ended"]


def test_maintenance_can_be_ended(press: Any) -> None:
    """`shoptwin maintenance --end` ends a window at once."""
    _, heard, gateway = press
    gateway.run("maintenance", "press-3", "--for", "2h", "--reason", "grease")
    assert gateway.run("maintenance", "press-3", "--end").returncode == 0
    assert gateway.status()["machines"][0]["maintenance"] is None
    heard.wait(
        lambda _: (
            [m.json["kind"] for m in heard.on("press-3/event") if m.json["type"] == "maintenance"][-1:] == ["ended"]
        )
    )


def test_alarm_test_is_marked(press: Any) -> None:
    """`shoptwin alarms test` sends an alarm that says it is a test, retains nothing, and raises nothing."""
    _, heard, gateway = press
    told = gateway.run("alarms", "test", "press-3")
    assert told.returncode == 0, told.stderr
    heard.wait(lambda _: any(m.json.get("kind") == "test" for m in heard.on("press-3/event")))
    heard.wait(lambda _: heard.on("press-3/alarm/"))
    message = next(m for m in heard.on("press-3/alarm/") if m.payload)
    assert message.json["alarm"]["test"] is True
    assert not gateway.standing()


def test_sensor_replaced(press: Any) -> None:
    """`shoptwin sensor-replaced` names what it learns anew, and is on record; an unknown tag is refused with a cure."""
    _, _, gateway = press
    told = gateway.run("sensor-replaced", "press-3.oil_temp", "--by", "anna")
    assert told.returncode == 0, told.stderr
    assert "learned anew" in told.stdout
    wrong = gateway.run("sensor-replaced", "press-3.oil_tmp")
    assert wrong.returncode == 1
    assert "press-3.oil_temp" in wrong.stderr
    assert gateway.ledger("SELECT who FROM audit WHERE action = 'sensor-replaced'") == [("anna",)]


def test_nothing_runs(daemon: Any) -> None:
    """Where no daemon answers, every command that needs one exits with 69 and says how to start it."""
    gateway = daemon()
    for command in (["status"], ["alarms"], ["ack", "x"], ["reload"], ["maintenance", "m", "--end"]):
        found = gateway.run(*command)
        assert found.returncode == 69, found
        assert "shoptwin run" in found.stderr


def test_two_daemons_on_one_state(press: Any) -> None:
    """A second daemon on the same state directory is refused with the reason, and the first goes on undisturbed."""
    _, _, gateway = press
    second = subprocess.run(
        [sys.executable, "-m", "shoptwin", "run", "--config", str(gateway.path)],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert second.returncode == 1
    assert "Another daemon works in" in second.stderr
    assert "Traceback" not in second.stderr
    polls = gateway.status()["devices"][0]["polls"]
    gateway.until(lambda s: s["devices"][0]["polls"] > polls)


def test_state_goes_where_it_is_told(slave: Any, daemon: Any, tmp_path: Path) -> None:
    """`--state-dir`, systemd's directories and [store] directory each say where the files and the socket are."""
    text = PLC.format(port=slave().port)
    ways: list[tuple[str, tuple[str, ...], dict[str, str], Path, Path]] = [
        (text, ("--state-dir", str(tmp_path / "a")), {}, tmp_path / "a", tmp_path / "a"),
        (
            text, (), {"STATE_DIRECTORY": str(tmp_path / "b"), "RUNTIME_DIRECTORY": str(tmp_path / "r")},
            tmp_path / "b", tmp_path / "r",
        ),
        (f'[store]\ndirectory = "{tmp_path / "c"}"\n{text}', (), {}, tmp_path / "c", tmp_path / "none"),
    ]  # fmt: skip
    for config, options, env, state, runtime in ways:
        gateway = daemon(config)
        if runtime.name != "none":
            gateway.client.path = runtime / "shoptwin.sock"
        gateway.start(*options, env=env)
        assert (state / "ledger.db").exists()
        assert (state / "twin.db").exists()
        assert gateway.client.post("/v1/reload")["changes"] == []
        assert gateway.stop() == 0


def test_json_of_the_command_line(press: Any) -> None:
    """`status --json` and `alarms --json` print what the daemon says, as JSON that a script can read."""
    _, _, gateway = press
    found = json.loads(gateway.run("status", "--json").stdout)
    assert found["devices"][0]["device"] == "plc1"
    assert json.loads(gateway.run("alarms", "--json").stdout) == []
    assert os.fspath(gateway.socket)
