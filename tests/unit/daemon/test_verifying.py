"""The daily look: what it finds reaches status, the words of what is degraded, and the writer."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from shoptwin.daemon import verifying
from shoptwin.daemon.verifying import Verifier
from shoptwin.domain.errors import StoreCorrupt, StoreError
from shoptwin.store.verify import Verified

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def gateway(tmp_path: Path) -> Any:
    """A gateway with what the verifier looks at; what is condemned is noted."""
    condemned: list[tuple[StoreCorrupt, int]] = []

    def condemn(error: StoreCorrupt, inode: int) -> None:
        condemned.append((error, inode))

    for name in ("ledger.db", "twin.db"):
        (tmp_path / name).touch()
    return SimpleNamespace(
        ledger=SimpleNamespace(path=tmp_path / "ledger.db", writer=SimpleNamespace(condemn=condemn)),
        samples=SimpleNamespace(path=tmp_path / "twin.db", condemn=condemn),
        clock=SimpleNamespace(now=lambda: 1_764_000_000 * 10**9), condemned=condemned,
        progress=SimpleNamespace(expect=lambda *_: None),
    )  # fmt: skip


def finding(monkeypatch: pytest.MonkeyPatch, found: dict[str, Verified | StoreError]) -> None:
    """Let files be found so."""

    def look(path: Path, _ends: object) -> Verified:
        if isinstance(told := found[path.name], StoreError):
            raise told
        return told

    monkeypatch.setattr(verifying, "verify", look)


async def test_sound_files(gateway: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sound files are told with the time of the look, and nothing is degraded."""
    finding(monkeypatch, {"ledger.db": Verified(True), "twin.db": Verified(True, 15)})
    verifier = Verifier(gateway)
    await verifier.look()
    sound = {"at": "2025-11-24T16:00:00.000Z", "damaged": 0}
    assert verifier.report == {"ledger.db": sound, "twin.db": sound}
    assert verifier.problem == ""
    assert gateway.condemned == []


async def test_damaged_chunks_are_told(gateway: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Damaged chunks are told in words; the file is kept, as the rest of it is well."""
    finding(monkeypatch, {"ledger.db": Verified(True), "twin.db": Verified(True, 15, 2)})
    verifier = Verifier(gateway)
    await verifier.look()
    assert verifier.problem == "twin.db: 2 chunks are damaged; asking for their time fails"
    assert gateway.condemned == []


async def test_a_damaged_file_is_condemned(gateway: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged file is handed to its writer, which sets it aside; one that cannot be read now is not."""
    broken = StoreCorrupt("twin.db is damaged", "")
    finding(monkeypatch, {"ledger.db": StoreError("busy"), "twin.db": broken})
    verifier = Verifier(gateway)
    await verifier.look()
    assert gateway.condemned == [(broken, gateway.samples.path.stat().st_ino)]
    assert verifier.report == {}


async def test_it_looks_again_and_again_until_it_is_cancelled(gateway: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look comes after its pause, the next ones after theirs."""
    looks: list[str] = []
    monkeypatch.setattr(verifying, "verify", lambda path, _: looks.append(path.name) or Verified(True))
    task = asyncio.ensure_future(Verifier(gateway).run(first=0, every=0.01))
    while len(looks) < 6:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert looks[:4] == ["ledger.db", "twin.db"] * 2
