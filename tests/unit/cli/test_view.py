"""The live view, drawn on terminals of many sizes."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from shoptwin.cli.view import render
from shoptwin.cli.zone import PlantTime

NOW = "2026-07-22T06:00:00.000Z"


def _status(machines: int, tags: int, **more: Any) -> dict[str, Any]:
    tag = {"name": "temp", "value": 81.25, "unit": "degC", "quality": "Good", "age_s": 0.4}
    health = {"state": "learning", "progress": 0.03, "score": 0.0}
    machine = {
        "state": "producing", "maintenance": None, "health": health, "learning_left_s": 6.8 * 86_400,
        "tags": [tag] * tags,
    }  # fmt: skip
    device = {"device": "plc1", "health": "connected"}
    return {
        "site": "plant-1", "gateway": "gw", "timezone": "Europe/Berlin", "now": NOW, "uptime": "2 h",
        "devices": [device], "machines": [machine | {"name": f"press-{n}"} for n in range(machines)],
        "outbox": {"messages": 0, "connected": True}, "degraded": [], **more,
    }  # fmt: skip


def _alarm(n: int, priority: str = "low", **more: Any) -> dict[str, Any]:
    return {
        "key": f"press-{n}/vib_velocity.zone-d", "tag": "vib_velocity", "priority": priority, "since": NOW,
        "state": "returned-unacknowledged", "suppressed": None, "value": 7.25, "limit": 4.5, "unit": "mm/s",
        "text": "vib_velocity 7.25 mm/s is in zone D: above 4.5 mm/s (ISO 20816 group2-rigid)", **more,
    }  # fmt: skip


def _drawn(view: Any, width: int) -> list[str]:
    console = Console(width=width, file=io.StringIO(), legacy_windows=False)
    with console.capture() as capture:
        console.print(view)
    return capture.get().splitlines()


def test_alarms_at_80_columns() -> None:
    """On a small terminal an alarm says priority, name and value against limit, before any machine."""
    alarms = [_alarm(1), _alarm(2, "critical"), _alarm(3, tag=None, evidence=["band 3 kHz"], unit="", limit=1.0)]
    lines = _drawn(render(_status(8, 12), alarms, height=24), 80)
    assert len(lines) <= 24
    text = "\n".join(lines)
    assert "critical  press-2/vib_velocity.zone-d  7.25 mm/s (limit 4.5)" in text
    assert "score 7.25 (limit 1)" in text
    assert text.index("critical") < text.index("press-1/vib") < text.index("press-0 ·")


def test_what_stands_in_the_titles() -> None:
    """The view tells plant time with its zone, a scaled clock, and how long learning still takes."""
    text = "\n".join(_drawn(render(_status(1, 1, clock_rate=240.0), [_alarm(1)]), 130))
    assert "08:00:00 CEST" in text
    assert "plant clock 240 times real time" in text
    assert "since (CEST)" in text
    assert "learning 3%, about 6 d 19 h left" in text


@settings(deadline=None)
@given(
    size=st.tuples(st.integers(60, 160), st.integers(10, 60)), machines=st.integers(0, 20), tags=st.integers(0, 20),
    alarms=st.integers(0, 20), received=st.integers(0, 8),
)  # fmt: skip
def test_it_fits(size: tuple[int, int], machines: int, tags: int, alarms: int, received: int) -> None:
    """Whatever there is fits the terminal's height, and the number of alarms is always told."""
    width, height = size
    view = render(
        _status(machines, tags), [_alarm(n) for n in range(alarms)], ["a line"] * received, tags_most=6, height=height
    )
    lines = _drawn(view, width)
    assert len(lines) <= height
    assert any(("alarms: " if alarms else "no alarm stands") in line for line in lines)


@pytest.mark.parametrize(
    ("zone", "heading", "cell"),
    [
        ("Europe/Berlin", "since (CET)", "2026-11-22 07:00:00"),
        ("America/Sao_Paulo", "since (UTC-03)", "2026-11-22 03:00:00"),
        ("Nowhere/At-All", "since (UTC)", "2026-11-22 06:00:00"),
        (None, "since (UTC)", "2026-11-22 06:00:00"),
    ],
)
def test_plant_time(zone: str | None, heading: str, cell: str) -> None:
    """Times are those of the plant's zone, which the heading names."""
    assert PlantTime(zone).column("since", ["2026-11-22T06:00:00.000Z", None]) == (heading, [cell, ""])


def test_the_hour_that_comes_twice() -> None:
    """Where the clocks change within a table each time has its own zone."""
    heading, cells = PlantTime("Europe/Berlin").column("time", ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"])
    assert (heading, cells) == ("time", ["2026-10-25 02:30:00 CEST", "2026-10-25 02:30:00 CET"])
