"""What `shoptwin check` says is on, and what would switch the rest on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shoptwin.alarms.iso20816 import CLASSES, zone_limits
from shoptwin.assess.layout import Layout
from shoptwin.config import explain, notes
from shoptwin.config.forms import ISO_20816
from shoptwin.domain.machine import Machine
from shoptwin.domain.tag import Limits, Role, Tag, TagTable, ValueKind

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
    assert _machine(load, "", ("s", "state", ""), ("c", "count", ""))[state] == (True, "told by c")
    assert "off or idle" in _machine(load, "", ("p", "power", "kW"))[state][1]
    assert _machine(load, "state.off = 1", ("p", "power", "kW"))[state][0]
    assert _machine(load, "", ("c", "count", ""))[state][0]


def test_limits_and_switch(load: Any) -> None:
    """Limits name their tags, worst first; the key switch names its own."""
    found = _machine(load, 'maintenance_tag = "k"', ("k", "other", ""), more="limits = { lo = 1, hihi = 9 }\n")
    assert found["limit alarms"] == (True, "k (hihi, lo)")
    assert found["maintenance switch"] == (True, "k")
    assert found["process model"] == (True, "learns from k")


def test_wires_and_reports(load: Any) -> None:
    """A 4-20 mA input is watched for a broken wire, and tags of which not all is kept are told with what is."""
    tag = ("p", "pressure", "bar")
    assert {"broken wires", "kept on change"}.isdisjoint(_machine(load, "", tag))
    more = "current_loop = { raw = [4, 20], value = [0, 10] }\nreport = { deadband = 0.5, percent = 1 }\n"
    found = _machine(load, "", tag, more=more)
    assert found["broken wires"] == (True, "watched by NAMUR NE 43: p")
    assert found["kept on change"] == (True, "p (by more than 0.5 bar and 1 %, at least every 10 min)")
    found = _machine(load, "", tag, more='report = "change"\n')
    assert found["kept on change"] == (True, "p (any change, at least every 10 min)")


def test_notes(load: Any) -> None:
    """What is allowed but probably not meant is noted."""
    text = DEVICE + '[[machine]]\nname = "m"\n[models]\nunsigned = true\n[serve]\nmetrics = "0.0.0.0:9464"\n'
    assert [note.split(":")[0] for note in notes(load(text))] == [
        "device plc1 is read by no tag",
        "machine m has no tag",
        "models.unsigned runs models that no release has signed",
        "serve.metrics listens on 0.0.0.0",
    ]
    assert "ISO 20816" in notes(load(DEVICE + '[[machine]]\nname = "m"\n' + TAG.format("v", "vibration", "")))[0]


def test_a_text_is_no_process_value(load: Any, plugins: Any) -> None:
    """Texts and waveforms are nothing that the process model could learn from; a waveform is told its role."""
    kinds = {"h1": ValueKind.STR, "h2": ValueKind.WAVEFORM, "h3": ValueKind.I8}
    plugins["fake"].parse_address = lambda text: SimpleNamespace(kind=kinds[text])
    serial, wave, temp = (
        TAG.format(name, "other", "").replace("h1", at)
        for name, at in (("serial", "h1"), ("wave", "h2"), ("temp", "h3"))
    )
    text = DEVICE + '[[machine]]\nname = "m"\n'
    on = {feature.name: (feature.on, feature.detail) for feature in explain(load(text + serial + wave + temp))}
    assert on["process model"] == (True, "learns from temp")
    config = load(text + serial + wave)
    assert not {feature.name: feature.on for feature in explain(config)}["process model"]
    assert notes(config) == ('m.wave is a waveform: no model looks at it without role = "waveform"',)


def test_two_labels_of_one_name_are_noted(load: Any) -> None:
    """Two values that are called the same cannot be told apart by people, which may be meant or not."""
    tags = TAG.format("s", "state", "") + 'labels = { 0 = "off", 1 = "at work", 2 = "at work" }\n'
    assert notes(load(DEVICE + '[[machine]]\nname = "m"\n' + tags)) == ("m.s: 1 and 2 are both labelled 'at work'",)


ROLES = st.lists(
    st.tuples(
        st.sampled_from(Role), st.sampled_from(["", "g", "mm/s", "MM/S  rms", "m/s"]),
        st.sampled_from([None, ValueKind.F4, ValueKind.STR, ValueKind.WAVEFORM]),
    ),
    max_size=4,
)  # fmt: skip


@given(ROLES, st.booleans(), st.booleans())
def test_it_says_what_the_rooms_do(
    roles: list[tuple[Role, str, ValueKind | None]], classed: bool, limited: bool
) -> None:
    """Whatever tags a machine has, what is said to be on is what the rooms that do it look at."""
    limits = Limits(hi=1.0) if limited else Limits()
    tags = tuple(
        Tag(f"m.t{n}", f"t{n}", "m", role, unit, kind=kind, limits=limits if role is not Role.WAVEFORM else Limits())
        for n, (role, unit, kind) in enumerate(roles)
    )
    machine = Machine("m", tags, iso20816="group2-rigid" if classed else None)
    on = {feature.name: feature.on for feature in explain(SimpleNamespace(mqtt=None, machines=[machine]))}
    layout = Layout.of(TagTable(tags), machine, SimpleNamespace(names=("rms",)), None)
    assert on["vibration model"] == bool(layout.vibration)
    assert on["process model"] == bool(layout.process)
    assert on["ISO 20816 zones"] == any(zone_limits(machine, tag) for tag in tags)
    assert on["limit alarms"] == any(tag.limits for tag in tags)


def test_the_classes_are_those_of_the_alarms() -> None:
    """The classes that the configuration accepts are those that have zones."""
    assert set(ISO_20816) == set(CLASSES)
