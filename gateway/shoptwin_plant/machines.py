"""The three simulated machines: a press on a rolling bearing, a milling spindle, a packer that seals bags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoptwin_plant.mill import Mill
from shoptwin_plant.packer import Packer
from shoptwin_plant.press import Press

if TYPE_CHECKING:
    from shoptwin_plant.physics.life import Life
    from shoptwin_plant.simulated import Simulated

__all__ = ["Mill", "Packer", "Press", "simulated"]


def simulated(seed: int, epoch: int, rate: float, life: Life | None = None) -> tuple[Simulated, ...]:
    """Return the three machines as they are when the plant starts."""
    return Press(seed, epoch, rate, life), Mill(seed, epoch, rate, life), Packer(seed, epoch, rate, life)
