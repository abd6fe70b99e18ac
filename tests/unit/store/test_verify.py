"""The slow look at a whole file: it sees damage that a start, and SQLite, do not; and it lets go when it is told to."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from shoptwin.domain.batch import SampleBatch
from shoptwin.domain.errors import StoreCorrupt, StoreError
from shoptwin.domain.tag import ValueKind
from shoptwin.domain.timing import SECOND
from shoptwin.store.verify import Verified, verify

if TYPE_CHECKING:
    from pathlib import Path

    from shoptwin.store.ledger import Ledger
    from shoptwin.store.samples import SampleStore

NOW = 1_764_000_000 * SECOND


def fill(store: SampleStore, folds: int = 3) -> None:
    """Fold some seconds of four tags, several times: a chunk a tag and a timeline each time."""
    for second in range(10 * folds):
        at = NOW + second * SECOND
        values = [float(second + tag) for tag in range(4)]
        store.append(SampleBatch.of("g", ValueKind.F4, range(4), values, source_time=at, receive_time=at))
        store.flush()
        if second % 10 == 9:
            store.fold()


def never() -> bool:
    """Never end."""
    return False


def test_whole_files_are_sound(store: SampleStore, ledger: Ledger) -> None:
    """Every chunk and timeline of a file in use is looked at; a file without chunks has none."""
    fill(store)
    assert verify(store.path, never, pause=0) == Verified(whole=True, chunks=3 * 5, damaged=0)
    assert verify(ledger.path, never, pause=0) == Verified(whole=True)


@pytest.mark.parametrize(("where", "column"), [("chunks", "chunk"), ("timelines", "timeline")])
def test_a_rotten_bit_in_a_blob_is_seen(store: SampleStore, where: str, column: str) -> None:
    """A bit that flipped in a chunk or timeline, which SQLite calls sound, is found by its checksum."""
    fill(store)
    raw = sqlite3.connect(store.path)
    (data,) = raw.execute(f"SELECT data FROM {where} WHERE {column} = 2").fetchone()  # noqa: S608 - ours
    rotten = data[:-1] + bytes([data[-1] ^ 4])
    raw.execute(f"UPDATE {where} SET data = ? WHERE {column} = 2", (rotten,))  # noqa: S608 - as above
    raw.commit()
    assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    raw.close()
    assert verify(store.path, never, pause=0) == Verified(whole=True, chunks=15, damaged=1)


def test_damaged_pages_are_seen(store: SampleStore) -> None:
    """Pages that were overwritten in the middle of the file are damage to the whole of it."""
    fill(store, 20)
    store.close()
    with store.path.open("r+b") as file:
        file.seek(store.path.stat().st_size // 2 // 4096 * 4096)
        file.write(b"\xff" * 4096 * 3)
    with pytest.raises(StoreCorrupt):
        verify(store.path, never, pause=0)


def test_it_ends_when_it_is_told_to(store: SampleStore) -> None:
    """Told to end, it is not through, and says so."""
    fill(store)
    assert verify(store.path, lambda: True, pause=0) == Verified(whole=False)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A file that cannot be opened is an error with the store's words."""
    with pytest.raises(StoreError):
        verify(tmp_path / "none.db", never, pause=0)
