"""What is usual of each sensor."""

from __future__ import annotations

import numpy as np

from shoptwin.learn.sensors import usual

MINUTE = 60 * 10**9


def test_only_what_is_measured_can_be_stuck():
    """A flow has a longest hold; a recipe, a valve and a speed with the very same values are held as somebody wants."""
    names = ("flow:f:value", "other:recipe:value", "speed:n:value", "setpoint:s:value")
    values = np.repeat(np.random.default_rng(1).integers(0, 5, 100), 4).astype(float)
    time = np.arange(400) * MINUTE
    held = usual(names, time, np.tile(values[:, None], 4), 1.0)["held"]
    assert set(held) == {"flow:f:value"}
