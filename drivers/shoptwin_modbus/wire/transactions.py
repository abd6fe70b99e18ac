"""The numbers by which a reply says which request it answers."""

from __future__ import annotations

STRIDE = 0x9E37
"""From one transaction to the next. It is odd, so that all 65,536 are used; and any two of 16 in a row differ by at
least four bits, of 64 by three, so that a damaged one is not taken for that of another request under way."""


class Transactions:
    """Numbers the requests to one URL: of all connections there, and on from each to the next.

    A gateway may hand the reply to a request of one connection to another, of the same device or of its neighbour's;
    it must not look like an answer there.
    """

    def __init__(self, last: int = 0) -> None:
        self.last = last

    def next(self) -> int:
        """Return the next number."""
        self.last = (self.last + STRIDE) & 0xFFFF
        return self.last
