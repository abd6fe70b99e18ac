"""What drivers have learned about their devices, kept in the ledger so that it outlives a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from shoptwin.store.ledger import load_device_memory, save_device_memory

if TYPE_CHECKING:
    from concurrent.futures import Future

    from shoptwin.store.ledger import Ledger

log = structlog.get_logger(__name__)


class LedgerMemories:
    """Implements `acquire.Memories`; what a failing disk does not take is only missing after the next start."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        with ledger.reader() as reader:
            self._kept = load_device_memory(reader)
        reader.close()

    def recall(self, device: str, settings: str) -> str | None:
        """Return what was kept of a device while its settings were these, or None."""
        known, text = self._kept.get(device, ("", None))
        return text if known == settings else None

    def keep(self, device: str, settings: str, text: str) -> None:
        """Keep this, in the place of what was kept before."""
        self._kept[device] = (settings, text)
        job = self._ledger.writer.submit(lambda tx: save_device_memory(tx, device, settings, text), sheddable=True)
        job.add_done_callback(_written)


def _written(job: Future[None]) -> None:
    if not job.cancelled() and (error := job.exception()) is not None:
        log.warning("what was learned about a device is not on the disk", reason=str(error))
