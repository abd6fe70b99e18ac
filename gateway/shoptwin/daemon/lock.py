"""One daemon a state directory: a second one would poll, judge and publish everything twice."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from shoptwin.domain.errors import ShoptwinError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Hold the state directory for this process. The kernel lets go of it with the process, however that ends.

    The lock is on the directory itself, so that a full or read-only disk does not keep the daemon from starting.

    Raises:
        ShoptwinError: another daemon holds it.
    """
    with suppress(OSError):  # what cannot be written is the stores' to tell
        directory.mkdir(parents=True, exist_ok=True)
    try:
        held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        yield
        return
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ShoptwinError(
                f"Another daemon works in {directory}", "End it first, or give this one its own with --state-dir",
                code="already-running",
            ) from error  # fmt: skip
        yield
    finally:
        os.close(held)
