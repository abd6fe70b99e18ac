"""What speaks for a hypothesis, in an operator's words: which tag, which line, how much against what was learned."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shoptwin.assess.against import Moved

_ORDERS = {
    "half": "at half the speed", "order1": "at the speed (1x)", "order2": "at twice the speed (2x)",
    "order3": "at three times the speed (3x)", "halves": "at odd halves of the speed (1.5x to 4.5x)",
    "harmonics": "at 4 to 10 times the speed",
}  # fmt: skip
_DEFECTS = {"outer": "outer race", "inner": "inner race", "ball": "balls", "cage": "cage"}
_IMPACTS = {
    "impulses": "knocks stand out of the noise in one band, {}",
    "line": "knocks come in a steady beat, {}",
    "rahmonic": "lines stand at equal distances, {}",
}


def order(tag: str, name: str, moved: Moved) -> str:
    """Tell the growth of an order of the shaft."""
    return f"{tag}: vibration {_ORDERS[name]} is {times(moved.growth)} what was learned"


def defect(tag: str, bearing: str, name: str, moved: Moved) -> str:
    """Tell the growth of a bearing's defect line; `growth` is of power."""
    return f"{tag}: beat of the {_DEFECTS[name]} of {bearing} is {times(moved.growth / 2)} what was learned"


def gear(tag: str, name: str, moved: Moved, *, of: str) -> str:
    """Tell the growth at a gear's mesh."""
    return f"{tag}: {of} ({name}) is {times(moved.growth)} what was learned"


def impacts(tag: str, feature: str, moved: Moved) -> str:
    """Tell what is seen of impacts, without a part to blame."""
    return f"{tag}: {_IMPACTS[feature].format(f'{times(moved.growth)} what was learned')}"


def carpet(tag: str, moved: Moved) -> str:
    """Tell that all high frequencies have grown alike; `growth` is of power."""
    return f"{tag}: the noise at all high frequencies is at least {times(moved.growth / 2)} what was learned"


def times(ln: float) -> str:
    """Write the growth of a logarithm as a factor."""
    factor = math.exp(min(ln, 30.0))
    return f"{factor:.2g} times" if factor < 100 else f"{factor:.0f} times"  # noqa: PLR2004 - digits that mean something
