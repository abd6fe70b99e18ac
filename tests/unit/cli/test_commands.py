"""Commands that ask the daemon, over a real socket."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from shoptwin.cli.printing import aligned

NOW_NS = 1_795_327_200_000_000_000


def test_status(shoptwin: Any, daemon: Any) -> None:
    """Status shows devices, machines, what is degraded, what the health is about, and tags where asked."""
    assert daemon
    found = shoptwin("status", "--tags")
    assert found.exit_code == 0
    for told in (
        "plant-1/gw: shoptwin 0.1.0, up 2 h, 2026-11-22 07:00:00 CET", "plant clock 60 times real time",
        "press-3: in maintenance until 2026-11-22 07:00:00 CET: new belt",
        "alarms    1 medium", "away: refused, 5 messages", "degraded  plc1: no route",
        "press-3  producing  abnormal   1.25     61  100%", "press-3: health 61 · 5 to 12 days left (80 %)",
        "press-3: temp is 4 K high", "press-3.temp  81.25  degC  Good",
    ):  # fmt: skip
        assert told in found.output
    assert found.output.count("no route to host") == 1
    assert max(map(len, found.output.splitlines())) <= 80
    assert json.loads(shoptwin("status", "--json").output)["site"] == "plant-1"


def test_status_of_the_talk(shoptwin: Any, daemon: Any) -> None:
    """The talk with each device is told in figures, and what it refuses by address, within 80 columns."""
    assert daemon
    found = shoptwin("status", "--devices").output
    for told in (
        "plc1                counted since 2",
        "1,021 requests, 4 time-outs, 1 garbled reply, 2 retries",
        "12,252 bytes sent, 90,000 received",
        "code 2 6 times, code 6 once",
        "7 polls, 3 late, 0 missed", "4 ms (p50), 9.5 ms (p99)", "0.25 s ahead", "breaker open",
        "a request takes 3.25 ms (p50), 8.5 ms (p99)",
        "path: fast",
        "plc1: refuses holding:9 (BadNodeIdUnknown)",
    ):  # fmt: skip
        assert told in found
    assert max(map(len, found.splitlines())) <= 80


def test_status_of_devices_of_every_sort(shoptwin: Any, daemon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that sends by itself has no polls to tell of; of a silent bus a few units are named; torn sets show."""
    [device] = (status := daemon.status())["devices"]
    told = ("device", "driver", "tags", "polls", "missed_polls", "bad_samples", "latency_p50_ms", "latency_p99_ms")
    sends = {key: device[key] for key in told} | {"device": "cell", "health": "connected", "breaker": "closed",
             "polls": 0, "samples": 12345, "latency_p50_ms": None, "latency_p99_ms": None}  # fmt: skip
    bus = device | {"device": "bus", "health": "connected", "parts": {f"unit {n}": False for n in range(1, 248)}}
    status["devices"] = [sends, bus | {"torn_waveforms": 3}]
    monkeypatch.setattr(daemon, "status", lambda: status)
    found = shoptwin("status", "--devices").output
    assert "cell                12,345 values, sent by the device itself" in found
    assert "unit 12 and 235 more: asked now and then" in " ".join(found.split())
    assert "3 waveforms dropped" in found
    assert max(map(len, found.splitlines())) <= 80


@pytest.mark.parametrize("words", [["--follow"], ["--follow", "--json"]])
def test_follow_without_a_terminal(shoptwin: Any, daemon: Any, words: list[str]) -> None:
    """A live view into a pipe is a wrong usage, and what to use instead is said."""
    assert daemon
    refused = shoptwin("status", *words)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "shoptwin status --json" in refused.stderr


def test_test_alarm_says_where_it_is(shoptwin: Any, daemon: Any) -> None:
    """Where the broker is away a test alarm is said to wait, not to be in the SCADA."""
    assert daemon
    told = shoptwin("alarms", "test", "press-3", "--by", "kim").output
    assert told == "the test alarm of press-3 waits in the outbox: the broker is away\n"


def test_alarms(shoptwin: Any, daemon: Any) -> None:
    """Alarms fit 80 columns, each with its words, evidence and what to check; --all asks for every one."""
    found = shoptwin("alarms", env={"COLUMNS": "80"}).output
    assert found == (
        "alarm            priority  state           since (CET)\n"
        "press-3/temp.hi  medium    unacknowledged  2026-11-22 07:00:00\n"
        "    temp 81.25 degC is above hi 80 degC\n"
        "    suppressed: maintenance\n"
        "    - it rose by 9 K in an hour\n"
        "    check: cooling: is the fan turning, is the filter clean, is coolant flowing;\n"
        "           load and speed: more than usual?\n"
    )
    assert json.loads(shoptwin("alarms", "--json").output)[0]["since"] == "2026-11-22T06:00:00.000Z"
    shoptwin("alarms", "--all")
    assert daemon.asked == [("alarms", True), ("alarms", True), ("alarms", False)]
    daemon.standing = []
    assert shoptwin("alarms").output == "no alarm stands\n"
    assert json.loads(shoptwin("alarms", "--json").output) == []


def test_alarm_with_a_long_name(shoptwin: Any, daemon: Any) -> None:
    """A row that a long name makes too wide has its state below."""
    daemon.standing = [daemon.standing[0] | {"key": "_gateway/plant-modbus-of-the-press.not-connected"}]
    found = shoptwin("alarms", env={"COLUMNS": "80"}).output.splitlines()
    assert found[2] == "    unacknowledged"
    assert max(map(len, found)) <= 80


def test_ack(shoptwin: Any, daemon: Any) -> None:
    """An acknowledgement says who was first; an unknown alarm ends with 1 and the one that was probably meant."""
    assert shoptwin("ack", "temp.hi", "--by", "kim").output == "press-3/temp.hi is acknowledged by kim\n"
    daemon.acknowledged = True
    assert shoptwin("ack", "temp.hi", "--by", "kim").output == "press-3/temp.hi is already acknowledged by robin\n"
    wrong = shoptwin("ack", "temp.hihi", "--by", "kim")
    assert (wrong.exit_code, wrong.stdout) == (1, "")
    assert wrong.stderr == "error: There is no alarm 'temp.hihi'\ncure: Did you mean press-3/temp.hi?\n"
    assert daemon.asked == [("acknowledge", name, "kim") for name in ("temp.hi", "temp.hi", "temp.hihi")]


def test_who_asks(shoptwin: Any, daemon: Any, monkeypatch: Any) -> None:
    """Without --by it is the user who sits there, even behind sudo."""
    monkeypatch.setenv("SUDO_USER", "robin")
    shoptwin("alarms", "test", "press-3")
    shoptwin("sensor-replaced", "press-3.temp")
    assert daemon.asked == [("test", "press-3", "robin"), ("sensor-replaced", "press-3.temp", "robin")]


def test_maintenance(shoptwin: Any, daemon: Any) -> None:
    """Maintenance begins for a time with a reason, and ends; anything else is a wrong usage and asks nothing."""
    begun = shoptwin("maintenance", "press-3", "--for", "1h30m", "--reason", "belt", "--by", "kim")
    assert begun.output == "maintenance of press-3 until 2026-11-22 07:00:00 CET\n"
    assert shoptwin("maintenance", "press-3", "--end", "--by", "kim").exit_code == 0
    for words in (["--for", "2h"], ["--reason", "x"], ["--for", "2h", "--end"], ["--for", "2 hours", "--reason", "x"]):
        assert shoptwin("maintenance", "press-3", *words).exit_code == 2
    for span in ("400d", "0h"):
        refused = shoptwin("maintenance", "press-3", "--for", span, "--reason", "x")
        assert (refused.exit_code, "at most 366d" in refused.stderr) == (2, True)
    assert daemon.asked == [
        ("maintenance", "press-3", 5400, "belt", "kim"),
        ("maintenance", "press-3", 0, "", "kim"),
    ]


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["--since", "1h"], (NOW_NS - 3600 * 10**9, NOW_NS + 1, 0)),
        (["--since", "1h", "--until", "30m", "--step", "1m"],
         (NOW_NS - 3600 * 10**9, NOW_NS - 1800 * 10**9, 60 * 10**9)),
        (["--since", "1h", "--points", "100"], (NOW_NS - 3600 * 10**9, NOW_NS + 1, 60 * 10**9)),
        (["--since", "2026-11-22T05:00:00Z"], (NOW_NS - 3600 * 10**9, NOW_NS + 1, 0)),
        (["--since", "2026-11-22T05:00:00Z", "--until", "2026-11-22T06:30:00+01:00"],
         (NOW_NS - 3600 * 10**9, NOW_NS - 1800 * 10**9, 0)),
    ],
)  # fmt: skip
def test_history_times(shoptwin: Any, daemon: Any, words: list[str], asked: tuple[int, ...]) -> None:
    """Times are ago, by the daemon's own clock, or with a zone."""
    assert shoptwin("history", "press-3.temp", *words).exit_code == 0
    assert daemon.asked == [("history", "press-3.temp", *asked)]


def test_history_needs_a_unit_of_time(shoptwin: Any, daemon: Any) -> None:
    """A bare number is neither a time nor a duration, and is told so before the daemon is asked."""
    found = shoptwin("history", "press-3.temp", "--since", "5")
    assert found.exit_code == 2
    assert "5 is neither a time nor how long ago: write 5m or 5h" in found.stderr
    assert daemon.asked == []


def test_whole_numbers_are_written_in_full() -> None:
    """A counter is read digit by digit, whatever type its figures come in."""
    shown = aligned(("mean",), [[4711590.0], [4711590.4], [0.1234567], [1e300]])
    assert [line.strip() for line in shown][1:] == ["4711590", "4711590", "0.123457", "1e+300"]


def test_history_output(shoptwin: Any, daemon: Any) -> None:
    """History prints a table, CSV or JSON; a value that is not there is empty, never a nan."""
    assert daemon
    words = ("history", "press-3.temp", "--since", "2026-11-22T05:00:00Z")
    table = shoptwin(*words).output
    assert "time (CET)" in table
    assert "2026-11-22 06:00:00.000      -  BadNotConnected" in table
    unclear = shoptwin("history", "press-3.temp", "--since", "yesterday")
    assert (unclear.exit_code, "write how long ago" in unclear.stderr) == (2, True)
    rows = list(csv.reader(io.StringIO(shoptwin(*words, "--csv").output)))
    assert rows == [["time", "value", "quality"], ["2026-11-22T05:00:00.000Z", "", "BadNotConnected"]]
    assert json.loads(shoptwin(*words, "--json").output)["value"] == [None]
    assert shoptwin(*words, "--csv", "--json").exit_code == 2
    assert shoptwin("history", "press-3.temp", "--since", "2026-11-22T05:00:00").exit_code == 2
    assert shoptwin("history", "press-3.temp", "--since", "1h", "--until", "2h").exit_code == 2


def test_learned(shoptwin: Any, daemon: Any) -> None:
    """What was learned is a table in the plant's time, with the version in use; JSON is as the daemon tells it."""
    assert shoptwin("learned", "press-3").output.startswith("nothing has been learned of press-3 yet")
    version = {
        "indicator": "process", "version": "1", "used": False, "learned_from": "2026-11-20T06:00:00.000Z",
        "learned_until": "2026-11-22T06:00:00.000Z", "rows": 2880, "false_alarms_per_month": 0.5,
    }  # fmt: skip
    daemon.kept = [version, version | {"version": "2", "used": True, "learned_from": None}]
    heading, first, second = shoptwin("learned", "press-3").output.splitlines()
    assert heading.split("  ")[0] == "indicator"
    assert "until (CET)" in heading
    assert first.split() == ["process", "1", "no", "2026-11-20", "07:00:00", "2026-11-22", "07:00:00", "2880", "0.5"]
    assert second.split() == ["process", "2", "yes", "-", "2026-11-22", "07:00:00", "2880", "0.5"]
    assert json.loads(shoptwin("learned", "press-3", "--json").output) == daemon.kept
    daemon.kept = [
        version | {"doubts": [{"kind": "stuck", "tags": ["p"], "text": "p stood still", "cure": "check it"}]}
    ]
    assert shoptwin("learned", "press-3").output.splitlines()[2] == "    process 1, but p stood still: check it"


def test_relearn_and_rollback(shoptwin: Any, daemon: Any) -> None:
    """A machine is learned anew from now on, from so long ago or from a time; a rollback names what it goes back to."""
    anew = shoptwin("relearn", "press-3", "--by", "kim").output
    assert anew == "press-3 is learned anew, from 2026-11-22 06:30:00 CET on\n"
    shoptwin("relearn", "press-3", "--since", "2h", "--by", "kim")
    shoptwin("relearn", "press-3", "--since", "2026-11-22T05:00:00Z", "--by", "kim")
    assert shoptwin("rollback", "press-3", "process", "--by", "kim").output == "press-3 is judged by 1\n"
    assert (
        json.loads(shoptwin("rollback", "press-3", "process", "--to", "3", "--by", "kim", "--json").output)["version"]
        == "3"
    )
    assert daemon.asked == [
        ("relearn", "press-3", 0, "kim"), ("relearn", "press-3", NOW_NS - 7_200 * 10**9, "kim"),
        ("relearn", "press-3", NOW_NS - 3_600 * 10**9, "kim"), ("rollback", "press-3", "process", "", "kim"),
        ("rollback", "press-3", "process", "3", "kim"),
    ]  # fmt: skip


def test_mark(shoptwin: Any, daemon: Any) -> None:
    """A mark reaches the daemon with the note and who made it; there are three marks and no others."""
    told = shoptwin("mark", "press-3/health.abnormal", "false", "--note", "new product", "--by", "kim").output
    assert told == "press-3/health.abnormal of 2026-11-22 06:30:00 CET is marked false by kim\n"
    assert daemon.asked == [("mark", "press-3/health.abnormal", "false", "new product", "kim")]
    assert shoptwin("mark", "press-3/health.abnormal", "perhaps").exit_code == 2


def test_thresholds(shoptwin: Any, daemon: Any) -> None:
    """The ledger is shown as it is kept: thresholds now, alarms, marks with their notes, moves; a reset says so."""
    assert shoptwin("thresholds", "press-3").output == "all thresholds of press-3 are as they were learned\n"
    at, key, of = "2026-11-22T05:30:00.000Z", "press-3/health.abnormal", "5f2a91c0" + "0" * 24
    daemon.feedback = {
        "regimes": [{"indicator": "process", "regime": "load 50, producing", "factor": 1.2, "false_alarms": 1}],
        "alarms": [{"alarm": key, "occurrence": of, "raised_at": at, "cleared_at": None, "value": 1.3, "text": "",
                    "mark": "false", "by": "kim", "note": "new product"}],
        "marks": [{"time": at, "alarm": key, "occurrence": of, "mark": "false", "by": "kim", "note": "new product"}],
        "moves": [{"time": at, "indicator": "process", "regime": "load 50, producing", "why": "false", "factor": 1.2,
                   "by": "kim", "occurrence": of}],
    }  # fmt: skip
    shown = shoptwin("thresholds", "press-3").output
    parts = shown.split("\n\n")
    assert [part.splitlines()[0].split("  ")[0] for part in parts] == ["indicator", "alarms", "marks", "moves"]
    assert "process    load 50, producing                1.2             1" in parts[0]
    assert "5f2a91c0  2026-11-22 06:30:00  press-3/health.abnormal  false  kim" in parts[1]
    assert "5f2a91c0 false: new product" in parts[2]
    assert parts[3].splitlines()[2].split() == [
        "2026-11-22", "06:30:00", "process", "load", "50,", "producing", "false", "1.2", "kim", "5f2a91c0",
    ]  # fmt: skip
    assert json.loads(shoptwin("thresholds", "press-3", "--json").output) == {"machine": "press-3"} | daemon.feedback
    assert "back to what was learned" in shoptwin("thresholds", "press-3", "--reset", "--by", "kim").output
    assert daemon.asked[-1] == ("reset-thresholds", "press-3", "kim")


def test_reload_of_a_wrong_file(shoptwin: Any, daemon: Any) -> None:
    """A reload that the daemon refuses ends with 78 and says what is wrong."""
    assert daemon
    wrong = shoptwin("reload")
    assert wrong.exit_code == 78
    assert "machine[0].nam is not a known key" in wrong.stderr


@pytest.mark.parametrize(
    "words",
    [["status"], ["alarms"], ["ack", "x"], ["maintenance", "m", "--end"], ["reload"], ["history", "t"],
     ["alarms", "test", "m"], ["sensor-replaced", "t"], ["learned", "m"], ["relearn", "m"],
     ["rollback", "m", "process"], ["mark", "x", "true"], ["thresholds", "m"], ["thresholds", "m", "--reset"]],
)  # fmt: skip
def test_no_daemon(shoptwin: Any, tmp_path: Any, monkeypatch: Any, words: list[str]) -> None:
    """Where no daemon answers every command that needs it ends with 69 and a cure, not with a traceback."""
    monkeypatch.setenv("SHOPTWIN_SOCKET", str(tmp_path / "none"))
    missing = shoptwin(*words)
    assert missing.exit_code == 69
    assert "cure: Start it" in missing.stderr
    assert missing.stdout == ""
