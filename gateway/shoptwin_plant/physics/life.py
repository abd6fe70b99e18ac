"""How the days of a plant differ: weekends, holidays, orders for several products, seasons and weather, cold oil."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from shoptwin_plant.physics.noise import generator
from shoptwin_plant.physics.thermal import ambient

DAY = 86_400
_YEAR = 365.25 * DAY
_MIDSUMMER = 200.0
"""Day of the year that is the warmest in the mean: 19 July."""


@dataclass(frozen=True, slots=True)
class Life:
    """What is different from day to day. The default is a plant whose days are all alike."""

    weekday: int = 0
    """Of the first day: 0 is Monday."""
    weekends: bool = False
    """Whether nobody works on Saturday and Sunday."""
    holidays: float = 0.0
    """Chance that a Monday is free too."""
    products: int = 1
    """How many different products there are orders for."""
    season: float = 0.0
    """How much warmer than the yearly mean the hall is at midsummer, K."""
    weather: float = 0.0
    """Standard deviation of the hall's temperature from day to day, K."""
    cold: float = 0.0
    """Share that stiff oil adds to the friction of a machine that has stood for long."""
    wander: float = 0.0
    """Standard deviation of what mounting, temperature and battery do to a vibration sensor's gain, as a share.

    The mains' voltage (a third of it), the coolant's viscosity (half) and the pressure of the air net (3 bar times it)
    wander over hours as well.
    """

    def works(self, seed: int, day: int) -> bool:
        """Tell whether there is work on a day since the start."""
        week, weekday = divmod(day + self.weekday, 7)
        if self.weekends and weekday > 4:  # noqa: PLR2004 - Friday
            return False
        return not (self.holidays and weekday == 0 and generator(seed, "holiday", week).random() < self.holidays)


def calendar(epoch: int) -> Life:
    """Return the life of a real plant that starts at `epoch`, ns UTC."""
    weekday = (epoch // (DAY * 10**9) + 3) % 7  # 1 January 1970 was a Thursday
    return Life(weekday, True, 0.35, 3, 5.0, 1.5, 0.2, 0.03)


class Hall:
    """The temperature of the air around the machines."""

    def __init__(self, seed: int, life: Life) -> None:
        self._seed = seed
        self._life = life
        self._plain = not (life.season or life.weather)

    def at(self, time: int) -> float:
        """Return it in degC at `time`, ns UTC."""
        if self._plain:
            return ambient(time)
        seconds = time / 1e9
        season = self._life.season * math.cos(2 * math.pi * (seconds - _MIDSUMMER * DAY) / _YEAR)
        day, part = divmod(seconds / DAY, 1)
        today, tomorrow = _weather(self._seed, int(day)), _weather(self._seed, int(day) + 1)
        return ambient(time) + season + self._life.weather * (today + (tomorrow - today) * part)


@lru_cache(maxsize=8)
def _weather(seed: int, day: int) -> float:
    """Return the weather of a day, of standard deviation 1: a moving mean over three days."""
    return sum(float(generator(seed, "weather", day - back).standard_normal()) for back in range(3)) / math.sqrt(3)
