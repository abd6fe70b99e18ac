"""`press-3`: a press on a rolling bearing and a gear, watched by an accelerometer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from shoptwin.sdk import ValueKind
from shoptwin_plant.clock import SECOND
from shoptwin_plant.model import PlantTag, Setup, Update
from shoptwin_plant.physics import bearing
from shoptwin_plant.physics.noise import Wander
from shoptwin_plant.physics.production import Habits, State
from shoptwin_plant.physics.thermal import Thermal
from shoptwin_plant.simulated import RUNNING, Simulated

if TYPE_CHECKING:
    from shoptwin_plant.physics.life import Life

_BURST_EVERY = 10
"""Plant seconds between two bursts of the accelerometer."""
_BURSTS = 4
"""Bursts a real second at most."""
_AMPERES = 1000 / (math.sqrt(3) * 400)
"""A phase's active current in A for each kW."""
_MAGNETISING = 22.0
"""A"""
_CONDITION = {
    "bearing-outer": "outer", "bearing-inner": "inner", "bearing-ball": "ball", "bearing-cage": "cage",
    "imbalance": "imbalance", "misalignment": "misalignment", "looseness": "looseness", "gear-tooth": "tooth",
    "lubrication": "dry", "rotor-bar": "bars", "phase-imbalance": "phases",
}  # fmt: skip
"""Fault -> what of the vibration's condition it is."""


class Press(Simulated):
    """`press-3`: a 30 kW motor at 1480 rpm; accelerometer and wireless vibration sensor on its drive-end bearing."""

    name = "press-3"
    supported = (*_CONDITION, "fan")
    sensors: ClassVar = {
        "motor_temp": (20.0, 68.0), "speed": (0.0, 1485.0), "load": (0.0, 75.0), "power": (0.0, 20.0),
        "current_l1": (0.0, 36.0),
    }  # fmt: skip
    twins: ClassVar = {"motor_temp": "ambient"}
    habits = Habits(cycle=4.0)
    columns = 14
    tags = (
        PlantTag("acc", "waveform", "g", ValueKind.WAVEFORM, bearing.RATE, bearing.SAMPLES),
        PlantTag("vib_velocity", "vibration", "mm/s"),
        PlantTag("vib_acc", "vibration", "g"),
        PlantTag("speed", "speed", "rpm"),
        PlantTag("load", "load", "%"),
        PlantTag("motor_temp", "temperature", "degC", limits={"hi": 95, "hihi": 110, "deadband": 2, "on_delay": "30s"}),
        PlantTag("ambient", "ambient", "degC"),
        PlantTag("power", "power", "kW"),
        PlantTag("strokes", "count", "", ValueKind.U8),
        PlantTag("current_l1", "current", "A"),
        PlantTag("current_l2", "current", "A"),
        PlantTag("current_l3", "current", "A"),
    )
    setup = Setup(iso20816="group2-rigid", power_off=2.0, power_idle=7.5)

    _thermal = Thermal(winding=9_000, housing=60_000, between=0.012, still=10, fan=40)
    _orders = (0.62, 0.52, 0.70)
    """Mean load by product."""
    _oil_remembers = 6 * 3600
    _warm = 24.0
    """K above the hall at which the oil is as thin as it gets."""

    samples = bearing.SAMPLES
    """Of a burst."""

    def __init__(self, seed: int, epoch: int, rate: float = 1.0, life: Life | None = None, stride: int = 1) -> None:
        super().__init__(seed, epoch, rate, life, stride)
        self._every = max(1, math.ceil(rate / _BURSTS / _BURST_EVERY)) * _BURST_EVERY
        self._order = Wander(self._orders[0], 0.05, 1200, stride)
        self._gain = Wander(1.0, self.life.wander, 8 * 3600, stride)
        self._balance = Wander(1.0, 3 * self.life.wander, 3 * 3600, stride)
        self._mains = Wander(1.0, self.life.wander / 3, 2 * 3600, stride)
        self._load = 0.0
        self._ambient = self.hall.at(epoch)
        self._temperature = self._thermal.steady(self._losses(0.62, True), self._ambient, 1.0)
        self._oil = self._temperature[1]
        self._ill: dict[str, float] = {}
        self._strokes = 0
        self._burst: tuple[int, bearing.Condition, float] | None = None

    @staticmethod
    def _losses(load: float, turning: bool) -> float:
        return 700 + 1500 * load**2 if turning else 0.0

    def step(self, second: int, now: int, normal: list[float]) -> None:
        """Go on by one stride."""
        self._order.mean = self._orders[self.product]
        order = self._order.step(normal[0])
        self._gain.step(normal[9])
        self._balance.step(normal[10])
        self._mains.step(normal[12])
        self._load = order if self.state is State.PRODUCING else 0.08 if self.state is State.IDLE else 0.0
        self._ambient = self.hall.at(now)
        self._ill = {fault.kind.name: fault.severity(now) for fault in self.faults.active()}
        air = 1 - 0.85 * self._ill.get("fan", 0.0)
        turning = self.state in RUNNING
        losses = self._losses(self._load, turning) * self._hotter() if turning else 0.0
        self._temperature = self._thermal.step(
            self._temperature, losses, self._ambient, air if turning else 0.0, self.stride
        )
        self._oil += (self._temperature[1] - self._oil) * self.stride / self._oil_remembers
        self._strokes += len(self.schedule.parts(second - self.stride, second)[0])
        if second % self._every == 0:
            ill = {part: self._ill[fault] for fault, part in _CONDITION.items() if fault in self._ill}
            speed = self._speed() / 60 if turning else 0.0
            condition = bearing.Condition(
                speed, self._load, **ill, balance=self._balance.value, cold=self._cold() if self.life.cold else 0.0
            )
            self._burst = second, condition, self._gain.value

    def _hotter(self) -> float:
        """Return by which factor faults raise the losses; uneven phases as in NEMA MG 1: 2 % times percent squared."""
        phases, bars, dry = (self._ill.get(fault, 0.0) for fault in ("phase-imbalance", "rotor-bar", "lubrication"))
        return 1 + 2 * (4 * phases) ** 2 / 100 + 0.2 * bars + 0.3 * dry

    def _cold(self) -> float:
        """Return how cold the oil is, 1 where it has the hall's temperature."""
        return min(max(1 - (self._oil - self._ambient) / self._warm, 0.0), 1.0)

    def _speed(self) -> float:
        slip = 25 * self._load * (1 + 0.4 * self._ill.get("rotor-bar", 0.0))
        return 1497 - slip if self.state in RUNNING else 0.0

    def _power(self) -> float:
        standing = {State.OFF: 0.05, State.STANDBY: 0.9, State.DOWN: 1.1}
        friction = 4.6 * (1 + self.life.cold * self._cold() + 0.1 * self._ill.get("lubrication", 0.0))
        return standing.get(self.state, friction + 24 * max(self._load - 0.08, 0.0))

    def _currents(self, normal: list[float]) -> dict[str, float]:
        """Return each phase's current, A: uneven voltages make six times as uneven currents, broken bars swing them."""
        if self.state not in RUNNING:
            return dict.fromkeys(("current_l1", "current_l2", "current_l3"), 0.0)
        mains = self._mains.value
        mean = math.hypot(_MAGNETISING * mains, self._power() * _AMPERES / mains)
        uneven = 6 * 0.04 * self._ill.get("phase-imbalance", 0.0)
        swing = 0.06 * self._ill.get("rotor-bar", 0.0) * math.sin(2 * math.pi * normal[11])
        sides = (0.004 + 2 * uneven / 3, -0.006 - uneven / 3, 0.002 - uneven / 3)
        return {
            f"current_l{n}": mean * (1 + side + swing) + 0.15 * normal[5 + n]
            for n, side in enumerate(sides, 1)
        }  # fmt: skip

    def values(self, normal: list[float]) -> dict[str, float]:
        """Return what the sensors show."""
        turning = self.state in RUNNING
        return {
            "speed": self._speed() + (0.6 * normal[1] if turning else 0.0),
            "load": max(0.0, 100 * self._load + (0.8 * normal[2] if turning else 0.0)),
            "motor_temp": self._temperature[0] + 0.1 * normal[3],
            "ambient": self._ambient + 0.1 * normal[4],
            "power": self._power() * (1 + 0.015 * normal[5]),
            "strokes": self._strokes,
            **self._currents(normal),
        }

    def bursts(self) -> tuple[Update, ...]:
        """Return the newest burst and the levels that a wireless sensor computes from it."""
        if self._burst is None:
            return ()
        second, condition, gain = self._burst
        self._burst = None
        samples = bearing.waveform(condition, self.burst_generator(second), samples=self.samples)
        samples *= np.float32(gain)
        time = self.epoch + second * SECOND
        return (
            Update("vib_velocity", bearing.velocity_rms(samples, bearing.RATE), time),
            Update("vib_acc", bearing.acceleration_rms(samples), time),
            Update("acc", samples, time),
        )
