"""Severity zones of ISO 20816-3:2022 (before: ISO 10816-3:2009), Tables A.1 and A.2: velocity in mm/s RMS, 10-1000 Hz.

Zone A: as newly commissioned. B: fit for unrestricted long-term operation. C: fit for a limited time, until there is an
opportunity to act. D: severe enough to damage the machine. The zones are meant for steady operation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from shoptwin.domain.errors import ConfigError
from shoptwin.domain.tag import Role
from shoptwin.domain.timing import MINUTE, SECOND

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shoptwin.domain.machine import Machine
    from shoptwin.domain.tag import Tag

SOURCE = "ISO 20816-3"
DELAY = 10 * SECOND
"""A run-up is no severity: a zone has to be reached for this long before it counts."""
OFF_DELAY = 5 * MINUTE
"""The zones are meant for steady operation: a machine that is unloaded for a while is not better for it."""
DEADBAND = 0.05
"""Share of a boundary by which a value must be below it to have left the zone; ours, the standard gives none."""


class Boundaries(NamedTuple):
    """Upper ends of the zones A, B and C, in mm/s RMS."""

    ab: float
    bc: float
    cd: float


CLASSES: Mapping[str, Boundaries] = {
    "group1-rigid": Boundaries(2.3, 4.5, 7.1),
    "group1-flexible": Boundaries(3.5, 7.1, 11.0),
    "group2-rigid": Boundaries(1.4, 2.8, 4.5),
    "group2-flexible": Boundaries(2.3, 4.5, 7.1),
}
"""Group 1: above 300 kW, or shaft height from 315 mm; group 2: 15 to 300 kW, or shaft height from 160 to 315 mm."""

_MM_S = {"mm/s": 1.0, "mm/s rms": 1.0, "m/s": 1000.0, "m/s rms": 1000.0, "in/s rms": 25.4, "ips rms": 25.4}
"""Millimetres a second in one unit. A bare in/s is left out: it customarily is a peak, and the zones are of RMS."""


_ACCELERATION = {"g": 9806.65, "g rms": 9806.65, "m/s2": 1000.0, "m/s²": 1000.0, "m/s^2": 1000.0, "mm/s2": 1.0}
"""Millimetres a second in one unit times a second."""


def boundaries(machine_class: str) -> Boundaries:
    """Return the boundaries of a class.

    Raises:
        ConfigError: there is no such class.
    """
    try:
        return CLASSES[machine_class]
    except KeyError:
        raise ConfigError(f"There is no ISO 20816-3 class {machine_class!r}", f"Use {', '.join(CLASSES)}.") from None


def zone(value: float, machine_class: str) -> str:
    """Return the zone `A`, `B`, `C` or `D` of a velocity in mm/s RMS; a boundary itself belongs to the better zone.

    Raises:
        ConfigError: there is no such class.
    """
    return "ABCD"[sum(value > boundary for boundary in boundaries(machine_class))]


def zone_limits(machine: Machine, tag: Tag) -> Mapping[str, float]:
    """Return `zone-c` and `zone-d` in the tag's unit where the zones apply to it, nothing where they do not.

    They apply to a vibration level in mm/s, m/s or in/s RMS without limits of its own, on a machine with a class.

    Raises:
        ConfigError: the machine's class does not exist.
    """
    if machine.iso20816 is None or tag.role is not Role.VIBRATION or tag.limits:
        return {}
    limits, factor = boundaries(machine.iso20816), _MM_S.get(" ".join(tag.unit.lower().split()))
    return {} if factor is None else {"zone-c": limits.bc / factor, "zone-d": limits.cd / factor}


def velocity_limits(machine: Machine, tag: Tag) -> Mapping[str, float]:
    """Return `zone-c` and `zone-d` of the RMS velocity of a waveform of acceleration, in its unit times seconds.

    Nothing where the tag is none, or the machine has no class. No alarm is raised by them.

    Raises:
        ConfigError: the machine's class does not exist.
    """
    if machine.iso20816 is None or tag.role is not Role.WAVEFORM:
        return {}
    limits, factor = boundaries(machine.iso20816), _ACCELERATION.get(" ".join(tag.unit.lower().split()))
    return {} if factor is None else {"zone-c": limits.bc / factor, "zone-d": limits.cd / factor}
