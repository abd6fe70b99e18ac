"""Writing what a script has found into its page of the documentation, between two marks."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def write_between(page: Path, mark: str, lines: Sequence[str]) -> int:
    """Put lines between `<!-- mark: begin -->` and `<!-- mark: end -->`; return the exit code: 1 where they are not."""
    begin, end = f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->"
    before, begun, rest = page.read_text("utf-8").partition(begin)
    _, ended, after = rest.partition(end)
    if not begun or not ended:
        print(f"{page} has no {begin} and {end} to write between", file=sys.stderr)
        return 1
    page.write_text("\n".join([before + begin, "", *lines, "", end + after]), "utf-8")
    return 0
