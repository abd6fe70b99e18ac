"""A fault by its name, from which all that it does is drawn."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shoptwin.testing.faults import checked, unchecked
from shoptwin.testing.faults.shapes import Link, Way

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shoptwin.testing.faults.shapes import Delivery, Kind, Scene

LONGEST_BURST = 6


@dataclass(frozen=True)
class Fault:
    """One fault by name."""

    link: Link
    way: Way
    kind: str
    seed: int
    skip: int = field(init=False)
    """Frames of its way that pass unharmed first."""
    length: int = field(init=False)
    """Frames in a row that are spoilt."""

    def __post_init__(self) -> None:
        draw = self.draw("where")
        object.__setattr__(self, "skip", draw.randrange(12))
        object.__setattr__(self, "length", 1 if draw.random() < 0.7 else draw.randint(2, LONGEST_BURST))  # noqa: PLR2004 - most faults are of one frame

    def draw(self, part: str) -> random.Random:
        """Return what one part of the fault is drawn from."""
        return random.Random(f"{self}/{part}")  # noqa: S311 - must be repeatable

    def spoil(self, number: int, frame: bytes, scene: Scene) -> list[Delivery]:
        """Return what becomes of the frame with this number within the fault."""
        known = kinds(self.link) | beyond(self.link)
        return known[self.kind].spoil(frame, self.draw(str(number)), scene)

    @classmethod
    def parse(cls, name: str) -> Fault:
        """Return the fault of a name. Raises ValueError."""
        link, way, kind, seed = name.split("/")
        if kind not in kinds(Link(link)) | beyond(Link(link)):
            raise ValueError(f"{name!r}: no such kind of fault")
        return cls(Link(link), Way(way), kind, int(seed))

    def __str__(self) -> str:
        return f"{self.link}/{self.way}/{self.kind}/{self.seed}"


def every(link: Link, seeds: Sequence[int]) -> list[Fault]:
    """Return the faults of all kinds that a link can have, one for each seed and way."""
    return [Fault(link, way, name, seed) for name, kind in kinds(link).items() for way in kind.ways for seed in seeds]


def kinds(link: Link) -> dict[str, Kind]:
    """Return the kinds of faults that a link can have, by name."""
    among = checked.KINDS if link.checked else unchecked.KINDS
    return {name: kind for name, kind in among.items() if kind.only in {None, link}}


def beyond(link: Link) -> dict[str, Kind]:
    """Return the kinds that are more than can be promised on a link: what its frames and timing cannot show."""
    return checked.BEYOND if link.checked else unchecked.BEYOND
