"""A copy of all that a gateway knows, in one archive, made while it runs; and putting it back.

The archive is a tar: `manifest.json` with the hash of each file, then the files. Neither passwords nor private keys are
in it: those never lie where a backup is kept.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import sqlite3
import tarfile
import tempfile
import time
import zlib
from contextlib import closing, suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shoptwin.domain.errors import StoreError
from shoptwin.domain.timing import iso
from shoptwin.store.files import corrupt, full, open_reader, sync, translate
from shoptwin.store.ledger_schema import MIGRATIONS as LEDGER
from shoptwin.store.ledger_schema import continue_numbers
from shoptwin.store.mark import MARK
from shoptwin.store.migrations import NEWER
from shoptwin.store.samples_schema import MIGRATIONS as TWIN

if TYPE_CHECKING:
    from collections.abc import Callable

FORMAT = 1
MANIFEST = "manifest.json"
CONFIG = "shoptwin.toml"
STORES = {"ledger.db": LEDGER, "twin.db": TWIN}
JUMP = 1_000_000
"""How far sequence numbers jump when a backup is put back: more than can have been given out since it was made."""
_KNOWN = re.compile(r"(ledger\.db|twin\.db|shoptwin\.toml|learned(/(?!\.{1,2}(/|$))[^/\\]+){2})")
_AT_ONCE = 1 << 20


def back_up(
    state: Path, config: Path | None, archive: Path, *, samples: bool, told: Callable[[str], None]
) -> dict[str, int]:
    """Write what is in `state` into `archive` (`.tar` or `.tar.gz`); return the bytes of each file in it.

    A running daemon goes on meanwhile: of each store the archive has one moment. `told` is called with the name of each
    file before it is copied. The archive is there once it is whole.

    Raises:
        StoreError: there is nothing to back up, or a store cannot be read, or is damaged.
        OSError: the archive cannot be written.
    """
    if not any((state / name).exists() for name in STORES):
        raise StoreError(f"{state} holds no stores", "Give the daemon's state directory: --state-dir", code="no-store")
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=archive.parent) as place:
        copied = Path(place)
        for name in STORES if samples else ("ledger.db",):
            if (state / name).exists():
                told(name)
                _copy_store(state / name, copied / name)
        # Pointers first: what they point to was there before them, and does not change.
        for pointers in (True, False):
            for path in _learned(state, pointers=pointers):
                _copy(path, copied, str(path.relative_to(state)), told)
        if config is not None and config.exists():
            _copy(config, copied, CONFIG, told)
        return _pack(copied, archive, told)


def restore(
    archive: Path, state: Path, *, replace: bool, told: Callable[[str], None]
) -> tuple[dict[str, Any], list[Path]]:
    """Put an archive's files into `state`, where no daemon may run; return its manifest, and what was set aside for it.

    Nothing in `state` is touched before all of the archive was read and found whole. The configuration in it is put
    beside as `shoptwin.toml.from-backup`. Messages that waited when the backup was made are sent again.

    Raises:
        StoreError: it is no backup, damaged, or of a newer Shoptwin; or there are stores that are not to be replaced.
    """
    there = [state / name for name in (*STORES, "learned") if (state / name).exists()]
    if there and not replace:
        raise StoreError(
            f"{state} holds {' and '.join(path.name for path in there)} already",
            "Name an empty directory, or set them aside with --replace", code="store-there",
        )  # fmt: skip
    state.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=state) as place:
        unpacked = Path(place)
        manifest = _unpack(archive, unpacked, told)
        for name in STORES:
            if (unpacked / name).exists():
                _ready(unpacked / name, name)
        _settle(unpacked, state)
        # A power cut from here on leaves some of the old and some of the new: no daemon takes that for a whole state.
        (state / MARK).touch()
        sync(state)
        aside = [_set_aside(path) for path in there if (unpacked / path.name).exists()]
        for name in (name for name in STORES if (unpacked / name).exists()):
            for tail in ("-wal", "-shm"):  # left of a file that is gone, they would be played over the one that comes
                (state / f"{name}{tail}").unlink(missing_ok=True)
        for path in sorted(unpacked.iterdir()):
            path.rename(state / (f"{CONFIG}.from-backup" if path.name == CONFIG else path.name))
        sync(state)
        (state / MARK).unlink()
        sync(state)
    return manifest, aside


def _settle(unpacked: Path, state: Path) -> None:
    """Put all that was unpacked on the disk, and into the hands of whoever owns the state directory."""
    owner = state.stat()
    for path in (unpacked, *unpacked.rglob("*")):
        if os.geteuid() == 0:
            os.chown(path, owner.st_uid, owner.st_gid)
        sync(path)


def _learned(state: Path, *, pointers: bool) -> list[Path]:
    """Return the files of what was learned that are pointers (and what goes with them), or that have a version."""
    files = [path for path in (state / "learned").glob("*/*") if path.is_file() and not path.name.startswith(".")]
    return sorted(path for path in files if (path.suffix == ".json" and "-" not in path.name) == pointers)


def _copy(path: Path, copied: Path, name: str, told: Callable[[str], None]) -> None:
    told(name)
    (copied / name).parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):  # an old version may go at any time
        shutil.copyfile(path, copied / name)


def _copy_store(path: Path, to: Path) -> None:
    try:
        with closing(open_reader(path)) as reader, closing(sqlite3.connect(to)) as copy:
            reader.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            damage = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        raise translate(error, path) from error
    if damage != "ok":
        raise corrupt(path, damage)


def _pack(copied: Path, archive: Path, told: Callable[[str], None]) -> dict[str, int]:
    files = sorted(path for path in copied.rglob("*") if path.is_file())
    names = {str(path.relative_to(copied)): path for path in files}
    sizes = {name: path.stat().st_size for name, path in names.items()}
    manifest = {
        "format": FORMAT, "shoptwin": version("shoptwin"), "made": iso(time.time_ns()),
        "files": {name: {"sha256": _hash(path), "bytes": sizes[name]} for name, path in names.items()},
    }  # fmt: skip
    (copied / MANIFEST).write_text(json.dumps(manifest, indent=1), "utf-8")
    beside = archive.with_name(f".{archive.name}.part")
    try:
        told(archive.name)
        zipped = archive.name.endswith((".gz", ".tgz"))
        how: dict[str, Any] = {"mode": "w:gz", "compresslevel": 1} if zipped else {"mode": "w"}
        with tarfile.open(beside, **how) as tar:
            for name in (MANIFEST, *names):
                tar.add(copied / name, name)
        beside.chmod(0o600)
        sync(beside)
        beside.replace(archive)
    finally:
        beside.unlink(missing_ok=True)
    return sizes


def _unpack(archive: Path, into: Path, told: Callable[[str], None]) -> dict[str, Any]:
    """Unpack what the manifest names and nothing else, and hold it against its hashes."""
    try:
        with tarfile.open(archive) as tar:
            first = tar.next()
            if first is None or first.name != MANIFEST or (opened := tar.extractfile(first)) is None:
                raise _no_backup(archive, "it has no manifest")
            manifest: dict[str, Any] = json.loads(opened.read(1 << 24))
            if int(manifest["format"]) > FORMAT:
                raise StoreError(
                    f"{archive} was made by a newer Shoptwin ({manifest['shoptwin']})", "Install that one", code=NEWER
                )
            wanted: dict[str, dict[str, Any]] = dict(manifest["files"])
            for member in tar:
                if member.name in wanted and member.isfile() and _KNOWN.fullmatch(member.name):
                    told(member.name)
                    _unpack_one(tar, member, into / member.name, wanted.pop(member.name)["sha256"])
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise full(into) from error
        raise _no_backup(archive, str(error)) from error
    except (tarfile.TarError, zlib.error, EOFError, ValueError, KeyError, TypeError) as error:
        raise _no_backup(archive, str(error)) from error
    if wanted:
        raise _no_backup(archive, f"{', '.join(wanted)} is missing in it")
    return manifest


def _unpack_one(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path, sha256: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    source = tar.extractfile(member)
    if source is None:
        raise tarfile.TarError(f"{member.name} cannot be read")
    with path.open("wb") as file:
        shutil.copyfileobj(source, file, _AT_ONCE)
        file.flush()
        sync(path)
    if _hash(path) != sha256:
        raise tarfile.TarError(f"{member.name} is not what was backed up")


def _ready(path: Path, name: str) -> None:
    try:
        _prepare(path, name)
    except sqlite3.Error as error:
        raise StoreError(f"{name} in it is damaged: {error}", "Take an older backup", code="backup-damaged") from error


def _prepare(path: Path, name: str) -> None:
    """See that a store is sound and not newer than this program; let numbers go on above all that were given out."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        made = db.execute("PRAGMA user_version").fetchone()[0]
        if made > len(STORES[name]):
            raise StoreError(f"{name} in it is of a newer Shoptwin (schema {made})", "Install that one", code=NEWER)
        if (told := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise StoreError(f"{name} in it is damaged: {told}", "Take an older backup", code="backup-damaged")
        if name == "ledger.db":
            db.execute("BEGIN")
            continue_numbers(db, path)
            db.execute("UPDATE counters SET value = value + ?", (JUMP,))
            db.execute("COMMIT")
    sync(path)


def _set_aside(path: Path) -> Path:
    name = f"{path.name}.before-restore-{iso(time.time_ns())[:19].replace(':', '')}"
    aside, again = path.with_name(name), 1
    while aside.exists():
        again += 1
        aside = path.with_name(f"{name}.{again}")
    for tail in ("-wal", "-shm", ""):
        if (mine := path.with_name(path.name + tail)).exists():
            mine.rename(aside.with_name(aside.name + tail))
    return aside


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _no_backup(archive: Path, why: str) -> StoreError:
    return StoreError(
        f"{archive} is no whole backup: {why}", "Take another one; nothing was changed", code="backup-damaged"
    )
