"""The box itself in trouble: a broker that is away, a full or read-only disk, a clock in 1970, a recording cut off."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from shoptwin.domain.timing import SECOND, iso, parse_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FAST = ("--clock-rate", "40")
"""Forty seconds a second, so that the delays of the gateway's own alarms run out while a test waits."""
PLC = """
[[device]]
name = "plc1"
driver = "modbus"
url = "tcp://127.0.0.1:{port}"
period = "{period}"

[[machine]]
name = "press-1"

[[machine.tag]]
name = "oil_temp"
role = "temperature"
unit = "degC"
device = "plc1"
address = "holding:0:float32"
limits = {{ hi = 60, deadband = 1 }}
"""
HI = "press-1/oil_temp.hi"


def plc(server: Any, period: str = "4s") -> str:
    """Return the configuration of a press."""
    return PLC.format(port=server.port, period=period)


def kinds(heard: Any, alarm: str) -> list[str]:
    """Return what happened to an alarm, as it arrived."""
    told = [m.json for m in heard.on("/event") if m.payload]
    return [e["kind"] for e in told if e["type"] == "alarm" and e["alarm"]["id"] == alarm]


def test_broker_down_at_the_start(slave: Any, daemon: Any, broker: Any, subscriber: Any) -> None:
    """Without a broker the daemon watches on, says so, and hands over all alarms once there is one."""
    server, mosquitto = slave(), broker(start=False)
    gateway = daemon(plc(server), mosquitto).start(*FAST)
    server.put(0, 70.0)
    raised = gateway.until_standing(HI)[HI]
    server.put(0, 20.0)
    gateway.until(lambda _: gateway.standing()[HI]["state"] == "returned-unacknowledged")
    assert any("Nobody listens" in reason for reason in gateway.status()["degraded"])
    mosquitto.start()
    heard = subscriber(mosquitto)
    heard.wait(lambda _: heard.on("press-1/alarm/oil_temp.hi"), 30)
    heard.wait(lambda _: heard.on("press-1/alarm/oil_temp.hi")[-1].json["alarm"]["state"] == "returned-unacknowledged")
    assert heard.on("press-1/alarm/oil_temp.hi")[-1].json["alarm"]["raised_at"] == raised["since"]
    gateway.until(lambda s: s["outbox"]["messages"] == 0 and s["outbox"]["connected"])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB in memory that is really full when it is full."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    where = tmp_path / "disk"
    where.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(where)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    yield where
    subprocess.run(["umount", "-l", str(where)], check=True)


def history(gateway: Any, start: int, seconds: int = 3600) -> dict[str, list[Any]]:
    """Return what was stored of the press's temperature in a span that begins at `start`, ns UTC."""
    stop = start + seconds * SECOND
    found: dict[str, list[Any]] = gateway.client.get(
        "/v1/history", tag="press-1.oil_temp", start=start, stop=stop, resolution=0
    )
    assert found["time"] == sorted(found["time"])
    return found


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as out, suppress(OSError):
        while True:
            out.write(bytes(4096))
    assert shutil.disk_usage(path.parent).free < 4096


def test_full_disk(slave: Any, daemon: Any, broker: Any, subscriber: Any, small_disk: Path) -> None:
    """On a full disk the daemon stays up and says so; alarms go out once there is room, and what was kept stays."""
    server, mosquitto, begun = slave(), broker(), time.time_ns()
    server.put(0, 20.0)
    heard = subscriber(mosquitto)
    gateway = daemon(f'[store]\ndirectory = "{small_disk}"\n' + plc(server), mosquitto).start(*FAST)
    gateway.until(lambda s: s["devices"][0]["polls"] > 20 and s["outbox"]["connected"])
    filler = small_disk / "filler"
    fill(filler)
    server.put(0, 70.0)
    standing = gateway.until_standing("_gateway/store.full", HI, seconds=30)
    assert "full" in " ".join(gateway.status()["degraded"])
    assert gateway.process.poll() is None
    time.sleep(1)
    filler.unlink()
    heard.wait(lambda _: kinds(heard, "oil_temp.hi") and kinds(heard, "store.full"), 30)
    told = next(m.json for m in heard.on("press-1/alarm/oil_temp.hi") if m.payload)
    assert told["alarm"]["occurrence"] == standing[HI]["occurrence"]
    heard.wait(lambda _: kinds(heard, "store.full")[-1] == "cleared", 30)
    assert gateway.status()["degraded"] == []
    assert {20.0, 70.0} <= set(history(gateway, begun)["value"]), "samples before and after"


def test_read_only_disk_at_the_start(slave: Any, daemon: Any, broker: Any, small_disk: Path) -> None:
    """On a disk that is read-only from the start the daemon says what is wrong and how to cure it."""
    server = slave()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    gateway = daemon(f'[store]\ndirectory = "{small_disk}"\n' + plc(server), broker()).start(*FAST, wait=False)
    try:
        gateway.process.wait(5)
    except subprocess.TimeoutExpired:  # it runs on without its memory, and says so
        gateway.until_standing("_gateway/store.full", seconds=20)
    else:
        assert gateway.process.returncode not in {0, 78}, "systemd is to try again"
    assert "read-only" in gateway.log.lower()
    assert "Traceback" not in gateway.log


_CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* A box without a battery: the wall clock counts from 1970 until the file $CLOCK_IS_SET exists. */
static time_t behind(void) {
  const char *set = getenv("CLOCK_IS_SET"), *by = getenv("CLOCK_BEHIND");
  return set && by && access(set, F_OK) ? atol(by) : 0;
}
int clock_gettime(clockid_t id, struct timespec *t) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
  int found = real(id, t);
  if (!found && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) t->tv_sec -= behind();
  return found;
}
int gettimeofday(struct timeval *restrict t, void *restrict zone) {
  struct timespec now;
  (void)zone;
  if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
  t->tv_sec = now.tv_sec;
  t->tv_usec = now.tv_nsec / 1000;
  return 0;
}
time_t time(time_t *t) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (t) *t = now.tv_sec;
  return now.tv_sec;
}
"""


@pytest.fixture
def year_1970(tmp_path: Path) -> tuple[dict[str, str], Callable[[], None]]:
    """Give the environment of a process that lives in January 1970, and what sets its clock."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("gcc is not installed (apt install gcc)")
    (tmp_path / "clock.c").write_text(_CLOCK)
    library = tmp_path / "clock.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, tmp_path / "clock.c", "-ldl"], check=True)
    behind = int(time.time()) - 100
    set_at = tmp_path / "clock-is-set"
    environment = {"LD_PRELOAD": str(library), "CLOCK_IS_SET": str(set_at), "CLOCK_BEHIND": str(behind)}
    return environment, set_at.touch


@pytest.fixture
def encrypted(broker: Any, tmp_path: Path) -> Any:
    """Return a broker that speaks TLS alone, and its certificate, signed by itself: ca, cert and key."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed (apt install openssl)")
    cert, key = tmp_path / "broker.crt", tmp_path / "broker.key"
    subprocess.run(
        [program, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert],
        check=True, capture_output=True,
    )  # fmt: skip
    certificate = SimpleNamespace(ca=cert, cert=cert, key=key)
    return broker(tls=certificate), certificate


def test_clock_in_1970(slave: Any, daemon: Any, encrypted: Any, subscriber: Any, year_1970: Any) -> None:
    """With the clock in 1970 the daemon watches and says why TLS fails; once it is set all alarms arrive."""
    environment, set_clock = year_1970
    server, (mosquitto, certificate) = slave(), encrypted
    heard = subscriber(mosquitto)
    gateway = daemon()
    gateway.write(
        f'[gateway]\nsite = "plant-1"\nname = "gw"\n[mqtt]\nurl = "{mosquitto.url}"\nca_file = "{certificate.ca}"\n'
        + plc(server, "100ms")
    )
    gateway.start(env=environment)
    server.put(0, 70.0)
    standing = gateway.until_standing(HI, "_gateway/clock.invalid")
    assert standing[HI]["since"].startswith("1970-01-01T00:0")
    told = gateway.until(lambda s: any("not valid yet" in reason for reason in s["degraded"]))
    assert "the clock of this box says 1970-01-01" in " ".join(told["degraded"])
    assert not heard.messages
    set_clock()
    heard.wait(lambda _: kinds(heard, "clock.invalid") == ["raised", "cleared"], 30)
    assert kinds(heard, "oil_temp.hi") == ["raised"]
    event = next(m.json for m in heard.on("press-1/event") if m.json.get("kind") == "raised")
    assert event["time"].startswith("1970-01-01T00:0"), "with its original time"
    server.put(0, 20.0)
    heard.wait(lambda _: kinds(heard, "oil_temp.hi") == ["raised", "cleared"])
    assert gateway.until(lambda s: s["degraded"] == [])
    end = time.monotonic() + 10
    while 20.0 not in (kept := history(gateway, time.time_ns() - 600 * SECOND)["value"]) and time.monotonic() < end:
        time.sleep(0.1)
    assert {70.0, 20.0} <= set(kept), "what was taken in before is kept, and its time is put right"
    assert history(gateway, 0)["value"] == []


@pytest.fixture
def cut_off(tmp_path: Path) -> Path:
    """Return a recording of 200 seconds whose file ends in the middle of its last line."""
    folder = tmp_path / "cut-off"
    folder.mkdir()
    (folder / "machine.toml").write_text(
        '[[machine]]\nname = "pump-1"\n[machine.learning]\nuntil = 2026-01-01T00:01:00Z\n'
        '[[machine.tag]]\nname = "motor_temp"\nrole = "temperature"\nunit = "degC"\n'
        '[[machine.tag]]\nname = "power"\nrole = "power"\nunit = "kW"\n'
    )
    begin = parse_time("2026-01-01T00:00:00Z")
    rows = [f"{iso(begin + i * SECOND)},{20 + i % 7 / 10},{5 + i % 5 / 10}" for i in range(200)]
    (folder / "scalars.csv").write_text("\n".join(["time,motor_temp,power", *rows]) + "\n2026-01-01T00:03:20.000Z,20")
    return folder


def test_replay_of_a_recording_that_is_cut_off(cut_off: Path, tmp_path: Path) -> None:
    """`shoptwin replay` judges every row before the cut, then says where the file is cut off, and ends with 65."""
    out = tmp_path / "events.jsonl"
    done = subprocess.run(
        [sys.executable, "-m", "shoptwin", "replay", str(cut_off), "--out", str(out)],
        capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip
    assert done.returncode == 65, done
    assert "scalars.csv:202" in done.stderr
    assert "cut off" in done.stderr
    assert "cure:" in done.stderr
    last = json.loads(out.read_text().splitlines()[-1])
    assert last["time"] == "2026-01-01T00:03:19.000Z"


def test_plant_serves_a_recording_up_to_its_cut(cut_off: Path, daemon: Any, tmp_path: Path) -> None:
    """The plant serves a recording that is cut off up to the cut and says so, and the daemon has taken in its rows."""
    log = (tmp_path / "plant.log").open("w+")
    plant = subprocess.Popen(
        [sys.executable, "-m", "shoptwin", "simulate", "--recording", str(cut_off), "--rate", "100", "--delay", "2",
         "--write-config", str(tmp_path), "--json", "--exit-at-end"],
        stdout=subprocess.PIPE, stderr=log,
    )  # fmt: skip
    assert plant.stdout is not None
    told = b""
    for line in plant.stdout:
        told += line
        if line.startswith(b"}"):
            break
    clock = json.loads(told)["clock"]
    gateway = daemon()
    gateway.write((tmp_path / "shoptwin.toml").read_text())
    gateway.start("--clock-rate", "100", "--clock-epoch", clock["epoch"], "--clock-origin", clock["origin"])
    assert plant.wait(30) == 65
    plant.stdout.close()
    log.seek(0)
    said = log.read()
    log.close()
    assert "scalars.csv:202" in said
    assert "cut off" in said
    gateway.until(lambda s: s["devices"][0]["health"] == "lost")
    begin = parse_time("2026-01-01T00:00:00Z")
    taken = gateway.client.get(
        "/v1/history", tag="pump-1.motor_temp", start=begin, stop=begin + 600 * SECOND, resolution=0
    )
    good = [when for when, name in zip(taken["time"], taken["quality"], strict=True) if name == "Good"]
    assert max(good) >= begin + 199 * SECOND
