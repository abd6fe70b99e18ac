"""The mark of a restore that is under way: with it a state directory is some of the old and some of the new."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoptwin.domain.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

MARK = "restore-in-progress"


def check_whole(state: Path) -> None:
    """See that no restore was cut off in this state directory.

    Raises:
        StoreError: one was.
    """
    if (state / MARK).exists():
        raise StoreError(
            f"A restore into {state} was cut off: some of it is the backup's, some is what was there before",
            "Repeat it: shoptwin restore ARCHIVE --replace", code="restore-cut-off",
        )  # fmt: skip
