"""Which addresses of one table can be read: a pure search, which says what to ask and is told how it was answered."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

from shoptwin_modbus.addresses.address import LAST
from shoptwin_modbus.discovery.starts import BITS, REGISTERS

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

PAIRS = 16
"""Places at which two registers are asked for where none answered alone: meters that serve whole floats only do so."""
LOW = 128
"""Addresses that are all looked at in the end, in a table that has one of them."""
HOP = 8
"""Full blocks that are read one behind the other before a range is only sampled further on."""
CHECKS = 12
"""Full blocks, evenly spread, that must be readable where a range was only sampled."""
STRANGE = 4
"""Places that a table must deny to know (exception 1) before it is left alone."""


class Answer(Enum):
    """How a question was answered."""

    SERVED = "served"
    REFUSED = "refused"
    """Or there was no answer, where the device is one that says nothing to what it does not know."""
    UNKNOWN = "unknown"
    """The device does not know the function: it has no such table."""


Question: TypeAlias = tuple[int, int]
"""Start and count of one request."""
Search: TypeAlias = "Generator[Question, Answer, None]"


@dataclass(slots=True, eq=False)
class Stretch:
    """Addresses that can be read, first and last included; `open` where the end is not known yet."""

    first: int
    last: int
    open_below: bool = True
    open_above: bool = True
    sampled: bool = False


class Chart:
    """What is known of one table. `survey` asks; it may be stopped at any time, and what was found stands here."""

    def __init__(
        self, *, bits: bool, most: int, first: int = 0, last: int = LAST, avoid: Sequence[tuple[int, int]] = ()
    ) -> None:
        """Search from `first` to `last`, never asking for more than `most` at once, nor for `avoid` ([start, stop)).

        A window that is not the whole table is searched to the last address, coarsely first.
        """
        self.stretches: list[Stretch] = []
        """What was found, sorted, with at least one address between two that is not known to be readable."""
        self.limit: int | None = None
        """How much the device serves at once, where that is less than `most`."""
        self.left = 0
        """Places that are still to be looked at."""
        self._first, self._last, self._most = first, last, most
        self._avoid = avoid
        self._places = BITS if bits else REGISTERS
        self._whole = (first, last) == (0, LAST)
        self._hops = self._whole
        self._grain = 1
        self._pairs = not bits
        self._refused: list[int] = []
        self._strange = 0
        self._best = 1

    def found(self) -> list[Stretch]:
        """Return what has been found so far; ranges that have grown together are one."""
        self._merge()
        return self.stretches

    def survey(self) -> Search:
        """Look at likely places, and from each that answers for the ends of its range."""
        places = [place for place in self._places if self._first <= place <= self._last]
        self.left = len(places)
        for place in places:
            yield from self._look(place)
            if self._strange >= STRANGE and not self.stretches:
                self.left = 0
                return
            self.left -= 1
        if not self._whole:
            yield from self._sweep()
        elif any(stretch.first < LOW for stretch in self.stretches):
            yield from self._look_low()
        if not self.stretches and self._pairs:
            self._grain, self._refused = 2, []
            for place in places[:PAIRS]:
                yield from self._look(place)
            if not self._whole:
                yield from self._sweep()
        self.left = 0

    def _look_low(self) -> Search:
        """Look at every low address, where small devices have all they have, in pieces with gaps between."""
        self.left = LOW
        for place in range(LOW):
            yield from self._look(place)
            self.left -= 1

    def _sweep(self) -> Search:
        """Look at every address of the window, coarsely first."""
        stride = 1 << (self._last - self._first).bit_length()
        while stride > 1:
            stride //= 2
            self.left = (self._last - self._first) // stride + 1
            for place in range(self._first, self._last + 1, stride):
                yield from self._look(place)
                self.left -= 1

    def _look(self, place: int) -> Search:
        if self._known(place) or not (yield from self._ask(place, self._grain)):
            return
        stretch = Stretch(place, place + self._grain - 1)
        insort(self.stretches, stretch, key=lambda known: known.first)
        yield from self._grow(stretch, up=True)
        yield from self._grow(stretch, up=False)
        self._merge()
        yield from self._try_whole(place)

    def _known(self, place: int) -> bool:
        at = bisect_left(self._refused, place)
        return self._refused[at : at + 1] == [place] or any(s.first <= place <= s.last for s in self.stretches)

    def _ask(self, start: int, count: int) -> Generator[Question, Answer, bool]:
        """Ask, unless it must not be asked; tell whether it was served."""
        if start + count - 1 > self._last or any(s < start + count and start < stop for s, stop in self._avoid):
            answer = Answer.REFUSED
        else:
            answer = yield start, count
        if answer is Answer.SERVED:
            self._best, self._strange = max(self._best, count), 0
            return True
        if answer is Answer.UNKNOWN:
            self._strange += 1
        if count == self._grain:
            insort(self._refused, start)
        return False

    def _room(self, stretch: Stretch, *, up: bool) -> tuple[int, bool]:
        """Return how many addresses beyond the end are not known to be bad, and whether what is behind them is known.

        Another range counts as beyond: the two are merged once they touch.
        """
        if up:
            bad = bisect_right(self._refused, stretch.last)
            wall = next((at for at in self._refused[bad:] if self._in_step(stretch, at)), self._last + 1)
            ahead = min((s.first for s in self.stretches if s.first > stretch.last), default=wall)
            return min(wall, ahead) - stretch.last - 1, min(wall, ahead) <= self._last or self._last == LAST
        below = reversed(self._refused[: bisect_left(self._refused, stretch.first)])
        wall = next((at + self._grain - 1 for at in below if self._in_step(stretch, at)), self._first - 1)
        behind = max((s.last for s in self.stretches if s.last < stretch.first), default=wall)
        return stretch.first - max(wall, behind) - 1, max(wall, behind) >= self._first or self._first == 0

    def _in_step(self, stretch: Stretch, at: int) -> bool:
        """Tell whether a refusal says something of a range: of pairs, half of all are not aligned with its own."""
        return (at - stretch.first) % self._grain == 0

    def _grow(self, stretch: Stretch, *, up: bool) -> Search:
        """Find one end of a range: by blocks of twice the size each time, then by halves."""
        step, blocks = 8 * self._grain, 0
        while True:
            room, known = self._room(stretch, up=up)
            count = min(step, room, self._most)
            count -= count % self._grain
            if not count:
                self._close(stretch, up=up, known=known)
                return
            if self._hops and blocks >= HOP and (yield from self._hop(stretch, up=up)):
                return
            if (yield from self._ask(*_beyond(stretch, 0, count, up=up))):
                _extend(stretch, count, up=up)
                blocks += count == self._most
                step *= 2
            elif not (yield from self._halve(stretch, count, up=up)):
                self._close(stretch, up=up, known=True)
                return

    def _halve(self, stretch: Stretch, refused: int, *, up: bool) -> Generator[Question, Answer, bool]:
        """Go as far as can be within a refused block; tell whether all of it could be read after all, in pieces."""
        grain, good, bad = self._grain, 0, refused
        wall = _beyond(stretch, 0, refused, up=up)
        while wall[1] > grain:
            middle = good + max((bad - good) // 2 // grain, 1) * grain
            piece = _beyond(stretch, good, middle - good, up=up)
            if (yield from self._ask(*piece)):
                good = middle
                if good == bad:
                    break
            else:
                bad, wall = middle, piece
        _extend(stretch, good, up=up)
        if good < bad:
            return False
        yield from self._measure(*wall)
        return True

    def _try_whole(self, place: int) -> Search:
        """Ask for as much of a range at once as could be asked for, where no block was that large yet."""
        stretch = next(s for s in self.stretches if s.first <= place <= s.last)
        size = min(stretch.last - stretch.first + 1, self._most)
        if size > self._best and not (yield from self._ask(stretch.first, size)):
            yield from self._measure(stretch.first, size)

    def _measure(self, start: int, count: int) -> Search:
        """Find out whether a block that can be read by pieces alone was too large, or crosses a border in the map."""
        grain, good, bad = self._grain, self._best, count
        if good >= bad:
            return  # as much was served elsewhere: a border
        while bad - good > grain:
            middle = good + max((bad - good) // 2 // grain, 1) * grain
            if (yield from self._ask(start, middle)):
                good = middle
            else:
                bad = middle
        if (yield from self._ask(start + grain, good)):
            self.limit = self._most = good

    def _hop(self, stretch: Stretch, *, up: bool) -> Generator[Question, Answer, bool]:
        """Leap ahead in a long range; tell whether its end was found and what lies between seems whole."""
        grain, good, step = self._grain, 0, HOP * self._most
        room, known = self._room(stretch, up=up)
        bad = room - room % grain + grain
        while bad - good > grain:
            ahead = min(step, bad - good - grain) if step else (bad - good) // 2
            at = good + max(ahead // grain, 1) * grain
            if (yield from self._ask(*_beyond(stretch, at - grain, grain, up=up))):
                good, step = at, step * 2
            else:
                bad, step = at, 0
        for n in range(CHECKS):
            behind = (good - self._most) * n // (CHECKS - 1) // grain * grain
            if good <= self._most or not (yield from self._ask(*_beyond(stretch, behind, self._most, up=up))):
                self._hops = False  # there are holes: only reading all of it tells where
                return False
        _extend(stretch, good, up=up)
        stretch.sampled = True
        self._close(stretch, up=up, known=known or bad <= room)
        return True

    def _close(self, stretch: Stretch, *, up: bool, known: bool) -> None:
        if up:
            stretch.open_above = not known
        else:
            stretch.open_below = not known

    def _merge(self) -> None:
        """Make one of ranges that touch."""
        merged: list[Stretch] = []
        for stretch in sorted(self.stretches, key=lambda s: s.first):
            if merged and stretch.first <= merged[-1].last + 1:
                before = merged[-1]
                if stretch.last > before.last:
                    before.last, before.open_above = stretch.last, stretch.open_above
                before.sampled |= stretch.sampled
            else:
                merged.append(stretch)
        self.stretches = merged


def _beyond(stretch: Stretch, skip: int, count: int, *, up: bool) -> Question:
    """Return the question for `count` addresses, `skip` addresses beyond an end."""
    return (stretch.last + 1 + skip if up else stretch.first - skip - count), count


def _extend(stretch: Stretch, count: int, *, up: bool) -> None:
    if up:
        stretch.last += count
    else:
        stretch.first -= count
