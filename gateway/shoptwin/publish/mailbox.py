"""The publisher's end of the ledger's outbox: reads what waits, and deletes what has arrived, many in one commit."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from shoptwin.domain.errors import StoreError
from shoptwin.store.ledger import pending, sent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from shoptwin.domain.message import OutboxMessage
    from shoptwin.publish.dispatch import Dispatcher
    from shoptwin.store.ledger import Ledger

_LINGER = 0.1
"""What has arrived waits so long (s) for others, to be deleted in one commit: commits wear the card."""
_BATCH = 200
_PAUSE = 5.0
"""After a failure of the disk, s."""


class Mailbox:
    """Used in the loop's thread. `wake` is called, from the writer's thread, when a deletion is through.

    Reading is done in the loop: a page of messages that were just written is in the system's cache and costs tenths of
    a millisecond, while a job for the writer would wait for the disk behind other commits.
    """

    def __init__(self, ledger: Ledger, wake: Callable[[], None]) -> None:
        self.due: float | None = None
        """When there is something to do here, in seconds of the loop's clock."""
        self._ledger = ledger
        self._wake = wake
        self._reader: sqlite3.Connection | None = None
        self._reader_of: Path | None = None
        self._deleting: tuple[Future[int], list[int]] | None = None
        self._resume = 0.0
        self._unreadable = ""
        self._stuck = ""

    @property
    def trouble(self) -> str:
        """What is wrong with the outbox now, empty where nothing is."""
        return self._unreadable or self._stuck

    def read(self, after: int, limit: int) -> Sequence[tuple[int, OutboxMessage]]:
        """Return what waits after a place in the outbox; nothing while the ledger cannot be read."""
        if self._reader_of != self._ledger.quarantined:
            self.close()  # a damaged ledger was set aside: the old reader would look into that one for ever
        try:
            if self._reader is None:
                self._reader_of = self._ledger.quarantined
                self._reader = self._ledger.reader()
            found = pending(self._reader, after, limit)
        except (sqlite3.Error, StoreError) as error:
            self.close()
            self._unreadable = f"the outbox cannot be read: {error}"
            return ()
        self._unreadable = ""
        return found

    def delete(self, dispatcher: Dispatcher, now: float, *, at_once: bool = False) -> None:
        """Delete what the broker has; one commit at a time, and not for every single message."""
        if self._deleting is not None:
            future, seqs = self._deleting
            if not future.done():
                return
            self._deleting = None
            error = future.exception()
            if error is None:
                dispatcher.deleted(seqs)
                self._stuck = ""
            else:
                self._stuck = f"the outbox cannot be emptied: {error}"
                self._resume = now + _PAUSE
        seqs = dispatcher.done()
        if not seqs:
            self.due = None
            return
        self.due = max(self._resume, now if at_once or len(seqs) >= _BATCH else self.due or now + _LINGER)
        if self.due <= now:
            self.due = None
            future = self._ledger.writer.submit(lambda tx: sent(tx, seqs))
            self._deleting = future, seqs
            future.add_done_callback(lambda _: self._wake())

    def close(self) -> None:
        """Let go of the reader; the next `read` opens another."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None
