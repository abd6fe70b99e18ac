"""Backup and restore: one moment of a gateway that runs, whole or not at all."""

from __future__ import annotations

import io
import json
import sqlite3
import tarfile
import threading
from typing import TYPE_CHECKING, Any

import pytest

from shoptwin.assess.learned import Pointer, read_pointer, write_pointer
from shoptwin.domain.alarm import AlarmState, Annunciation
from shoptwin.domain.batch import SampleBatch
from shoptwin.domain.errors import StoreError
from shoptwin.domain.tag import ValueKind
from shoptwin.domain.timing import SECOND
from shoptwin.store.backup import JUMP, back_up, restore
from shoptwin.store.ledger import Ledger, add_message, load_alarms, next_sequence, pending, save_alarms
from shoptwin.store.mark import check_whole
from shoptwin.store.retention import Keep
from shoptwin.store.samples import SampleStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from shoptwin.domain.message import OutboxMessage
    from shoptwin.domain.tag import TagTable

NOW = 1_764_000_000 * SECOND
ALL = (-(2**63), 2**63 - 1)


def quiet(_name: str) -> None:
    """Say nothing."""


def take(store: SampleStore, seconds: range) -> None:
    for second in seconds:
        at = NOW + second * SECOND
        store.append(SampleBatch.of("g", ValueKind.F4, [0], [float(second)], source_time=at, receive_time=at))
        store.flush()


@pytest.fixture
def running(ledger: Ledger, store: SampleStore, message: Callable[..., OutboxMessage]) -> Iterator[Path]:
    """The state directory of stores that are open: an alarm, a message, samples in chunks and in the journal."""
    ledger.writer.submit(lambda tx: save_alarms(tx, [AlarmState("press/x", Annunciation.UNACKNOWLEDGED)])).result(5)
    ledger.writer.submit(lambda tx: (add_message(tx, message(1)), next_sequence(tx, "press"))).result(5)
    take(store, range(20))
    store.fold()
    take(store, range(20, 25))
    state = store.path.parent
    write_pointer(state / "learned", "press", "process", Pointer("7"))
    (state / "pki").mkdir()
    (state / "pki" / "key.pem").write_text("PRIVATE", "utf-8")
    (state / "learned" / "press" / ".process.json.new").write_text("half", "utf-8")
    config = state.parent / "shoptwin.toml"
    config.write_text('[gateway]\nsite = "s"\n', "utf-8")
    return state


@pytest.mark.parametrize("name", ["b.tar", "b.tar.gz"])
def test_what_was_backed_up_comes_back(running: Path, tmp_path: Path, table: TagTable, name: str) -> None:
    """Alarms, waiting messages, samples and what was learned are put back; keys are not in the archive."""
    archive, there = tmp_path / name, tmp_path / "new"
    told: list[str] = []
    sizes = back_up(running, tmp_path / "shoptwin.toml", archive, samples=True, told=told.append)
    assert set(sizes) == {"ledger.db", "twin.db", "learned/press/process.json", "shoptwin.toml"}
    assert set(sizes) <= set(told)
    with tarfile.open(archive) as tar:
        assert not [n for n in tar.getnames() if "pki" in n or "key" in n]
    manifest, aside = restore(archive, there, replace=False, told=quiet)
    assert set(manifest["files"]) == set(sizes)
    assert aside == []
    assert sorted(path.name for path in there.iterdir()) == [
        "learned",
        "ledger.db",
        "shoptwin.toml.from-backup",
        "twin.db",
    ]
    assert read_pointer(there / "learned", "press", "process").version == "7"
    ledger, store = Ledger.open(there / "ledger.db"), SampleStore.open(there / "twin.db", table, Keep(samples=10**18))
    try:
        reader = ledger.reader()
        assert [state.alarm for state in load_alarms(reader)] == ["press/x"]
        assert [m.id for _, m in pending(reader)] == ["id-1"]
        reader.close()
        assert store.read("press-a", *ALL).values.tolist() == list(range(25))
        assert ledger.writer.submit(lambda tx: next_sequence(tx, "press")).result(5) == JUMP + 2
        take(store, range(25, 27))
        assert len(store.read("press-a", *ALL)) == 27
    finally:
        store.close()
        ledger.close()


def test_a_backup_is_one_moment_of_a_store_that_is_written(
    running: Path, store: SampleStore, tmp_path: Path, table: TagTable
) -> None:
    """While samples go on being written, the copy has all that was there when it began, in order, without a hole."""
    ends = threading.Event()

    def write() -> None:
        second = 25
        while not ends.is_set():
            take(store, range(second, second + 1))
            second += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for n in range(3):
            back_up(running, None, tmp_path / f"{n}.tar", samples=True, told=quiet)
    finally:
        ends.set()
        thread.join()
    counts = []
    for n in range(3):
        restore(tmp_path / f"{n}.tar", tmp_path / f"new{n}", replace=False, told=quiet)
        again = SampleStore.open(tmp_path / f"new{n}" / "twin.db", table, Keep(samples=10**18))
        values = again.read("press-a", *ALL).values.tolist()
        again.close()
        assert values == list(range(len(values)))
        counts.append(len(values))
    assert 25 <= counts[0] <= counts[1] <= counts[2]


def test_without_samples(running: Path, tmp_path: Path) -> None:
    """A small backup has alarms and what was learned, and no samples."""
    sizes = back_up(running, None, tmp_path / "b.tar", samples=False, told=quiet)
    assert set(sizes) == {"ledger.db", "learned/press/process.json"}


def test_nothing_to_back_up(tmp_path: Path) -> None:
    """A directory without stores is told, and no archive is left."""
    with pytest.raises(StoreError, match="holds no stores"):
        back_up(tmp_path, None, tmp_path / "b.tar", samples=True, told=quiet)
    assert list(tmp_path.iterdir()) == []


def test_stores_that_are_there_are_not_overwritten(running: Path, tmp_path: Path) -> None:
    """Without `replace` nothing is touched; with it what was there is set aside, whole."""
    back_up(running, None, tmp_path / "b.tar", samples=True, told=quiet)
    there = tmp_path / "new"
    restore(tmp_path / "b.tar", there, replace=False, told=quiet)
    (there / "learned" / "press" / "mine.json").write_text("mine", "utf-8")
    with pytest.raises(StoreError, match=r"holds ledger.db and twin.db and learned already"):
        restore(tmp_path / "b.tar", there, replace=False, told=quiet)
    _, aside = restore(tmp_path / "b.tar", there, replace=True, told=quiet)
    assert {path.name.split(".before")[0] for path in aside} == {"ledger.db", "twin.db", "learned"}
    assert next(path for path in aside if path.is_dir()).joinpath("press", "mine.json").read_text("utf-8") == "mine"
    assert not (there / "learned" / "press" / "mine.json").exists()


def _rewritten(archive: Path, to: Path, change: Callable[[str, bytes], tuple[str, bytes] | None]) -> None:
    """Copy an archive file by file, changed."""
    with tarfile.open(archive) as old, tarfile.open(to, "w") as new:
        for member in old:
            source = old.extractfile(member)
            assert source is not None
            if (kept := change(member.name, source.read())) is not None:
                info = tarfile.TarInfo(kept[0])
                info.size = len(kept[1])
                new.addfile(info, io.BytesIO(kept[1]))


def _flipped(name: str, data: bytes) -> tuple[str, bytes]:
    return (name, data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]) if name == "twin.db" else (name, data)


def _newer(name: str, data: bytes) -> tuple[str, bytes]:
    return (name, json.dumps(json.loads(data) | {"format": 99}).encode()) if name == "manifest.json" else (name, data)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_flipped, "twin.db is not what was backed up"),
        (lambda name, data: None if name == "ledger.db" else (name, data), "ledger.db is missing in it"),
        (lambda name, data: None if name == "manifest.json" else (name, data), "it has no manifest"),
        (_newer, "made by a newer Shoptwin"),
    ],
)
def test_a_backup_that_is_not_whole_changes_nothing(
    running: Path, tmp_path: Path, change: Callable[[str, bytes], Any], told: str
) -> None:
    """A flipped bit, a missing file, no manifest, a newer format: each is told, and nothing is put back."""
    back_up(running, None, tmp_path / "b.tar", samples=True, told=quiet)
    _rewritten(tmp_path / "b.tar", tmp_path / "bad.tar", change)
    with pytest.raises(StoreError, match=told):
        restore(tmp_path / "bad.tar", tmp_path / "new", replace=True, told=quiet)
    assert list((tmp_path / "new").iterdir()) == []


def test_half_an_archive_and_no_archive(running: Path, tmp_path: Path) -> None:
    """A file that was cut off, and one that is something else, are told as that."""
    back_up(running, None, tmp_path / "b.tar.gz", samples=True, told=quiet)
    whole = (tmp_path / "b.tar.gz").read_bytes()
    for n, data in enumerate((whole[: len(whole) // 2], b"hello", b"")):
        (tmp_path / f"bad{n}.tar.gz").write_bytes(data)
        with pytest.raises(StoreError, match="is no whole backup"):
            restore(tmp_path / f"bad{n}.tar.gz", tmp_path / "new", replace=False, told=quiet)


@pytest.mark.parametrize("bad", ["../evil", "learned/../evil", "learned/./evil", "learned/x/../evil", "/srv/evil"])
def test_an_archive_cannot_write_elsewhere(running: Path, tmp_path: Path, bad: str) -> None:
    """A name that leads out of the state directory is not unpacked, though the manifest names it."""
    back_up(running, None, tmp_path / "b.tar", samples=False, told=quiet)

    def evil(name: str, data: bytes) -> tuple[str, bytes]:
        if name == "manifest.json":
            told = json.loads(data)
            told["files"][bad] = told["files"].pop("learned/press/process.json")
            return name, json.dumps(told).encode()
        return (bad, data) if name.startswith("learned") else (name, data)

    _rewritten(tmp_path / "b.tar", tmp_path / "bad.tar", evil)
    with pytest.raises(StoreError, match="is missing in it"):
        restore(tmp_path / "bad.tar", tmp_path / "new" / "state", replace=False, told=quiet)
    assert not list(tmp_path.rglob("evil"))


def test_a_newer_store_in_it_is_refused(running: Path, tmp_path: Path, ledger: Ledger) -> None:
    """A backup of a newer program's ledger is refused by an older one, as its file would be."""
    ledger.close()
    raw = sqlite3.connect(running / "ledger.db")
    raw.execute("PRAGMA user_version = 99")
    raw.close()
    back_up(running, None, tmp_path / "b.tar", samples=False, told=quiet)
    with pytest.raises(StoreError, match="of a newer Shoptwin"):
        restore(tmp_path / "b.tar", tmp_path / "new", replace=False, told=quiet)


def test_the_commands(shoptwin_cli: Any, running: Path, tmp_path: Path) -> None:
    """`backup` and `restore` say what they copied, refuse to overwrite, and refuse where a daemon runs."""
    from shoptwin.daemon.lock import alone  # noqa: PLC0415 - for this alone

    archive, state = str(tmp_path / "b.tar.gz"), str(tmp_path / "new")
    config = ("--config", str(tmp_path / "shoptwin.toml"))
    made = shoptwin_cli("backup", archive, "--state-dir", str(running), *config)
    assert "4 files" in made.output
    assert "no private keys" in made.output
    assert "--force" in shoptwin_cli("backup", archive, "--state-dir", str(running), *config).output
    assert ".tar.gz" in shoptwin_cli("backup", str(tmp_path / "b.zip"), "--state-dir", str(running)).output
    with alone(tmp_path / "new"):
        refused = shoptwin_cli("restore", archive, "--state-dir", state)
    assert "Another daemon works in" in refused.output
    assert "4 files as of 20" in shoptwin_cli("restore", archive, "--state-dir", state).output
    again = shoptwin_cli("restore", archive, "--state-dir", state)
    assert "--replace" in again.output
    assert again.exit_code != 0
    assert "what was there is now" in shoptwin_cli("restore", archive, "--state-dir", state, "--replace").output


def test_what_is_left_of_a_file_that_is_gone_is_not_played_over_it(running: Path, tmp_path: Path) -> None:
    """A -wal that stayed behind when somebody took a damaged ledger away does not reach the one that is put back."""
    back_up(running, None, tmp_path / "b.tar", samples=True, told=quiet)
    there = tmp_path / "new"
    there.mkdir()
    raw = sqlite3.connect(there / "ledger.db")
    raw.execute("PRAGMA journal_mode = WAL")
    raw.execute("CREATE TABLE foo (x)")
    wal = (there / "ledger.db-wal").read_bytes()
    raw.close()
    (there / "ledger.db").unlink(missing_ok=True)
    (there / "ledger.db-wal").write_bytes(wal)
    restore(tmp_path / "b.tar", there, replace=True, told=quiet)
    ledger = Ledger.open(there / "ledger.db")
    reader = ledger.reader()
    assert [state.alarm for state in load_alarms(reader)] == ["press/x"]
    reader.close()
    ledger.close()


def test_a_restore_that_was_cut_off_is_no_state_to_start_from(
    running: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off between two files, it leaves a mark that no daemon starts over, until it is repeated."""
    back_up(running, None, tmp_path / "b.tar", samples=True, told=quiet)
    there = tmp_path / "new"
    restore(tmp_path / "b.tar", there, replace=False, told=quiet)
    monkeypatch.setattr("shoptwin.store.backup._set_aside", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        restore(tmp_path / "b.tar", there, replace=True, told=quiet)
    with pytest.raises(StoreError, match="was cut off"):
        check_whole(there)
    monkeypatch.undo()
    restore(tmp_path / "b.tar", there, replace=True, told=quiet)
    check_whole(there)


def test_without_samples_the_old_ones_stay(running: Path, tmp_path: Path) -> None:
    """A small backup that is put back sets aside what it brings, and leaves samples that it does not bring."""
    back_up(running, None, tmp_path / "b.tar", samples=False, told=quiet)
    there = tmp_path / "new"
    there.mkdir()
    (there / "twin.db").write_text("mine", "utf-8")
    _, aside = restore(tmp_path / "b.tar", there, replace=True, told=quiet)
    assert aside == []
    assert (there / "twin.db").read_text("utf-8") == "mine"


def test_a_damaged_store_is_no_backup(running: Path, tmp_path: Path, store: SampleStore) -> None:
    """A store that is damaged is told when it is backed up, not on the day when the backup is needed."""
    store.close()
    with store.path.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096 * 2)
    with pytest.raises(StoreError, match="is damaged"):
        back_up(running, None, tmp_path / "b.tar", samples=True, told=quiet)
    assert not (tmp_path / "b.tar").exists()


def test_nobody_else_reads_an_archive(running: Path, tmp_path: Path) -> None:
    """An archive can be read by who made it alone."""
    back_up(running, None, tmp_path / "b.tar", samples=False, told=quiet)
    assert (tmp_path / "b.tar").stat().st_mode & 0o777 == 0o600
