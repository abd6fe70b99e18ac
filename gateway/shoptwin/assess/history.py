"""The severity of a machine since it was learned or maintained, in a bounded number of points of running time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST = 512
"""Points kept; when there are more, each two become one."""
POINTS = 48
"""Points that a trend is told from: many, and the noise of neighbours decides instead of the course."""


@dataclass(slots=True)
class History:
    """Means of `step` judged rows each. A machine that is off is not judged: it wears by the time that it runs."""

    step: int = 1
    means: list[float] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    """When the last row of each came, ns UTC."""
    began: int = 0
    """When the first row came, ns UTC."""
    rows: int = 0
    """Of the point that is being gathered …"""
    total: float = 0.0
    """… and their sum."""

    def add(self, now: int, severity: float) -> bool:
        """Take a judged row; tells whether a point was completed."""
        self.began = self.began or now
        self.rows, self.total = self.rows + 1, self.total + severity
        if self.rows < self.step:
            return False
        self.means.append(self.total / self.rows)
        self.ends.append(now)
        self.rows, self.total = 0, 0.0
        if len(self.means) >= MOST:
            self.means = np.array(self.means).reshape(-1, 2).mean(1).tolist()
            self.ends, self.step = self.ends[1::2], 2 * self.step
        return True

    @property
    def length(self) -> int:
        """Rows that it holds, without those of the point that is being gathered."""
        return self.step * len(self.means)

    def whole(self) -> tuple[NDArray[np.float64], float]:
        """Return all of it in at most POINTS points, and the seconds that one takes, times when it is off included."""
        group = -(-len(self.means) // POINTS)
        count = len(self.means) // max(group, 1)
        points = np.array(self.means[len(self.means) - group * count :]).reshape(count, -1).mean(1)
        return points, self._pace() * group

    def recent(self) -> tuple[NDArray[np.float64], float]:
        """Return the latest POINTS points as they are kept, and the seconds that one takes."""
        ends = self.ends[-POINTS:]
        return np.array(self.means[-POINTS:]), (ends[-1] - ends[0]) / 1e9 / max(len(ends) - 1, 1)

    def highest_before(self) -> float:
        """Return the highest that the severity was before `recent`, a mean of as many rows as a point of `whole`."""
        group = -(-len(self.means) // POINTS)
        before = self.means[: -POINTS or None]
        count = len(before) // max(group, 1)
        return float(np.array(before[: group * count]).reshape(count, -1).mean(1).max()) if count else 0.0

    def _pace(self) -> float:
        return (self.ends[-1] - self.began) / 1e9 / max(len(self.ends) * self.step - 1, 1) * self.step

    def dump(self) -> dict[str, Any]:
        """Return it in what JSON can write."""
        return {name: getattr(self, name) for name in self.__slots__} | {"means": [round(m, 4) for m in self.means]}

    @classmethod
    def load(cls, told: dict[str, Any]) -> History:
        """Return what was dumped.

        Raises:
            KeyError, TypeError, ValueError: it was not.
        """
        means, ends = [float(m) for m in told["means"]], [int(t) for t in told["ends"]]
        step, rows, total = int(told["step"]), int(told["rows"]), float(told["total"])
        if len(means) != len(ends) or len(means) > MOST or not np.isfinite([total, *means]).all() or step < 1:
            raise ValueError("not a history")
        return cls(step, means, ends, int(told["began"]), rows, total)
