"""Device identification, function 43/14 (Modbus Application Protocol 1.1b3, 6.21)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from shoptwin.sdk import NotConnected, Timeout
from shoptwin_modbus.wire.frames import DEVICE_ID, identification
from shoptwin_modbus.wire.replies import Garbled, Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from shoptwin_modbus.wire.frames import Request

CATEGORIES = (1, 2, 3)
"""Basic, regular and extended."""
PAGES = 16
"""Requests that an identification takes at most: all of it is a few hundred bytes, and a page holds 250."""
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


async def identify(unit: int, ask: Callable[[Request], Awaitable[bytes | None]]) -> dict[int, str]:
    """Return all objects by id: 0 vendor, 1 product code, 2 revision, 3 to 6 URL, product, model and application name.

    At most `PAGES` requests are sent; `ask` returns None where none is to be sent any more. What goes wrong later than
    with the first one ends it too, with what was learned.

    Raises:
        Refused: not even the basic ones are served. As `ask` otherwise.
    """
    found: dict[int, str] = {}
    level, category, first = CATEGORIES[0], CATEGORIES[0], 0
    for _ in range(PAGES):
        try:
            if (data := await ask(identification(unit, category, first))) is None:
                break
            page = parse(data)
        except (Refused, Garbled, Timeout, NotConnected):
            if not found:
                raise
            break
        found |= page.objects
        level = page.level
        if page.following is not None and page.following > first:  # one that goes back would never come to its end
            first = page.following
        elif category < min(level, CATEGORIES[-1]):
            category, first = category + 1, 0
        else:
            break
    return found


def _text(raw: bytes) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return "".join(c if c.isprintable() else " " for c in text.rstrip("\0")).strip()
