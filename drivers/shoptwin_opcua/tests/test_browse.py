"""Browsing real servers: trees, units, labels, cycles, limits, machines that describe themselves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptwin.sdk import BadAddress, BrowseWish, Role, ValueKind, Walkable
from shoptwin.testing.watch_opcua import OpcUaWatch
from shoptwin_opcua.discovery.roles import guess
from shoptwin_opcua.space.units import code, unit

if TYPE_CHECKING:
    from shoptwin.sdk import TagCandidate

OURS = "nsu=urn:shoptwin:test;s="


async def walked(connection: Any, *wish: Any, **more: Any) -> list[TagCandidate]:
    """Return all that a walk yields."""
    assert isinstance(connection, Walkable)
    return [each async for some in connection.walk(BrowseWish(*wish, **more)) for each in some]


async def test_a_tree(serve, connected):
    """A walk tells each thing before what lies in it, with type, unit, range, labels, rate, value now and a guess."""
    async with connected(serve(companion=True)) as connection:
        found = await walked(connection)
    by_address = {each.address: each for each in reversed(found)}
    met: set[tuple[str, ...]] = {()}
    for each in found:
        assert each.path in met
        met.add((*each.path, each.name))
    current = by_address[f"{OURS}Presse 3.Stromaufnahme"]
    assert current.path == ("Presse 3",)
    assert (current.kind, current.unit, current.span, current.sample) == (ValueKind.F8, "A", (0.0, 60.0), "17.25")
    assert (current.role, current.why) == (Role.CURRENT, "unit A")
    vibration = by_address[f"{OURS}Presse 3.Schwingung Lager A"]
    assert (vibration.role, vibration.unit) == (Role.VIBRATION, "mm/s")
    state = by_address[f"{OURS}Presse3.Zustand"]
    assert state.labels == ((0, "aus"), (1, "Stillstand"), (2, "läuft"))
    assert (state.kind, state.sample, state.role) == (ValueKind.I8, "2 (läuft)", Role.STATE)
    wave = by_address[f"{OURS}Wave"]
    assert (wave.kind, wave.rate, wave.role) == (ValueKind.WAVEFORM, 25600, Role.WAVEFORM)
    mode = by_address[f"{OURS}Mill-7-Monitoring-MachineTool-OperationMode"]
    assert mode.kind is ValueKind.I8
    assert dict(mode.labels)[1] == "Automatic"
    serial = by_address[f"{OURS}Mill-7-Identification-SerialNumber"]
    assert (serial.describes, serial.role) == (True, None)
    assert by_address[f"{OURS}Mill-7"].type == "MachineToolType"
    assert "i=2253" not in by_address  # what the server tells of itself
    doubtful = by_address[f"{OURS}Uncertain"]
    assert (doubtful.sample, doubtful.doubt) == ("3.5", "UncertainLastUsableValue")
    assert not current.doubt


async def test_a_way_round_ends(serve, connected):
    """A folder that lists what it lies in is told, and not walked through again."""
    async with connected(serve(companion=True)) as connection:
        found = await walked(connection, f"{OURS}Presse3")
    again = [each for each in found if each.again]
    assert [(each.name, each.path) for each in again] == [("Presse 3", ("Linie",))]
    assert len(found) < 10


async def test_depth_and_place(serve, connected):
    """A walk begins where it is told to, and goes as deep as it is told to."""
    async with connected(serve(companion=True)) as connection:
        top = await walked(connection, depth=1)
        two = await walked(connection, depth=2)
        inside = await walked(connection, f"{OURS}Mill-7-Monitoring")
        with pytest.raises(BadAddress, match="BadNodeIdUnknown"):
            await walked(connection, f"{OURS}Nowhere")
        with pytest.raises(BadAddress, match="namespace"):
            await walked(connection, "nsu=urn:elsewhere;s=x")
    assert {len(each.path) for each in top} == {0}
    assert {len(each.path) for each in two} == {0, 1}
    assert any(each.sample for each in two)
    assert {each.name for each in inside if each.is_value} == {"OperationMode", "Temperature", "Drehzahl"}


async def test_only_what_is_wanted_is_read(serve, connected):
    """Values that nobody wants are left out and not read; without values none is, and the types tell the kinds."""
    server = serve(plant=10_000)
    async with (
        OpcUaWatch(server.port) as watch,
        connected(server, url=f"opc.tcp://127.0.0.1:{watch.port}") as connection,
    ):
        found = await walked(connection, f"{OURS}Cell3", wanted=lambda each: each.unit == "degC")
        assert {each.unit for each in found} == {"degC"}
        assert all(each.sample for each in found)
        bare = await walked(connection, f"{OURS}Cell3", values=False)
        assert len(bare) == 100
        assert not any(each.sample for each in bare)
        assert {each.kind for each in bare} == {ValueKind.F8}
        assert not watch.outside


async def test_ten_thousand_nodes(serve, connected):
    """Ten thousand variables come once each and in order, in few requests, and as they are found."""
    server = serve(plant=10_000)
    async with connected(server) as connection:
        before = connection.talk().requests
        parts = [some async for some in connection.walk(BrowseWish())]
        asked = connection.talk().requests - before
    found = [each for some in parts for each in some if each.unit]
    assert [each.name for each in found if each.path[0].startswith("Cell")] == [f"Value {i}" for i in range(10_000)]
    assert max(map(len, parts)) < 1000
    assert asked < 400


async def test_small_limits(serve, connected):
    """A server that takes ten nodes a read and five a browse, and gives few references at a time, is walked through."""
    server = serve(companion=True, max_nodes_per_read=10, max_nodes_per_browse=5, references_per_node=3)
    async with connected(server) as connection:
        found = await walked(connection)
    async with connected(serve(companion=True)) as connection:
        wanted = await walked(connection)
    assert [each.address for each in found] == [each.address for each in wanted]


async def test_addresses_outlive_a_re_index(serve, connected):
    """What a walk prints is found again when the namespaces stand at other indices."""
    async with connected(serve()) as connection:
        before = {each.address for each in await walked(connection)}
    async with connected(serve(own="moved", namespaces=5)) as connection:
        after = {each.address for each in await walked(connection)}
        assert await walked(connection, f"{OURS}Machine", depth=1)
    assert before == after


async def test_machines(serve, connected):
    """Machines of companion specifications are found with who made them and where their measurements lie."""
    async with connected(serve(companion=True)) as connection:
        (mill,) = await connection.machines()
    assert (mill.name, mill.type, mill.specification) == ("Mill-7", "MachineToolType", "MachineTool")
    assert mill.identification == {
        "Manufacturer": "Acme Werkzeugmaschinen", "Model": "M 700", "SerialNumber": "0815-4711",
    }  # fmt: skip
    assert mill.monitoring == f"{OURS}Mill-7-Monitoring"
    async with connected(serve()) as connection:
        assert list(await connection.machines()) == []


async def test_a_walk_that_is_left_leaves_nothing(serve, connected):
    """A walk that is given up leaves the connection as good as before."""
    async with connected(serve(plant=10_000)) as connection:
        walk = connection.walk(BrowseWish())
        async with asyncio.timeout(5):
            await anext(walk)
        await walk.aclose()
        assert await connection.browse()


@pytest.mark.parametrize(
    ("name", "measured", "kind", "role"),
    [
        ("SpindleTemp", "degC", ValueKind.F4, Role.TEMPERATURE),
        ("Temperatur_Lager1", "", ValueKind.F4, Role.TEMPERATURE),
        ("Umgebungstemperatur", "degC", ValueKind.F8, Role.AMBIENT),
        ("Solltemperatur", "degC", ValueKind.F8, Role.SETPOINT),
        ("rTemperature_Setpoint", "degC", ValueKind.F4, Role.SETPOINT),
        ("Motorstrom", "", ValueKind.F4, Role.CURRENT),
        ("I_L1", "A", ValueKind.F4, Role.CURRENT),
        ("Wirkleistung", "kW", ValueKind.F4, Role.POWER),
        ("Leistung", "kWh", ValueKind.F8, None),
        ("PowerOnTime", "h", ValueKind.F8, None),
        ("PowerOnTime", "", ValueKind.U8, None),
        ("CurrentProgram", "", ValueKind.I8, None),
        ("Drehzahl", "", ValueKind.I8, Role.SPEED),
        ("Spindle.ActSpeed", "rpm", ValueKind.F8, Role.SPEED),
        ("Achse X", "mm/s", ValueKind.F8, None),
        ("Schwingung A", "mm/s", ValueKind.F8, Role.VIBRATION),
        ("vib_velocity", "mm/s", ValueKind.F8, Role.VIBRATION),
        ("Gewicht", "g", ValueKind.F8, None),
        ("Auslastung", "%", ValueKind.F8, Role.LOAD),
        ("Füllstand", "%", ValueKind.F8, None),
        ("Hydraulikdruck", "bar", ValueKind.F8, Role.PRESSURE),
        ("Durchfluss", "l/min", ValueKind.F8, Role.FLOW),
        ("Stückzähler", "", ValueKind.U8, Role.COUNT),
        ("Hübe", "", ValueKind.U8, Role.COUNT),
        ("PartCount", "pcs", ValueKind.U8, Role.COUNT),
        ("Ausschuss", "", ValueKind.U8, Role.REJECT),
        ("Betriebsart", "", ValueKind.I8, Role.STATE),
        ("Maschinenzustand", "", ValueKind.STR, Role.STATE),
        ("Temperatur OK", "", ValueKind.BOOL, None),
        ("Beschleunigung", "m/s2", ValueKind.WAVEFORM, Role.WAVEFORM),
        ("X1", "", ValueKind.F8, None),
    ],
)
def test_guesses(name, measured, kind, role):
    """Unit, name in English or German, and type suggest a role; where they do not go together, none is."""
    assert guess(("Machine", name), measured, kind)[0] is role


def test_a_guess_from_above():
    """Where the name of a value says nothing, that of what it lies in may."""
    assert guess(("Motor", "Temperatur", "Istwert"), "", ValueKind.F4)[0] is Role.TEMPERATURE
    assert guess(("Temperatur", "Motor", "Istwert"), "", ValueKind.F4)[0] is None


@given(st.lists(st.text()), st.text(), st.sampled_from(ValueKind) | st.none(), st.booleans())
def test_any_names(names, measured, kind, labelled):
    """Whatever a server calls things, a guess is a role with its reason, or none without."""
    role, why = guess(names, measured, kind, labelled=labelled)
    assert (role is None) == (not why)


@pytest.mark.parametrize(
    ("unit_id", "name", "namespace", "written"),
    [
        (4408652, "Grad Celsius", "http://www.opcfoundation.org/UA/units/un/cefact", "degC"),
        (4403510, "", "http://www.opcfoundation.org/UA/units/un/cefact", "mm/s"),
        (5394509, "r/min", "http://www.opcfoundation.org/UA/units/un/cefact", "rpm"),
        (4408652, "widgets", "http://vendor.example/units", "widgets"),
        (-1, "°C", "", "degC"),
        (0, "U/min", "", "rpm"),
        (0, " furlong ", "", "furlong"),
    ],
)
def test_units(unit_id, name, namespace, written):
    """Units are known by their UNECE code, else by what is displayed; unknown ones stay as they are displayed."""
    assert unit(unit_id, name, namespace) == written


@given(st.integers(-(2**31), 2**31 - 1), st.text())
def test_any_unit(unit_id, name):
    """Whatever number a server has for its unit, there is a unit; a code is letters and digits."""
    assert unit(unit_id, name) is not None
    assert code(unit_id) == "" or code(unit_id).isalnum()
