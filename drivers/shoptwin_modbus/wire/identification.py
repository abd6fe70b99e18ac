"""Device identification, function 43/14 (Modbus Application Protocol 1.1b3, 6.21)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from shoptwin_modbus.wire.frames import DEVICE_ID, identification
from shoptwin_modbus.wire.replies import Garbled, Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from shoptwin_modbus.wire.frames import Request

CATEGORIES = (1, 2, 3)
"""Basic, regular and extended."""
LEVEL = 0x7F
"""The bits of the conformity level that say which category is served."""
MORE = 0xFF


class Page(NamedTuple):
    """One reply."""

    level: int
    """The highest category that is served."""
    following: int | None
    """The object to go on from; None at the end."""
    objects: dict[int, str]


def parse(data: bytes) -> Page:
    """Parse what follows the function code of a reply.

    Raises:
        Garbled: it is no such reply.
    """
    if len(data) < 6 or data[0] != DEVICE_ID:  # noqa: PLR2004 - bytes before the objects
        raise Garbled("a reply to device identification without its head")
    _, _, conformity, more, following, count = data[:6]
    objects, at = {}, 6
    for _ in range(count):
        text = data[at + 2 : at + 2 + data[at + 1]] if len(data) > at + 1 else b""
        if len(data) < at + 2 or len(text) != data[at + 1]:
            raise Garbled("a reply to device identification whose objects do not fit")
        objects[data[at]] = _text(text)
        at += 2 + len(text)
    if at != len(data):
        raise Garbled("a reply to device identification with bytes left over")
    return Page(conformity & LEVEL, following if more == MORE else None, objects)


async def identify(unit: int, ask: Callable[[Request], Awaitable[bytes]]) -> dict[int, str]:
    """Return all objects by id: 0 vendor, 1 product code, 2 revision, 3 to 6 URL, product, model and application name.

    Raises:
        Refused: not even the basic ones are served. As `ask` otherwise.
    """
    found: dict[int, str] = {}
    level = CATEGORIES[0]
    for category in CATEGORIES:
        if category > level:
            break
        first: int | None = 0
        while first is not None:
            try:
                page = parse(await ask(identification(unit, category, first)))
            except Refused:
                if not found:
                    raise
                break
            found |= page.objects
            level = page.level
            # a device that never comes to its end is not followed
            first = page.following if page.following is not None and page.following > first else None
    return found


def _text(raw: bytes) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return "".join(c if c.isprintable() else " " for c in text.rstrip("\0")).strip()
