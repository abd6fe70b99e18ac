"""Types that other packages bring, found by entry points: a 48-bit meter needs no change to the driver."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from typing import NoReturn

from shoptwin.sdk import BadAddress, ValueKind
from shoptwin_modbus.addresses.codecs import Codec

ENTRY_POINTS = "shoptwin_modbus.codecs"
LARGEST = 125
"""Registers that one request can ask for: a value is never put together from two (Modbus Application 6.3)."""


@cache  # of what was found: a package that is installed later is found then
def plugged(name: str) -> Codec:
    """Return the type that an installed package brings under this name.

    It is asked only when a name is unknown to the driver, so that nothing is looked for or imported without need.

    Raises:
        KeyError: no package brings it. BadAddress: it is there but cannot be used; the message has the cause.
    """
    points = tuple(entry_points(group=ENTRY_POINTS, name=name))
    if not points:
        raise KeyError(name)
    if len({point.value for point in points}) > 1:
        _refuse(name, "more than one package brings it", f"keep one of {', '.join(point.value for point in points)}")
    try:
        codec = points[0].load()
    except (ImportError, NameError, AttributeError, SyntaxError, TypeError, ValueError, LookupError, OSError) as error:
        _refuse(name, f"it cannot be loaded: {error}", f"reinstall the package that brings it ({points[0].value})")
    if not isinstance(codec, Codec):
        _refuse(
            name,
            f"{points[0].value} is a {type(codec).__name__}",
            "it must be a shoptwin_modbus.addresses.codecs.Codec",
        )
    if codec.name != name or not 1 <= codec.registers <= LARGEST or codec.kind is ValueKind.WAVEFORM:
        wanted = f"its name must be {name!r}, its registers 1 to {LARGEST}, its kind no waveform"
        _refuse(name, f"{codec} does not fit", wanted)
    return codec


def plugged_names() -> tuple[str, ...]:
    """Return the names of all types that installed packages bring, sorted."""
    return tuple(sorted(entry_points(group=ENTRY_POINTS).names))


def _refuse(name: str, what: str, hint: str) -> NoReturn:
    raise BadAddress(f"the type {name!r}: {what}", hint)
