"""[[machine.bearing]] and [[machine.gear]]: what they mean, what is wrong with them, what they switch on."""

from __future__ import annotations

import pytest

from shoptwin import config
from shoptwin.config.turning import turning
from shoptwin.domain.errors import ConfigError

MACHINE = """
[[machine]]
name = "m"

{parts}

[[machine.tag]]
name = "acc"
role = "waveform"
unit = "g"

[[machine.tag]]
name = "speed"
role = "speed"
unit = "{unit}"
"""


@pytest.fixture
def machine(tmp_path):
    def make(parts, unit="rpm"):
        path = tmp_path / "machine.toml"
        path.write_text(MACHINE.format(parts=parts, unit=unit))
        [made] = config.load_machines(path)
        return made

    return make


def bearing(**keys):
    return "[[machine.bearing]]\n" + "\n".join(f"{k} = {v!r}".replace("'", '"') for k, v in keys.items())


GEOMETRY = {"name": "drive end", "balls": 9, "ball_diameter": 7.94, "pitch_diameter": 39.04}


def test_geometry_gives_the_orders_of_the_data_sheet(machine):
    """A 6205 has the defect frequencies that its maker lists, in orders of its shaft."""
    [made] = machine(bearing(**GEOMETRY)).bearings
    assert made.orders == pytest.approx((3.585, 5.415, 2 * 2.357, 0.3983), rel=1e-3)


def test_orders_can_be_given_directly(machine):
    """Orders of the data sheet stand in for the geometry; a ratio turns them into orders of the speed tag."""
    [made] = machine(bearing(name="de", bpfo=3.585, bpfi=5.415, bsf=2.357, ftf=0.3983, ratio=0.5)).bearings
    assert made.orders == pytest.approx((1.7925, 2.7075, 2.357, 0.19915))


def test_a_gear_meshes_teeth_times_its_own_turns(machine):
    """The mesh of a wheel is teeth times ratio."""
    [made] = machine('[[machine.gear]]\nname = "wheel"\nteeth = 80\nratio = 0.4').gears
    assert (made.mesh, made.ratio) == (32.0, 0.4)


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        (bearing(name="de"), "needs the key 'balls'"),
        (bearing(name="de", balls=9, ball_diameter=7.9), "needs the key 'pitch_diameter'"),
        (bearing(name="de", bpfo=3.5), "needs the key 'bpfi'"),
        (bearing(**GEOMETRY, bpfo=3.5), "cannot stand beside 'balls'"),
        (bearing(**GEOMETRY | {"ball_diameter": 50.0}), "not below pitch_diameter"),
        (bearing(**GEOMETRY | {"balls": 2}), "at least 3"),
        (bearing(**GEOMETRY, contact_angle=95.0), "in degrees, below 90"),
        (bearing(**GEOMETRY, ratio=0.0), "a number above 0"),
        (bearing(**GEOMETRY | {"name": "a:b"}), "without a colon"),
        (bearing(**GEOMETRY) + "\n" + bearing(**GEOMETRY), "already the name of a bearing"),
        (bearing(**GEOMETRY, pitch=1), "is not a known key"),
        ('[[machine.gear]]\nname = "g"\nteeth = 1', "at least 2"),
        ('[[machine.gear]]\nname = "g"', "needs the key 'teeth'"),
    ],
)
def test_what_is_wrong_is_told_with_its_cure(machine, parts, told):
    """A bearing or gear that cannot be used is an error that names the key and what to write."""
    with pytest.raises(ConfigError) as error:
        machine(parts)
    assert told in str(error.value)


def test_check_tells_what_they_switch_on(machine):
    """With speed and geometry orders and parts are on; without, what is lacking is told."""
    on = {f.name: (f.on, f.detail) for f in turning(machine(bearing(**GEOMETRY)))}
    assert on["parts of bearings"] == (True, "drive end")
    assert on["orders of the shaft"][0]
    off = {f.name: (f.on, f.detail) for f in turning(machine("", unit="m/s"))}
    assert off["orders of the shaft"] == (False, "give speed a unit of turning, rpm or Hz: it is m/s")
    assert "[[machine.bearing]]" in off["parts of bearings"][1]
    assert "gear mesh" not in off
