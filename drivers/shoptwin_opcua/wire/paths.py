"""Two ways from bytes to values: the fast one is taken once it has given the same as the plain one."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FAST = "fast"

T = TypeVar("T")


def worst(paths: Iterable[str]) -> str:
    """Return the path that says most of several: a plain one before the fast one, empty where none was tried."""
    tried = [path for path in paths if path]
    return next((path for path in tried if path != FAST), FAST if tried else "")


class Paths(Generic[T]):
    """Decodes answers of one kind. The first is decoded both ways: that is the self-test of the fast path."""

    def __init__(
        self, fast: Callable[[bytes], T], plain: Callable[[bytes], T], same: Callable[[T, T], bool | None]
    ) -> None:
        """`same` tells whether two results are equal, None where they hold nothing to compare."""
        self.path = ""
        """`fast`, or `plain: why`; empty while it has not been tried."""
        self._fast, self._plain, self._same = fast, plain, same

    def decode(self, data: bytes) -> T:
        """Return what an answer holds. Raises ValueError where it is malformed."""
        if self.path == FAST:
            return self._fast(data)
        plain = self._plain(data)
        if not self.path:
            self.path = self._tried(data, plain)
        return plain

    def refuse(self, why: str) -> None:
        """Keep to the plain path."""
        self.path = f"plain: {why}"

    def _tried(self, data: bytes, plain: T) -> str:
        try:
            same = self._same(self._fast(data), plain)
        except (ValueError, TypeError, LookupError, struct.error) as error:
            return f"plain: the server's answer is not decoded fast: {error}"
        if same is None:
            return ""
        return FAST if same else "plain: the server's answer is decoded otherwise"
