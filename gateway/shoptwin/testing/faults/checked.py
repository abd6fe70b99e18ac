"""Faults of frames that carry a CRC (RTU, RTU over TCP): their bytes are damaged, and the CRC shows it.

What is damaged never has a valid CRC by chance, as no client could tell that; and nothing comes later than the scene's
window, which the client has been told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoptwin.testing.faults.shapes import (
    BOTH,
    REPLY,
    Delivery,
    Kind,
    Link,
    Piece,
    Scene,
    crc,
    drop,
    split,
    unforeseen,
    whole,
)

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from shoptwin.testing.faults.shapes import Spoil


def _damaged(damage: Callable[[bytearray, random.Random], bytes]) -> Spoil:
    """Return the kind that damages bytes; drawn again while the CRC does not show it."""

    def spoil(frame: bytes, draw: random.Random, _: Scene) -> list[Delivery]:
        while True:
            data = bytes(damage(bytearray(frame), draw))
            if data != frame and (len(data) < 4 or crc(data[:-2]) != data[-2:]):  # noqa: PLR2004 - the shortest frame
                return whole(data) if data else []

    return spoil


def _flip(data: bytearray, draw: random.Random) -> bytes:
    for _ in range(draw.randint(1, 8)):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return bytes(data)


def _burst(data: bytearray, draw: random.Random) -> bytes:
    first = draw.randrange(len(data))
    last = draw.randint(first + 1, len(data))
    data[first:last] = draw.randbytes(last - first)
    return bytes(data)


def _lose(data: bytearray, draw: random.Random) -> bytes:
    for _ in range(draw.randint(1, 3)):
        del data[draw.randrange(len(data))]
    return bytes(data)


def _repeat(data: bytearray, draw: random.Random) -> bytes:
    first = draw.randrange(len(data))
    last = draw.randint(first + 1, min(len(data), first + 8))
    data[last:last] = data[first:last]
    return bytes(data)


def _truncate(data: bytearray, draw: random.Random) -> bytes:
    return bytes(data[: draw.randint(1, len(data) - 1)])


def _reorder(data: bytearray, draw: random.Random) -> bytes:
    first = draw.randrange(len(data) - 1)
    last = draw.randint(first + 2, len(data))
    part = data[first:last]
    draw.shuffle(part)
    return bytes(data[:first] + part + data[last:])


def _noise(data: bytearray, draw: random.Random) -> bytes:
    before, after = draw.choice([(1, 0), (0, 1), (1, 1)])
    return draw.randbytes(before * draw.randint(1, 12)) + bytes(data) + draw.randbytes(after * draw.randint(1, 12))


def _delay(frame: bytes, draw: random.Random, scene: Scene) -> list[Delivery]:
    """Hold the frame and all behind it, half of the time beyond the client's time-out."""
    late = draw.choice([draw.uniform(0, scene.timeout), draw.uniform(scene.timeout, 0.9 * scene.window)])
    return [Delivery((Piece(frame, late),))]


def _late(frame: bytes, _draw: random.Random, _scene: Scene) -> list[Delivery]:
    """Send it when the next request comes, where that is within the window: the client should have waited."""
    return whole(frame, ambush=True)


def _duplicate(frame: bytes, draw: random.Random, scene: Scene) -> list[Delivery]:
    """Send it twice: in one piece, right after one another, or when the next request comes, where that is at once.

    What comes later than `gap` nothing could tell from the reply to the next request.
    """
    pause = draw.choice([None, 0.0, draw.uniform(0, scene.gap / 4), scene.gap])
    if pause is None:
        return whole(2 * frame)
    if pause == scene.gap:
        return [*whole(frame), *whole(frame, ambush=True)]
    return [Delivery((Piece(frame), Piece(frame, pause)))]


def _echo(frame: bytes, draw: random.Random, scene: Scene) -> list[Delivery]:
    """Send the request back before its reply: in one piece, before it, or instead of it."""
    return draw.choice([
        whole(scene.request + frame), whole(scene.request),
        [Delivery((Piece(scene.request), Piece(frame, draw.uniform(0, 0.02))))],
    ])  # fmt: skip


def _stranger(frame: bytes, draw: random.Random, _: Scene) -> list[Delivery]:
    """Send a sound frame of another unit, function or length in its place, or before it."""
    body = bytearray(frame[:-2])
    what = draw.choice(["unit", "function", "longer", "shorter", "empty"])
    if what == "unit":
        body[0] = draw.choice([unit for unit in (0, 1, 2, 3, 247, 255) if unit != body[0]])
    elif what == "function":
        body[1] = draw.choice([code for code in (1, 2, 3, 4, 6, 43) if code != body[1]])
    else:
        data = {"longer": bytes(body[3:]) + draw.randbytes(2), "shorter": bytes(body[3:-2]), "empty": b""}[what]
        body[2:] = bytes([len(data)]) + data
    sound = bytes(body) + crc(bytes(body))
    return whole(sound) if draw.random() < 0.7 or what != "unit" else whole(sound + frame)  # noqa: PLR2004 - mostly alone


def _severed(frame: bytes, draw: random.Random, scene: Scene) -> list[Delivery]:
    """Cut the connection of a converter; the line behind it goes on, and what comes goes to the next connection."""
    at = draw.randrange(len(frame))
    rest = frame[draw.choice([0, at]) :]
    held, ambush = draw.uniform(0, 0.9 * scene.window), draw.random() < 0.5  # noqa: PLR2004 - even chances
    first = Delivery((*([Piece(frame[:at])] if at else []), Piece(None)))
    return [first, *whole(rest, held=held, astray=True, ambush=ambush)]


def _forged(frame: bytes, draw: random.Random, _: Scene) -> list[Delivery]:
    """Change what was read, and the CRC with it."""
    body = bytearray(frame[:-2])
    body[draw.randrange(3, len(body))] ^= 1 << draw.randrange(8)
    return whole(bytes(body) + crc(bytes(body)))


def _twin(frame: bytes, _draw: random.Random, _scene: Scene) -> list[Delivery]:
    """Send it again when the next request is under way."""
    return [*whole(frame), unforeseen(frame)]


def _overdue(frame: bytes, _draw: random.Random, _scene: Scene) -> list[Delivery]:
    """Send it when the next request is under way, however late that is."""
    return [unforeseen(frame)]


KINDS: dict[str, Kind] = {
    "drop": Kind(drop, BOTH),
    "delay": Kind(_delay, BOTH),
    "late": Kind(_late, REPLY),
    "duplicate": Kind(_duplicate, BOTH),
    "truncate": Kind(_damaged(_truncate), BOTH),
    "split": Kind(split, BOTH),
    "flip": Kind(_damaged(_flip), BOTH),
    "burst": Kind(_damaged(_burst), BOTH),
    "lose": Kind(_damaged(_lose), BOTH),
    "repeat": Kind(_damaged(_repeat), BOTH),
    "reorder": Kind(_damaged(_reorder), BOTH),
    "noise": Kind(_damaged(_noise), BOTH),
    "echo": Kind(_echo, REPLY),
    "stranger": Kind(_stranger, REPLY),
    "severed": Kind(_severed, REPLY, Link.RTU_TCP),
}
"""Kinds of faults on links whose frames carry a CRC."""

BEYOND: dict[str, Kind] = {
    "forged": Kind(_forged, REPLY),
    "twin": Kind(_twin, REPLY),
    "overdue": Kind(_overdue, REPLY),
}
"""What no client can promise to see, or need not as it was told otherwise."""
