"""`packer-2`: fills and seals bags; a bag is bad when heat or pressure of the seal were off."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from shoptwin.sdk import ValueKind
from shoptwin_plant.model import PlantTag, Setup
from shoptwin_plant.physics.noise import Wander
from shoptwin_plant.physics.production import Habits, State, reject_probability
from shoptwin_plant.simulated import Simulated, state_codes

if TYPE_CHECKING:
    from shoptwin_plant.physics.life import Life


class Packer(Simulated):
    """`packer-2`: fills and seals bags; a bag is bad when heat or pressure of the seal were off."""

    name = "packer-2"
    supported = ("heater", "leak", "more-rejects")
    sensors: ClassVar = {"seal_temp": (60.0, 168.0), "pressure": (0.0, 6.1), "power": (0.0, 4.3)}
    habits = Habits(cycle=1.5, spread=0.05, stop_every=2 * 3600, stop=180)
    tags = (
        PlantTag("count", "count", "", ValueKind.U8),
        PlantTag("rejects", "reject", "", ValueKind.U8),
        PlantTag("state", "state", "", ValueKind.U8),
        PlantTag("power", "power", "kW"),
        PlantTag("seal_temp", "temperature", "degC"),
        PlantTag("seal_setpoint", "setpoint", "degC"),
        PlantTag("pressure", "pressure", "bar", limits={"lo": 5.2, "lolo": 4.8, "deadband": 0.1, "on_delay": "20s"}),
    )
    setup = Setup(states=state_codes())

    _orders = (165.0, 158.0, 170.0)
    """Setpoint of the seal in degC by product."""
    _tolerable: ClassVar[tuple[float, float]] = (6.0, 0.45)
    """Deviations of temperature (K) and pressure (bar) at which the odds of a bad bag have grown by e."""

    def __init__(self, seed: int, epoch: int, rate: float = 1.0, life: Life | None = None, stride: int = 1) -> None:
        super().__init__(seed, epoch, rate, life, stride)
        self._heat = Wander(0.0, 1.2, 90, stride)
        self._air = Wander(6.0, 0.06, 60, stride)
        self._net = Wander(0.0, 3 * self.life.wander, 2 * 3600, stride)
        # the bar's 60 s, a second at a time, and what that comes to in a longer stride
        self._follows = 1 / 60 if stride == 1 else 1 - math.exp(-stride / 60)
        self._temperature = self.setpoint
        self._pressure = 6.0
        self._leak = 0.0
        self._count = 0
        self._rejects = 0

    @property
    def setpoint(self) -> float:
        """The seal's, degC."""
        return self._orders[self.product]

    def step(self, second: int, now: int, normal: list[float]) -> None:
        """Go on by one stride."""
        self._leak = self.severity("leak", now)
        wander, air = self._heat.step(normal[0]), self._air.step(normal[1])
        hot = self.state not in {State.OFF, State.STANDBY}
        target = self.setpoint + wander - 25 * self.severity("heater", now) if hot else 60.0
        self._temperature += (target - self._temperature) * self._follows
        self._pressure = (
            air + self._net.step(normal[5]) - 1.3 * self._leak
        )  # of the hall's net, which stays up at night
        self._make(second, 4.0 * self.severity("more-rejects", now))

    def _make(self, second: int, extra: float) -> None:
        """Count the bags of the last stride, and the bad ones."""
        parts, luck = self.schedule.parts(second - self.stride, second)
        if len(parts):
            heat = (self._temperature - self.setpoint) / self._tolerable[0]
            pressure = (self._pressure - 6.0) / self._tolerable[1]
            self._count += len(parts)
            self._rejects += int((luck < reject_probability(heat, pressure, extra)).sum())

    def values(self, normal: list[float]) -> dict[str, float]:
        """Return what the sensors show."""
        power = {State.OFF: 0.02, State.STANDBY: 0.4, State.DOWN: 1.1, State.IDLE: 1.6, State.PRODUCING: 4.2}
        compressor = 1.4 * self._leak if self.state is not State.OFF else 0.0
        return {
            "count": self._count,
            "rejects": self._rejects,
            "state": int(self.state),
            "power": (power[self.state] + compressor) * (1 + 0.02 * normal[2]),
            "seal_temp": self._temperature + 0.15 * normal[3],
            "seal_setpoint": self.setpoint,
            "pressure": max(0.0, self._pressure + 0.02 * normal[4]),
        }
