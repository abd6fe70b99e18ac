"""Commands that ask the daemon, over a real socket."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

NOW_NS = 1_795_327_200_000_000_000


def test_status(shoptwin: Any, daemon: Any) -> None:
    """Status shows devices, machines, what is degraded, what the health is about, and tags where asked."""
    assert daemon
    found = shoptwin("status", "--tags")
    assert found.exit_code == 0
    for told in (
        "plant-1/gw: shoptwin 0.1.0", "alarms    1 medium", "away: refused, 5 messages", "degraded  plc1: no route",
        "press-3  producing  abnormal   1.25  100%", "press-3: temp is 4 K high", "press-3.temp  81.25  degC  Good",
    ):  # fmt: skip
        assert told in found.output
    assert json.loads(shoptwin("status", "--json").output)["site"] == "plant-1"


def test_alarms(shoptwin: Any, daemon: Any) -> None:
    """Alarms are listed with what suppresses them; --all asks for every one; none is told as such."""
    found = shoptwin("alarms").output
    assert "press-3/temp.hi  medium    unacknowledged (suppressed: maintenance)" in found
    shoptwin("alarms", "--all")
    assert daemon.asked == [("alarms", True), ("alarms", False)]
    daemon.standing = []
    assert shoptwin("alarms").output == "no alarm stands\n"
    assert json.loads(shoptwin("alarms", "--json").output) == []


def test_ack(shoptwin: Any, daemon: Any) -> None:
    """An acknowledgement says who; an unknown alarm ends with 1 and the one that was probably meant."""
    assert shoptwin("ack", "temp.hi", "--by", "kim").output == "press-3/temp.hi is acknowledged by kim\n"
    wrong = shoptwin("ack", "temp.hihi", "--by", "kim")
    assert (wrong.exit_code, wrong.stdout) == (1, "")
    assert wrong.stderr == "error: There is no alarm 'temp.hihi'\ncure: Did you mean press-3/temp.hi?\n"
    assert daemon.asked == [("acknowledge", "temp.hi", "kim"), ("acknowledge", "temp.hihi", "kim")]


def test_who_asks(shoptwin: Any, daemon: Any, monkeypatch: Any) -> None:
    """Without --by it is the user who sits there, even behind sudo."""
    monkeypatch.setenv("SUDO_USER", "robin")
    shoptwin("alarms", "test", "press-3")
    shoptwin("sensor-replaced", "press-3.temp")
    assert daemon.asked == [("test", "press-3", "robin"), ("sensor-replaced", "press-3.temp", "robin")]


def test_maintenance(shoptwin: Any, daemon: Any) -> None:
    """Maintenance begins for a time with a reason, and ends; anything else is a wrong usage and asks nothing."""
    assert shoptwin("maintenance", "press-3", "--for", "1h30m", "--reason", "belt", "--by", "kim").exit_code == 0
    assert shoptwin("maintenance", "press-3", "--end", "--by", "kim").exit_code == 0
    for words in (["--for", "2h"], ["--reason", "x"], ["--for", "2h", "--end"], ["--for", "2 hours", "--reason", "x"]):
        assert shoptwin("maintenance", "press-3", *words).exit_code == 2
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
        (["--since", "2026-11-22T05:00:00Z"], (NOW_NS - 3600 * 10**9, NOW_NS + 1, 0)),
        (["--since", "2026-11-22T05:00:00Z", "--until", "2026-11-22T06:30:00+01:00"],
         (NOW_NS - 3600 * 10**9, NOW_NS - 1800 * 10**9, 0)),
    ],
)  # fmt: skip
def test_history_times(shoptwin: Any, daemon: Any, words: list[str], asked: tuple[int, ...]) -> None:
    """Times are ago, by the daemon's own clock, or with a zone."""
    assert shoptwin("history", "press-3.temp", *words).exit_code == 0
    assert daemon.asked == [("history", "press-3.temp", *asked)]


def test_history_output(shoptwin: Any, daemon: Any) -> None:
    """History prints a table, CSV or JSON; a value that is not there is empty, never a nan."""
    assert daemon
    words = ("history", "press-3.temp", "--since", "2026-11-22T05:00:00Z")
    assert "2026-11-22T05:00:00.000Z      -  BadNotConnected" in shoptwin(*words).output
    rows = list(csv.reader(io.StringIO(shoptwin(*words, "--csv").output)))
    assert rows == [["time", "value", "quality"], ["2026-11-22T05:00:00.000Z", "", "BadNotConnected"]]
    assert json.loads(shoptwin(*words, "--json").output)["value"] == [None]
    assert shoptwin(*words, "--csv", "--json").exit_code == 2
    assert shoptwin("history", "press-3.temp", "--since", "2026-11-22T05:00:00").exit_code == 2
    assert shoptwin("history", "press-3.temp", "--since", "1h", "--until", "2h").exit_code == 2


def test_reload_of_a_wrong_file(shoptwin: Any, daemon: Any) -> None:
    """A reload that the daemon refuses ends with 78 and says what is wrong."""
    assert daemon
    wrong = shoptwin("reload")
    assert wrong.exit_code == 78
    assert "machine[0].nam is not a known key" in wrong.stderr


@pytest.mark.parametrize(
    "words",
    [["status"], ["alarms"], ["ack", "x"], ["maintenance", "m", "--end"], ["reload"], ["history", "t"],
     ["alarms", "test", "m"], ["sensor-replaced", "t"]],
)  # fmt: skip
def test_no_daemon(shoptwin: Any, tmp_path: Any, monkeypatch: Any, words: list[str]) -> None:
    """Where no daemon answers every command that needs it ends with 69 and a cure, not with a traceback."""
    monkeypatch.setenv("SHOPTWIN_SOCKET", str(tmp_path / "none"))
    missing = shoptwin(*words)
    assert missing.exit_code == 69
    assert "cure: Start it" in missing.stderr
    assert missing.stdout == ""
