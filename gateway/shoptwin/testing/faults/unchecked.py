"""Faults of Modbus TCP, which has no checksum: whole frames, headers, cuts and delays; the payload is left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoptwin.testing.faults.shapes import BOTH, REPLY, Delivery, Kind, Piece, Scene, drop, split, whole

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from shoptwin.testing.faults.shapes import Spoil

MBAP = 7
"""Bytes of the header: transaction, protocol, length (2 each), unit."""


def _stalled(frame: bytes, draw: random.Random, scene: Scene) -> list[Delivery]:
    """Hold the frame and all behind it for as long as may be: time-outs, and a connection or two, go by."""
    return [Delivery((Piece(frame, draw.choice([0.3, 1.2, 3.0]) * scene.timeout),))]


def _late(frame: bytes, draw: random.Random, scene: Scene) -> list[Delivery]:
    """Let others overtake it."""
    held = draw.choice([0.002, 0.01, 0.9 * scene.timeout, 1.5 * scene.timeout])
    return whole(frame, held=held, ambush=draw.random() < 0.3)  # noqa: PLR2004 - at times


def _twice(frame: bytes, draw: random.Random, scene: Scene) -> list[Delivery]:
    """Send it again, at once or whenever."""
    pause = draw.choice([None, 0.0, 0.005, 1.5 * scene.timeout])
    if pause is None:
        return whole(2 * frame)
    return [*whole(frame), *whole(frame, held=pause, ambush=draw.random() < 0.5)]  # noqa: PLR2004 - even chances


def _astray(frame: bytes, draw: random.Random, scene: Scene) -> list[Delivery]:
    """Cut the connection and hand the reply to the next one."""
    held = draw.uniform(0, 2 * scene.timeout)
    return [Delivery((Piece(None),)), *whole(frame, held=held, astray=True, ambush=draw.random() < 0.7)]  # noqa: PLR2004 - mostly


def _stale(frame: bytes, draw: random.Random, scene: Scene) -> list[Delivery]:
    """Send earlier replies once more, before it or instead of it; mostly such as have its shape."""
    alike = [reply for reply in scene.earlier if reply[4 : MBAP + 1] == frame[4 : MBAP + 1]]
    among = alike if alike and draw.random() < 0.8 else scene.earlier  # noqa: PLR2004 - mostly
    old = [draw.choice(among) for _ in range(draw.randint(1, 3))] if among else []
    return whole(*old, *([frame] if draw.random() < 0.5 else []))  # noqa: PLR2004 - even chances


def _cut(frame: bytes, draw: random.Random, _: Scene) -> list[Delivery]:
    """Cut the connection before, within or after it."""
    at = draw.choice([0, draw.randrange(len(frame)), len(frame)])
    return [Delivery((*([Piece(frame[:at])] if at else []), Piece(None, draw.choice([0.0, 0.002]))))]


def _farewell(frame: bytes, draw: random.Random, _: Scene) -> list[Delivery]:
    """Send it and close the connection, as devices do that serve one request on each."""
    return [Delivery((Piece(frame), Piece(None, draw.choice([0.002, 0.01]))))]


def _header(change: Callable[[bytearray, random.Random, Scene], None]) -> Spoil:
    """Return the kind that changes the header, in one piece or, at times, with a pause within."""

    def spoil(frame: bytes, draw: random.Random, scene: Scene) -> list[Delivery]:
        data = bytearray(frame)
        while data == frame:
            change(data, draw, scene)
        at = draw.randrange(1, len(data))
        if draw.random() < 0.7:  # noqa: PLR2004 - mostly in one piece
            return whole(bytes(data))
        return [Delivery((Piece(bytes(data[:at])), Piece(bytes(data[at:]), draw.uniform(0, 0.02))))]

    return spoil


def _transaction(data: bytearray, draw: random.Random, scene: Scene) -> None:
    """Change the transaction, to any or to another request's.

    Where several are in flight it is never that of a request of the same shape: nothing could tell their replies.
    """
    here = bytes(data[:2])
    own = next((request for request in reversed(scene.requests) if request[:2] == here), b"")
    others = [
        request[:2]
        for request in scene.requests
        if request[:2] != here and not (scene.pipelined and _shape(request) == _shape(own))
    ]
    taken = {request[:2] for request in scene.requests}
    wild = [b"\x00\x00", b"\xff\xff", bytes([data[0] ^ 0xFF, data[1]]), draw.randbytes(2)]
    data[:2] = draw.choice([*(number for number in wild if number not in taken), *others[-4:]])


def _shape(request: bytes) -> bytes:
    """Return all of a request by which its reply's header and length are known."""
    return request[6 : MBAP + 1] + request[MBAP + 3 : MBAP + 5]


def _protocol(data: bytearray, draw: random.Random, _: Scene) -> None:
    data[2:4] = draw.choice([b"\x00\x01", b"\x01\x00", draw.randbytes(2)])


def _length(data: bytearray, draw: random.Random, _: Scene) -> None:
    here = int.from_bytes(data[4:6], "big")
    there = draw.choice([0, 1, 2, here - 2, here - 1, here + 1, here + 2, here + 12, 255, 0xFFFF])
    data[4:6] = max(0, there).to_bytes(2, "big")


def _unit(data: bytearray, draw: random.Random, _: Scene) -> None:
    data[6] = draw.choice([0, 1, 2, 3, 247, 255])


def _function(data: bytearray, draw: random.Random, _: Scene) -> None:
    data[MBAP] = draw.choice([1, 2, 3, 4, 6, 16, 43])


def _payload(frame: bytes, draw: random.Random, _: Scene) -> list[Delivery]:
    """Change what was read."""
    data = bytearray(frame)
    data[draw.randrange(MBAP + 2, len(data))] ^= 1 << draw.randrange(8)
    return whole(bytes(data))


KINDS: dict[str, Kind] = {
    "drop": Kind(drop, BOTH),
    "delay": Kind(_stalled, BOTH),
    "late": Kind(_late, BOTH),
    "duplicate": Kind(_twice, BOTH),
    "split": Kind(split, BOTH),
    "cut": Kind(_cut, BOTH),
    "farewell": Kind(_farewell, REPLY),
    "transaction": Kind(_header(_transaction), BOTH),
    "protocol": Kind(_header(_protocol), BOTH),
    "length": Kind(_header(_length), BOTH),
    "unit": Kind(_header(_unit), BOTH),
    "function": Kind(_header(_function), REPLY),
    "stale": Kind(_stale, REPLY),
    "astray": Kind(_astray, REPLY),
}
"""Kinds of faults on Modbus TCP."""

BEYOND: dict[str, Kind] = {"payload": Kind(_payload, REPLY)}
"""What no client can see."""
