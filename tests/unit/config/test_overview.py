"""What `shoptwin check` says is on, and what would switch the rest on."""

from __future__ import annotations

from typing import Any

from shoptwin.config import explain, notes

TAG = '[[machine.tag]]\nname = "{0}"\ndevice = "plc1"\naddress = "h1"\nrole = "{1}"\nunit = "{2}"\n'
DEVICE = '[[device]]\nname = "plc1"\ndriver = "fake"\nurl = "fake://a"\n'


def _machine(load: Any, extra: str = "", *tags: tuple[str, str, str], more: str = "") -> dict[str, tuple[bool, str]]:
    text = f'{DEVICE}[[machine]]\nname = "m"\n{extra}\n' + "".join(TAG.format(*tag) for tag in tags) + more
    return {feature.name: (feature.on, feature.detail) for feature in explain(load(text))}


def test_one_temperature(load: Any) -> None:
    """One temperature tag gives the process model; each of the rest says what it lacks."""
    found = _machine(load, "", ("temp", "temperature", "degC"))
    assert {name for name, (on, _) in found.items() if on} == {"process model", "learned alarms"}
    assert found["limit alarms"] == (False, "give a tag limits, as in: limits = { hi = 80 }")
    assert found["machine state"][1] == 'add a tag with role = "power", "state" or "count"'
    assert "[mqtt]" in found["publishing"][1]


def test_zones_need_class_and_velocity(load: Any) -> None:
    """ISO zones need the machine's class and a level in mm/s; what is missing is named."""
    zones = "ISO 20816 zones"
    iso = 'iso20816 = "group2-rigid"'
    assert _machine(load, iso, ("v", "vibration", "mm/s"))[zones] == (True, "group2-rigid: v")
    assert _machine(load, iso, ("v", "vibration", "g"))[zones] == (
        False, "measure v as velocity: its unit is g, not mm/s",
    )  # fmt: skip
    assert _machine(load, "", ("v", "vibration", "mm/s"))[zones][1].startswith("give the machine its class")
    assert 'unit = "mm/s"' in _machine(load, iso)[zones][1]


def test_state(load: Any) -> None:
    """The state comes from a state tag with values, else from power with levels, else from a count."""
    state = "machine state"
    assert not _machine(load, "", ("s", "state", ""))[state][0]
    assert _machine(load, 'state.values.0 = "off"', ("s", "state", ""))[state] == (True, "told by s")
    assert "off, idle" in _machine(load, "", ("p", "power", "kW"))[state][1]
    assert _machine(load, "state.off = 1", ("p", "power", "kW"))[state][0]
    assert _machine(load, "", ("c", "count", ""))[state][0]


def test_limits_and_switch(load: Any) -> None:
    """Limits name their tags, worst first; the key switch names its own."""
    found = _machine(load, 'maintenance_tag = "k"', ("k", "other", ""), more="limits = { lo = 1, hihi = 9 }\n")
    assert found["limit alarms"] == (True, "k (hihi, lo)")
    assert found["maintenance switch"] == (True, "k")
    assert not found["learned alarms"][0]


def test_notes(load: Any) -> None:
    """What is allowed but probably not meant is noted."""
    text = DEVICE + '[[machine]]\nname = "m"\n[serve]\nmetrics = "0.0.0.0:9464"\n'
    assert [note.split(":")[0] for note in notes(load(text))] == [
        "device plc1 is read by no tag",
        "machine m has no tag",
        "serve.metrics listens on 0.0.0.0",
    ]
    assert "ISO 20816" in notes(load(DEVICE + '[[machine]]\nname = "m"\n' + TAG.format("v", "vibration", "")))[0]
