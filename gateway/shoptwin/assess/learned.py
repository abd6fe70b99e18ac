"""What was learned of one machine, on disk: `<learned>/<machine>/<indicator>-<version>.onnx`, `.json` and a pointer.

The pointer, `<indicator>.json`, is replaced in one step, so that a reader sees the old version or the new one.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from weakref import WeakValueDictionary

import numpy as np

from shoptwin.assess.blocks import Rhythm
from shoptwin.assess.session import Session, errors
from shoptwin.assess.shelf import check_hash, check_shapes
from shoptwin.domain.errors import ModelRejected
from shoptwin.store.files import sync

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_SESSIONS: WeakValueDictionary[str, Session] = WeakValueDictionary()
"""What is open, by structure; a session is closed with the last baseline that runs in it."""
_CURE = "Go back to an earlier one with: shoptwin rollback; or learn it anew with: shoptwin relearn"


@dataclass(frozen=True, slots=True)
class Pointer:
    """What of one indicator is in use."""

    version: str = ""
    since: int = 0
    """Nothing from before it (ns UTC) is learned from; 0 is the beginning."""
    chosen: bool = False
    """Whether somebody went back to it: it stays until they have it learned anew, or go elsewhere."""
    before: str = ""
    """The version that was in use when learning began anew."""


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """A learned baseline that was checked and can run."""

    id: str
    version: str
    sha256: str
    manifest: dict[str, Any]
    session: Session
    """Shared by all baselines of the same structure: half a megabyte each"""
    arrays: dict[str, NDArray[Any]]
    """What is this baseline's own in it"""

    @property
    def names(self) -> list[str]:
        """Observed values that it takes, in order."""
        names: list[str] = self.manifest["names"]
        return names

    @property
    def rhythm(self) -> Rhythm:
        """How rows are gathered before they are judged; one by one, where it was learned before that was known."""
        told = self.manifest.get("rhythm", {})
        return Rhythm(**told | {"steps": tuple((int(i), float(step)) for i, step in told.get("steps", ()))})

    def start(self) -> dict[str, NDArray[np.float64]]:
        """Return the state before the first row."""
        return {
            name: np.full(s["shape"], np.nan if s["fill"] is None else s["fill"])
            for name, s in self.manifest["state"].items()
        }

    def age(self, now: int) -> float:
        """Return how many rows ago the first learning ended, at the pace of the rows that it learned from."""
        aging = self.manifest["aging"]
        return max(float((now - aging["from"]) / aging["pace"]), 0.0)

    def step(
        self, x: NDArray[np.float64], age: float, alarmed: bool, state: dict[str, NDArray[np.float64]]
    ) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[np.float64]]]:
        """Judge one row [names]: the outputs by name, and the new state."""
        feeds = {"x": x, "age": np.array([age]), "alarmed": np.array([float(alarmed)])}
        out = self.session.run(self.arrays | feeds | {f"state.{name}": array for name, array in state.items()})
        return out, {name: out[f"next.{name}"] for name in state}


def folder(learned: Path, machine: str) -> Path:
    """Return the folder of one machine; any name is safe."""
    return learned / quote(machine, safe=" ")


def read_pointer(learned: Path, machine: str, indicator: str) -> Pointer:
    """Return what is in use; the empty Pointer where nothing is, or where the file cannot be read."""
    try:
        told = json.loads((folder(learned, machine) / f"{indicator}.json").read_text("utf-8"))
        return Pointer(str(told["version"]), int(told["since"]), bool(told.get("chosen")), str(told.get("before", "")))
    except (OSError, ValueError, KeyError, TypeError):
        return Pointer()


def write_pointer(learned: Path, machine: str, indicator: str, pointer: Pointer) -> None:
    """Replace the pointer in one step that a power cut does not halve."""
    write_atomically(folder(learned, machine) / f"{indicator}.json", json.dumps(asdict(pointer)).encode())


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file beside its place, sync it, move it there, sync the folder."""
    missing = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    for made in reversed(missing):
        sync(made.parent)
    beside = path.with_name(f".{path.name}.new")
    with beside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    sync(path.parent)


def load(learned: Path, machine: str, indicator: str, version: str) -> Learned:
    """Return a baseline that is on disk, checked.

    Raises:
        ModelRejected: the files are missing or damaged, or hash or shapes are not those of the manifest.
    """
    stem = folder(learned, machine) / f"{indicator}-{version}"
    name = f"what was learned of {machine} ({indicator}, version {version})"
    try:
        manifest: dict[str, Any] = json.loads(stem.with_suffix(".json").read_text("utf-8"))
        data = stem.with_suffix(".onnx").read_bytes()
        state = {f"state.{n}": tuple(s["shape"]) for n, s in manifest["state"].items()}
        declared = (
            manifest["names"],
            manifest["learned_from"],
            manifest["aging"]["from"] + manifest["aging"]["pace"],
            manifest["rows"],
        )
        arrays = _arrays(data, manifest.get("arrays", {}))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
        raise ModelRejected(f"{name} cannot be read: {e}", _CURE) from e
    check_hash(name, data, str(manifest.get("sha256")))
    session = _session(str(manifest.get("structure", manifest["sha256"])), data, name)
    row: dict[str, tuple[Any, ...]] = {"x": (len(declared[0]),), "age": (1,), "alarmed": (1,)}
    check_shapes(name, row | state, session.inputs)
    found = Learned(f"{indicator}-{machine}", version, str(manifest["sha256"]), manifest, session, arrays)
    _try(found, name)
    return found


def _try(baseline: Learned, name: str) -> None:
    """Judge a row without values: shapes that do not fit one another show here. Raises ModelRejected."""
    before = baseline.start()
    try:
        _, after = baseline.step(np.full(len(baseline.names), np.nan), 0.0, False, before)
    except errors() as e:
        raise ModelRejected(f"{name} does not run: {e}", _CURE) from e
    made = {f"next.{n}": a.shape for n, a in after.items()}
    check_shapes(name, {f"next.{n}": a.shape for n, a in before.items()}, made)


def _session(structure: str, data: bytes, name: str) -> Session:
    """Return an open session of that structure, or open this one. Raises ModelRejected."""
    session = _SESSIONS.get(structure)
    if session is None:
        session = _SESSIONS[structure] = Session(data, name)
    return session


def _arrays(data: bytes, told: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """Return the arrays that stand in the model's bytes. Raises ValueError where they are not there."""
    return {
        name: np.frombuffer(data, at["dtype"], math.prod(at["shape"]), at["offset"]).reshape(at["shape"]).copy()
        for name, at in told.items()
    }
