"""What faults are made of: links and ways, and the deliveries that come in a frame's place."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence


class Link(StrEnum):
    """What frames travel over."""

    TCP = "tcp"
    PIPELINED = "tcp-pipelined"
    """Modbus TCP with several requests in flight."""
    RTU = "rtu"
    RTU_TCP = "rtu+tcp"

    @property
    def checked(self) -> bool:
        """Whether frames carry a CRC."""
        return self in {Link.RTU, Link.RTU_TCP}


class Way(StrEnum):
    """Where a frame is going."""

    REQUEST = "request"
    REPLY = "reply"


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that are sent at once, `pause` seconds after the piece before; None cuts the connection."""

    data: bytes | None
    pause: float = 0.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """Pieces that nothing comes between. Others overtake it while it is held (seconds)."""

    pieces: tuple[Piece, ...]
    held: float = 0.0
    astray: bool = False
    """Whether it goes to whichever connection there is by then, as a gateway's late reply may."""
    ambush: bool = False
    """Whether it then waits for the next request, to come before its reply."""
    beyond: bool = False
    """Whether it comes even later than the client was told that anything can."""

    @property
    def prompt(self) -> bool:
        """Whether it is one piece, at once."""
        return len(self.pieces) == 1 and not self.aside and not self.pieces[0].pause

    @property
    def aside(self) -> bool:
        """Whether others overtake it."""
        return bool(self.held or self.ambush)


@dataclass(frozen=True, slots=True)
class Scene:
    """What is so when a frame is spoilt."""

    timeout: float
    """The client's, s."""
    window: float
    """Seconds after a request within which anything that belongs to it must have come (on links with a CRC)."""
    gap: float
    """Seconds of silence that end a frame (on links with a CRC)."""
    request: bytes = b""
    """What a reply answers."""
    earlier: Sequence[bytes] = ()
    """Replies that have passed."""
    requests: Sequence[bytes] = ()
    """Requests that have passed, this one or the one that is answered too."""
    pipelined: bool = False


class Spoil(Protocol):
    """What becomes of a frame."""

    def __call__(self, frame: bytes, draw: random.Random, scene: Scene, /) -> list[Delivery]:
        """Return what is delivered in its place."""


class Kind(NamedTuple):
    """A kind of faults: what it does, the ways that it can be on, and the link, where it is but one."""

    spoil: Spoil
    ways: tuple[Way, ...]
    only: Link | None = None


BOTH = (Way.REQUEST, Way.REPLY)
REPLY = (Way.REPLY,)


def crc(data: bytes) -> bytes:
    """Return the CRC-16 of Modbus, as it stands at a frame's end (Modbus over Serial Line 1.02, 6.2.2)."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value.to_bytes(2, "little")


def whole(*frames: bytes, held: float = 0.0, astray: bool = False, ambush: bool = False) -> list[Delivery]:
    """Return deliveries of whole frames, each at once."""
    return [Delivery((Piece(frame),), held, astray, ambush) for frame in frames]


def unforeseen(frame: bytes) -> Delivery:
    """Return a frame that comes after the next request, though nothing of an earlier one should."""
    return Delivery((Piece(frame),), ambush=True, beyond=True)


def drop(_frame: bytes, _draw: random.Random, _scene: Scene) -> list[Delivery]:
    """Send nothing."""
    return []


def split(frame: bytes, draw: random.Random, scene: Scene) -> list[Delivery]:
    """Cut into pieces; over a link with a CRC all come within the window, over TCP they may take longer."""
    cuts = sorted(draw.sample(range(1, len(frame)), min(len(frame) - 1, draw.randint(1, 4))))
    most = draw.choice([0.002, scene.gap, 0.8 * scene.window]) / len(cuts)
    parts = [frame[a:b] for a, b in zip([0, *cuts], [*cuts, len(frame)], strict=True)]
    return [Delivery((Piece(parts[0]), *(Piece(part, draw.uniform(0, most)) for part in parts[1:])))]
