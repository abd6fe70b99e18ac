"""`mill-5`: a milling spindle on a belt, that a fan and a coolant pump cool."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from shoptwin.sdk import ValueKind
from shoptwin_plant.model import PlantTag, Setup
from shoptwin_plant.physics.life import DAY
from shoptwin_plant.physics.noise import Wander
from shoptwin_plant.physics.production import Habits, State
from shoptwin_plant.physics.thermal import Thermal
from shoptwin_plant.simulated import RUNNING, Simulated

if TYPE_CHECKING:
    from shoptwin_plant.physics.life import Life

_TOOL_LASTS = 150
"""Parts."""
_FILTER_LASTS = 7 * DAY
"""Seconds between two changes of the coolant's filter."""


class Mill(Simulated):
    """`mill-5`: power, load, temperatures, currents, and the coolant's flow and pressure."""

    name = "mill-5"
    supported = ("fan", "belt-slip", "tool-wear", "friction", "coolant-filter", "pump-wear")
    sensors: ClassVar = {
        "spindle_temp": (18.0, 52.0), "housing_temp": (18.0, 40.0), "ambient": (12.0, 28.0), "power": (0.0, 8.0),
        "load": (0.0, 76.0), "fan_current": (0.0, 1.8), "coolant_flow": (0.0, 20.0), "spindle_speed": (0.0, 7500.0),
    }  # fmt: skip
    twins: ClassVar = {"spindle_temp": "housing_temp"}
    habits = Habits(cycle=90.0, spread=0.06)
    columns = 16
    tags = (
        PlantTag(
            "spindle_temp", "temperature", "degC", limits={"hi": 75, "hihi": 90, "deadband": 2, "on_delay": "30s"}
        ),
        PlantTag("housing_temp", "temperature", "degC"),
        PlantTag("ambient", "ambient", "degC"),
        PlantTag("power", "power", "kW"),
        PlantTag("load", "load", "%"),
        PlantTag("fan_current", "current", "A"),
        PlantTag("parts", "count", "", ValueKind.U8),
        PlantTag("spindle_speed", "speed", "rpm"),
        PlantTag("speed_setpoint", "setpoint", "rpm"),
        PlantTag("axis_current", "current", "A"),
        PlantTag("coolant_flow", "flow", "l/min"),
        PlantTag("coolant_pressure", "pressure", "bar"),
        PlantTag("vib", "vibration", "mm/s"),
    )
    setup = Setup(power_off=1.0, power_idle=3.5)

    thermal = Thermal()
    _orders = ((0.60, 7500.0), (0.52, 6000.0), (0.68, 6800.0))
    """Load and speed in rpm by product."""
    _oil_remembers = 8 * 3600
    _warm = 12.0
    """K above the hall at which the grease of guideways and spindle is as thin as it gets."""

    def __init__(self, seed: int, epoch: int, rate: float = 1.0, life: Life | None = None, stride: int = 1) -> None:
        super().__init__(seed, epoch, rate, life, stride)
        self._cut = Wander(self._orders[0][0], 0.08, 600, stride)
        self._gain = Wander(1.0, self.life.wander, 8 * 3600, stride)
        self._mains = Wander(1.0, self.life.wander / 3, 2 * 3600, stride)
        self._fluid = Wander(1.0, self.life.wander / 2, 4 * 3600, stride)
        self._load = 0.0
        self._air = 1.0
        self._ill: dict[str, float] = {}
        self._ambient = self.hall.at(epoch)
        self._temperature = self.thermal.steady(self._losses(), self._ambient, 1.0)
        self._grease = self._temperature[1]
        self._parts = 0
        self._clogged = 0.0

    def _losses(self) -> float:
        """Return the heat of the spindle in W: friction while it turns, what the load adds, and a belt that slips."""
        belt = 220 * self._ill.get("belt-slip", 0.0)
        heat = {State.PRODUCING: 280 + 850 * self._cut.value**2 + belt, State.IDLE: 280.0 + belt / 4}
        return heat.get(self.state, 0.0)

    def step(self, second: int, now: int, normal: list[float]) -> None:
        """Go on by one stride."""
        self._ill = {fault.kind.name: fault.severity(now) for fault in self.faults.active()}
        self._cut.mean = self._orders[self.product][0]
        cut = self._cut.step(normal[0])
        self._gain.step(normal[7])
        self._mains.step(normal[8])
        self._fluid.step(normal[14])
        self._load = cut * self._force() if self.state is State.PRODUCING else 0.0
        self._ambient = self.hall.at(now)
        self._air = (1 - 0.85 * self._ill.get("fan", 0.0)) if self.state in RUNNING else 0.0
        self._temperature = self.thermal.step(self._temperature, self._losses(), self._ambient, self._air, self.stride)
        self._grease += (self._temperature[1] - self._grease) * self.stride / self._oil_remembers
        self._parts += len(self.schedule.parts(second - self.stride, second)[0])
        usual = 0.08 * (second % _FILTER_LASTS) / _FILTER_LASTS if self.life.weekends else 0.0
        self._clogged = usual + (1 - usual) * self._ill.get("coolant-filter", 0.0)

    def _wear(self) -> float:
        """Return how worn the tool in use is: 0 when new, 1 when it is due to be changed."""
        return (self._parts % _TOOL_LASTS) / _TOOL_LASTS if self.life.weekends else 0.0

    def _force(self) -> float:
        """Return how much more force a worn tool needs than a new one (Kienzle: up to half more)."""
        return 1 + 0.08 * self._wear() + 0.45 * self._ill.get("tool-wear", 0.0)

    def _stiff(self) -> float:
        """Return by how much friction is greater than in a warm machine, as a share."""
        return self.life.cold * min(max(1 - (self._grease - self._ambient) / self._warm, 0.0), 1.0)

    def _power(self) -> float:
        standing = {State.OFF: 0.03, State.STANDBY: 0.5, State.DOWN: 0.7}
        turning = 2.2 * (1 + self._stiff())
        axes = 0.6 * self._ill.get("friction", 0.0) if self.state is State.PRODUCING else 0.0
        produces = 0.4 + 8 * self._load + axes if self.state is State.PRODUCING else 0.0
        return standing.get(self.state, turning + produces)

    def _coolant(self, normal: list[float]) -> tuple[float, float]:
        """Return flow in l/min and pressure in bar, before the filter: a pump's curve against what it feeds."""
        if self.state not in RUNNING:
            return 0.02 * abs(normal[11]), 0.01 * abs(normal[12])
        worn = self._ill.get("pump-wear", 0.0)
        flow = 20.0 * self._fluid.value * (1 - 0.55 * self._clogged) * (1 - 0.35 * worn)
        pressure = 6.0 * (1 + 0.4 * self._clogged) * (1 - 0.4 * worn)
        flutter = 1 + 6 * worn
        return flow + 0.15 * flutter * normal[11], pressure + 0.05 * flutter * normal[12]

    def _vibration(self, normal: list[float]) -> float:
        """Return the rms velocity at the spindle's nose, mm/s: chatter grows with the force and the wear."""
        if self.state not in RUNNING:
            return 0.02 + 0.005 * abs(normal[13])
        worn, slips = self._ill.get("tool-wear", 0.0), self._ill.get("belt-slip", 0.0)
        level = 0.6 + 0.5 * slips + 0.2 * self._ill.get("pump-wear", 0.0)
        if self.state is State.PRODUCING:
            level += 1.6 * self._load + 0.3 * self._wear() + 2.0 * worn
        return level * self._gain.value * (1 + 0.05 * normal[13])

    def values(self, normal: list[float]) -> dict[str, float]:
        """Return what the sensors show."""
        turning, setpoint = self.state in RUNNING, self._orders[self.product][1]
        flow, pressure = self._coolant(normal)
        slips = 0.002 * self._load + 0.06 * self._ill.get("belt-slip", 0.0) * (0.3 + self._load)
        axes = 1.2 if self.state is State.IDLE else 2.4 + 2.0 * self._load if self.state is State.PRODUCING else 0.0
        axes *= self._mains.value * (1 + self._stiff() + 0.6 * self._ill.get("friction", 0.0))
        return {
            "spindle_temp": self._temperature[0] + 0.08 * normal[1],
            "housing_temp": self._temperature[1] + 0.08 * normal[2],
            "ambient": self._ambient + 0.1 * normal[3],
            "power": self._power() * (1 + 0.015 * normal[4]),
            "load": max(0.0, 100 * self._load + (0.8 * normal[5] if turning else 0.0)),
            # a clogged fan moves less air and so needs less: the current falls by a tenth of what the air does
            "fan_current": (0.9 + 0.1 * self._air) * 1.8 * self._mains.value + 0.02 * normal[6] if turning else 0.0,
            "parts": self._parts,
            "spindle_speed": setpoint * (1 - slips) + 4 * normal[9] if turning else 0.0,
            "speed_setpoint": setpoint,
            "axis_current": axes * (1 + 0.03 * normal[10]),
            "coolant_flow": max(flow, 0.0),
            "coolant_pressure": max(pressure, 0.0),
            "vib": self._vibration(normal),
        }
