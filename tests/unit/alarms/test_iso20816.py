"""The zones of ISO 20816-3."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shoptwin.alarms.iso20816 import CLASSES, velocity_limits, zone, zone_limits
from shoptwin.alarms.thresholds import all_limits
from shoptwin.config.forms import ISO_20816
from shoptwin.domain.errors import ConfigError
from shoptwin.domain.machine import Machine
from shoptwin.domain.tag import Limits, Role, Tag

TAG = Tag("v", "vib", "m", Role.VIBRATION, "mm/s")
MACHINE = Machine("m", (TAG,), iso20816="group1-flexible")


@pytest.mark.parametrize(
    ("machine_class", "figures"),
    [
        ("group1-rigid", (2.3, 4.5, 7.1)),
        ("group1-flexible", (3.5, 7.1, 11.0)),
        ("group2-rigid", (1.4, 2.8, 4.5)),
        ("group2-flexible", (2.3, 4.5, 7.1)),
    ],
)
def test_the_boundaries_are_those_of_the_standard(machine_class: str, figures: tuple[float, float, float]) -> None:
    """A boundary itself belongs to the better zone, anything beyond it to the worse one."""
    for boundary, better, worse in zip(figures, "ABC", "BCD", strict=True):
        assert zone(boundary, machine_class) == better
        assert zone(boundary + 0.01, machine_class) == worse


def test_a_class_that_does_not_exist_names_those_that_do() -> None:
    """The error says what may be written."""
    with pytest.raises(ConfigError, match=r"group9.*group1-rigid, group1-flexible"):
        zone(1.0, "group9")


def test_the_configuration_offers_exactly_these_classes() -> None:
    """What may be configured can be judged, and the other way round."""
    assert set(ISO_20816) == set(CLASSES)


@pytest.mark.parametrize(
    ("unit", "factor"), [("mm/s", 1.0), ("mm/s RMS", 1.0), (" mm/s  rms ", 1.0), ("m/s", 1000.0), ("in/s RMS", 25.4)]
)
def test_zones_come_in_the_unit_of_the_tag(unit: str, factor: float) -> None:
    """The zones are converted to what the sensor delivers."""
    limits = zone_limits(MACHINE, replace(TAG, unit=unit))
    assert limits == {"zone-c": pytest.approx(7.1 / factor), "zone-d": pytest.approx(11.0 / factor)}


@pytest.mark.parametrize(
    "tag",
    [
        replace(TAG, unit="g"),
        replace(TAG, unit=""),
        replace(TAG, unit="in/s"),
        replace(TAG, role=Role.WAVEFORM),
        replace(TAG, role=Role.SPEED),
        replace(TAG, limits=Limits(hi=5)),
    ],
)
def test_zones_are_left_out_where_they_would_be_a_guess(tag: Tag) -> None:
    """Another quantity, a bare in/s (customarily a peak), another role or limits of its own: no zones."""
    assert zone_limits(MACHINE, tag) == {}


def test_a_machine_without_a_class_has_no_zones() -> None:
    """Without a class nothing is known of what the machine bears."""
    assert zone_limits(replace(MACHINE, iso20816=None), TAG) == {}


def test_the_velocity_of_a_waveform_has_zones_in_its_own_unit() -> None:
    """By g or m/s2 times seconds, for doubts about what was learned; none of another unit, role, or without a class."""
    wave = replace(TAG, role=Role.WAVEFORM, unit="g")
    assert velocity_limits(MACHINE, wave)["zone-d"] * 9806.65 == pytest.approx(11.0)
    assert velocity_limits(MACHINE, replace(wave, unit="m/s2"))["zone-c"] * 1000 == pytest.approx(7.1)
    for machine, tag in (
        (MACHINE, TAG), (MACHINE, replace(wave, unit="V")), (replace(MACHINE, iso20816=None), wave)
    ):  # fmt: skip
        assert velocity_limits(machine, tag) == {}


def test_all_limits_of_a_machine() -> None:
    """Limits that were configured, zones of levels and zones of waveforms, by tag."""
    temperature = Tag("t", "temp", "m", Role.TEMPERATURE, "degC", limits=Limits(hi=80))
    machine = replace(MACHINE, tags=(TAG, temperature, replace(TAG, name="acc", role=Role.WAVEFORM, unit="m/s2")))
    assert [(tag, condition) for tag, condition, _ in all_limits(machine)] == [
        ("vib", "zone-c"), ("vib", "zone-d"), ("temp", "hi"), ("acc", "zone-c"), ("acc", "zone-d"),
    ]  # fmt: skip
