"""What the plant is asked for, and what it says once it serves."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class PlantOptions:
    """How to run the plant."""

    seed: int = 1
    rate: float = 1.0
    """Plant seconds a real second."""
    epoch: int | None = None
    """Plant time at the start, ns UTC. None: now for simulated machines, the first row's time for recordings."""
    calendar: bool = False
    """Whether simulated machines have weekends, orders for several products, seasons and cold starts."""
    recordings: tuple[Path, ...] = ()
    """Directories of recordings to serve; empty: the three simulated machines."""
    modbus_port: int = 0
    """0: any free port."""
    opcua_port: int = 0
    rtu: bool = False
    """Whether to serve Modbus RTU on a pseudo terminal as well."""
    directory: Path | None = None
    """Where to write a ready-made shoptwin.toml: a directory, or the file itself (`.toml`)."""
    exit_at_end: bool = False
    """Whether `serve` returns once all recordings have ended."""
    delay: float = 0.0
    """Real seconds between being ready and `epoch`, for clients to connect before a fast recording starts."""
    linger: float = 2.0
    """Real seconds for which the last values are still served before `exit_at_end` ends the plant."""


@dataclass(frozen=True, slots=True)
class ClockInfo:
    """Plant time = epoch + (wall time - origin) * rate."""

    epoch: str
    origin: str
    rate: float


@dataclass(frozen=True, slots=True)
class TagInfo:
    """Where one tag is served; empty where it is not (a waveform has no registers)."""

    name: str
    role: str
    unit: str
    modbus: str
    opcua: str
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class MachineInfo:
    """One machine and its tags. Recorded times are served moved by `shift` seconds."""

    name: str
    tags: tuple[TagInfo, ...]
    start: str = ""
    """Plant time of the first row of a recording, ISO 8601."""
    end: str = ""
    shift: float = 0.0
    rows: int = 0

    def tag(self, name: str) -> TagInfo:
        """Return the tag of this name; KeyError where there is none."""
        for tag in self.tags:
            if tag.name == name:
                return tag
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class PlantInfo:
    """Where the plant can be reached. `as_dict()` is JSON."""

    modbus: str
    rtu: str
    """Path of the pseudo terminal, empty where there is none."""
    opcua: str
    control: str
    """HOST:PORT of the control port."""
    clock: ClockInfo
    machines: tuple[MachineInfo, ...]
    config: str = ""
    """Path of the ready-made configuration, where one was asked for."""

    def machine(self, name: str) -> MachineInfo:
        """Return the machine of this name; KeyError where there is none."""
        for machine in self.machines:
            if machine.name == name:
                return machine
        raise KeyError(name)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain dicts, lists and texts."""
        return asdict(self)
