"""Arrays as JSON can write them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def plain(values: NDArray[np.float64]) -> list[float | None]:
    """Return an array, flat; null is what is not a number."""
    return [None if np.isnan(x) else float(x) for x in values.ravel()]


def array(told: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:  # noqa: ANN401 - whatever stood in a file
    """Return what `plain` made of an array of that shape.

    Raises:
        TypeError, ValueError: it is not of that shape, or not of numbers.
    """
    return np.array([np.nan if x is None else float(x) for x in told], np.float64).reshape(shape)
