"""From temperatures to features, through the shipped temperature model, batched over all machines, with its state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from shoptwin.domain.timing import SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from shoptwin.assess.shelf import Shipped


@dataclass(slots=True)
class _Lag:
    """State of one temperature's filter bank."""

    bank: NDArray[np.float32]
    variance: float
    time: int
    started: int


class TemperatureFeatures:
    """The temperature model and the state of each tag's filter bank."""

    def __init__(self, model: Shipped) -> None:
        self.model = model
        self._taus = np.asarray(model.parameters["taus"], np.float64)
        self._slowest = round(float(self._taus.max()) * SECOND)
        self._lags: dict[int, _Lag] = {}

    def names(self, *, ambient: bool, load: bool) -> tuple[str, ...]:
        """Return the features of one temperature beyond its level, given which drivers its machine has."""
        return tuple(
            f for f in self.model.features
            if f in {"slope", "spread"} or (ambient and f.startswith("ambient_")) or (load and f.startswith("load_"))
        )  # fmt: skip

    def forget(self, tags: set[int]) -> None:
        """Drop the state of all tags but these."""
        self._lags = {tag: lag for tag, lag in self._lags.items() if tag in tags}

    def compute(self, tags: Sequence[int], values: NDArray[np.float64], now: int) -> NDArray[np.float32]:
        """Return features [n, all of the model's] of tags whose (temperature, ambient, load) are `values` [n, 3].

        A lag is NaN until its filter has run for its time constant: before, it tells its own start. Without a value
        its level, slope and spread are NaN, so that a sensor that is Bad leaves no evidence.
        """
        if not len(tags):
            return np.empty((0, len(self.model.features)), np.float32)
        fresh = np.full((3, len(self._taus)), np.nan, np.float32)
        lags = [self._lags.get(tag) or _Lag(fresh, 0.0, now, now) for tag in tags]
        feeds = {
            "values": values.astype(np.float32),
            "elapsed": np.array([max(now - lag.time, 0) / SECOND for lag in lags], np.float32),
            "bank": np.stack([lag.bank for lag in lags]),
            "variance": np.array([lag.variance for lag in lags], np.float32),
        }
        out = self.model.session.run(feeds)
        features = out["features"].copy()
        for i, (tag, lag) in enumerate(zip(tags, lags, strict=True)):
            self._lags[tag] = _Lag(out["bank_next"][i], float(out["variance_next"][i]), now, lag.started)
            if now - lag.started < self._slowest:
                young = self._taus > (now - lag.started) / SECOND
                features[i, 3:][np.tile(young, 2)] = np.nan
        features[~np.isfinite(values[:, 0]), :3] = np.nan
        return features
