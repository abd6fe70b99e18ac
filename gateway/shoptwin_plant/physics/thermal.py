"""Temperature of a machine: two masses, heated by losses, cooled by a fan and by the air around."""

from __future__ import annotations

import math
from dataclasses import dataclass

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Thermal:
    """Heat capacities in J/K, the resistance between the masses in K/W, conductances to the air in W/K."""

    winding: float = 6_000.0
    """The part that is heated."""
    housing: float = 30_000.0
    """The part that is cooled."""
    between: float = 0.02
    still: float = 8.0
    """Conductance to the air without the fan (free convection and radiation)."""
    fan: float = 32.0
    """What the fan adds when it is whole."""

    def conductance(self, airflow: float) -> float:
        """Return W/K from the housing to the air, with `airflow` as a share of a whole fan's (turbulent: power 0.8)."""
        return self.still + self.fan * math.pow(max(airflow, 0.0), 0.8)

    def steady(self, losses: float, ambient: float, airflow: float) -> tuple[float, float]:
        """Return the temperatures (winding, housing) in degC that constant losses in W lead to."""
        housing = ambient + losses / self.conductance(airflow)
        return housing + losses * self.between, housing

    def step(
        self, state: tuple[float, float], losses: float, ambient: float, airflow: float, seconds: float = 1.0
    ) -> tuple[float, float]:
        """Return the temperatures after `seconds` (Heun's method: far below every time constant, so exact enough)."""
        first = self._slope(state, losses, ambient, airflow)
        ahead = (state[0] + seconds * first[0], state[1] + seconds * first[1])
        second = self._slope(ahead, losses, ambient, airflow)
        half = seconds / 2
        return state[0] + half * (first[0] + second[0]), state[1] + half * (first[1] + second[1])

    def _slope(self, state: tuple[float, float], losses: float, ambient: float, airflow: float) -> tuple[float, float]:
        winding, housing = state
        across = (winding - housing) / self.between
        away = self.conductance(airflow) * (housing - ambient)
        return (losses - across) / self.winding, (across - away) / self.housing


def ambient(time: int, mean: float = 21.0, swing: float = 3.5) -> float:
    """Return the hall's temperature in degC at `time` (ns UTC): coolest at 3:00, warmest at 15:00."""
    return mean - swing * math.cos(2 * math.pi * (time / 1e9 - 3 * 3600) / DAY)
