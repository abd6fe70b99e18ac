"""Once a day, slowly: are the files of the stores what was written, every page and every chunk of them?"""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING, Any

import structlog

from shoptwin.domain.errors import StoreCorrupt, StoreError
from shoptwin.domain.timing import iso
from shoptwin.store.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from shoptwin.daemon.gateway import Gateway

FIRST, EVERY = 900.0, 86_400.0
"""Real seconds after the start, and between two looks."""
_LONGEST = 6 * 3600

log = structlog.get_logger(__name__)


class Verifier:
    """Looks at both files; a damaged one is set aside as if a start had found it, a damaged chunk is told."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.report: dict[str, dict[str, Any]] = {}
        """File -> when it was last looked at whole, and how many chunks were found damaged."""
        self.problem = ""

    async def run(self, first: float = FIRST, every: float = EVERY) -> None:
        """Look once a day, until cancelled."""
        pause = first
        while True:
            self._gateway.progress.expect("verify", pause + _LONGEST)
            await asyncio.sleep(pause)
            await self.look()
            pause = every

    async def look(self) -> None:
        """Look at both files once."""
        gateway = self._gateway
        for path, condemn in (
            (gateway.ledger.path, gateway.ledger.writer.condemn), (gateway.samples.path, gateway.samples.condemn),
        ):  # fmt: skip
            await self._look(path, condemn)
        damaged = sum(each["damaged"] for each in self.report.values())
        self.problem = f"twin.db: {damaged} chunks are damaged; asking for their time fails" if damaged else ""

    async def _look(self, path: Path, condemn: Callable[[StoreCorrupt, int], None]) -> None:
        ends = threading.Event()
        self.report.pop(path.name, None)
        try:
            inode = os.stat(path).st_ino  # noqa: PTH116 - one call, of a file that is open
            found = await asyncio.to_thread(verify, path, ends.is_set)
        except StoreCorrupt as error:
            log.exception("damage was found", file=path.name, reason=str(error))
            condemn(error, inode)
        except (StoreError, OSError) as error:  # the writer meets it too, and tells of it
            log.warning("not verified", file=path.name, reason=str(error))
        else:
            self.report[path.name] = {"at": iso(self._gateway.clock.now()), "damaged": found.damaged}
            log.info("verified", file=path.name, chunks=found.chunks, damaged=found.damaged)
        finally:
            ends.set()  # where this task was cancelled the thread goes on until it sees it
