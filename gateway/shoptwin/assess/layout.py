"""What of a machine is looked at: which tags make which observed values, worked out once from its configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shoptwin.assess.names import CLIPPED, CONTEXTS, IGNORED, RATE, STATE, VALUE, Name
from shoptwin.assess.symptoms import STILL, Kinematics
from shoptwin.domain.tag import Role

if TYPE_CHECKING:
    from shoptwin.assess.temperatures import TemperatureFeatures
    from shoptwin.assess.waveforms import WaveformFeatures
    from shoptwin.domain.machine import Machine
    from shoptwin.domain.tag import Tag, TagTable

DRIVING = (Role.LOAD, Role.POWER, Role.CURRENT)
"""What heats a machine: the first of these roles that it has."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Indices are those of the TagTable; names are those of the observations."""

    machine: Machine
    tags: dict[int, Tag]
    waveforms: tuple[int, ...]
    scalars: tuple[int, ...]
    """Tags that the process indicator looks at."""
    regimes: tuple[int, ...]
    """Tags that tell the regime of the vibration."""
    temperatures: tuple[int, ...]
    ambient: int | None
    load: int | None
    process: tuple[str, ...]
    """Names of the process observation; empty where there is nothing to judge."""
    vibration: tuple[str, ...]
    kinematics: Kinematics = STILL

    @classmethod
    def of(
        cls, table: TagTable, machine: Machine, waves: WaveformFeatures | None, warmth: TemperatureFeatures | None
    ) -> Layout:
        """Lay out a machine; without a shipped model its features are left out."""
        tags = {i: table[i] for i in table.of_machine(machine.name)}

        def having(*roles: Role) -> tuple[int, ...]:
            return tuple(i for role in roles for i, tag in tags.items() if tag.role is role)

        waveforms = having(Role.WAVEFORM) if waves else ()
        scalars = tuple(i for i, tag in tags.items() if tag.role not in IGNORED and tag.numeric)
        if all(tags[i].role in CONTEXTS or (tags[i].role is Role.SPEED and waveforms) for i in scalars):
            scalars = ()
        regimes, kinematics = having(Role.LOAD, Role.SPEED), Kinematics.of(machine)
        ambient, load = next(iter(having(Role.AMBIENT)), None), next(iter(having(*DRIVING)), None)
        temperatures = having(Role.TEMPERATURE) if warmth else ()
        more = warmth.names(ambient=ambient is not None, load=load is not None) if warmth else ()
        process = [str(Name(tags[i].role, tags[i].name, VALUE)) for i in scalars]
        process += [str(Name(Role.TEMPERATURE, tags[i].name, f)) for i in temperatures for f in more]
        vibration = [
            str(Name(Role.WAVEFORM, tags[i].name, f))
            for i in waveforms
            for f in (*(waves.names if waves else ()), *kinematics.names)
        ]
        vibration += [str(Name(Role.WAVEFORM, tags[i].name, f)) for i in waveforms for f in (RATE, CLIPPED)]
        vibration += [str(Name(tags[i].role, tags[i].name, VALUE)) for i in regimes]
        return cls(
            machine, tags, waveforms, scalars, regimes, temperatures, ambient, load,
            (*process, STATE) if scalars else (), (*vibration, STATE) if waveforms else (),
            kinematics,
        )  # fmt: skip

    @property
    def indicators(self) -> tuple[str, ...]:
        """What is judged of this machine."""
        return tuple(i for i, names in (("vibration", self.vibration), ("process", self.process)) if names)
