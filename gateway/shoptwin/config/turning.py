"""What is told of a machine by what turns in it: orders of its shaft, bearings, gears."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoptwin.config.feature import Feature
from shoptwin.domain.kinematics import turns
from shoptwin.domain.tag import Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shoptwin.domain.machine import Machine
    from shoptwin.domain.tag import Tag

_WAVEFORM = 'add a tag with role = "waveform"'
_SPEED = 'add a tag with role = "speed" and unit = "rpm"'


def turning(machine: Machine) -> Iterator[Feature]:
    """Yield what is on of a machine with waveforms, or with bearings or gears; others lack nothing."""
    waves = any(tag.role is Role.WAVEFORM for tag in machine.tags)
    if not (waves or machine.bearings or machine.gears):
        return
    speed = _speed(machine)
    lacks = [] if waves else [_WAVEFORM]
    lacks += [] if speed else [_without_speed(machine)]
    on = f"imbalance, misalignment and looseness are told apart by {speed.name}" if speed else ""
    yield Feature(machine.name, "orders of the shaft", not lacks, on if not lacks else ", and ".join(lacks))
    named = ", ".join(bearing.name for bearing in machine.bearings)
    wanted = [*lacks, *([] if named else ["give the bearings their geometry: [[machine.bearing]]"])]
    yield Feature(machine.name, "parts of bearings", not wanted, ", and ".join(wanted) or named)
    if machine.gears:  # not every machine has some
        gears = ", ".join(gear.name for gear in machine.gears)
        yield Feature(machine.name, "gear mesh", not lacks, ", and ".join(lacks) or gears)


def _speed(machine: Machine) -> Tag | None:
    return next((t for t in machine.tags if t.role is Role.SPEED and turns(t.unit) is not None), None)


def _without_speed(machine: Machine) -> str:
    tag = next((t for t in machine.tags if t.role is Role.SPEED), None)
    if tag is None:
        return _SPEED
    return f"give {tag.name} a unit of turning, rpm or Hz: it is {tag.unit or 'not given'}"
