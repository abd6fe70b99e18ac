"""How long to wait before the next try: full jitter, so that a hundred boxes do not knock at the same moment."""

from __future__ import annotations

import random


class Backoff:
    """Delays drawn evenly from 0 to a ceiling that doubles from `first` to `most` seconds; at least a tenth of it.

    Full jitter as in "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015); the floor keeps a fast failure
    from spinning.
    """

    def __init__(self, first: float = 0.5, most: float = 30.0, *, draw: random.Random | None = None) -> None:
        self.first = first
        self.most = most
        self.failures = 0
        self._draw = draw or random.Random()  # noqa: S311 - jitter is no secret

    def failed(self) -> float:
        """Count a failure; return the seconds to wait."""
        ceiling: float = min(self.most, self.first * 2.0**self.failures) if self.failures < 32 else self.most  # noqa: PLR2004 - no overflow
        self.failures += 1
        return max(ceiling / 10, self._draw.uniform(0, ceiling))

    def succeeded(self) -> None:
        """Start over."""
        self.failures = 0
