"""Which baselines of a machine are on disk, and which is in use: each can be gone back to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shoptwin.assess.learned import Pointer, folder, read_pointer, write_pointer
from shoptwin.domain.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Version:
    """One baseline on disk. Times are ns UTC, 0 where its manifest cannot be read."""

    indicator: str
    version: str
    used: bool
    learned_from: int = 0
    learned_until: int = 0
    rows: int = 0
    false_alarms_per_month: float = 0.0


def versions(learned: Path, machine: str, indicator: str) -> list[int]:
    """Return the versions on disk, oldest first."""
    stems = (p.stem.removeprefix(f"{indicator}-") for p in folder(learned, machine).glob(f"{indicator}-*.onnx"))
    return sorted(int(stem) for stem in stems if stem.isdigit())


def use(learned: Path, machine: str, indicator: str, version: str) -> None:
    """Point at a version: the newest, or an older one to go back to.

    Raises:
        ModelError: there is no such version. OSError: the pointer cannot be written; what was in use stays in use.
    """
    known = versions(learned, machine, indicator)
    if not version.isdigit() or int(version) not in known:
        there = f"there are {', '.join(map(str, known))}" if known else "nothing has been learned of it yet"
        raise ModelError(f"there is no version {version} of {indicator} of {machine}", there)
    since = read_pointer(learned, machine, indicator).since
    write_pointer(learned, machine, indicator, Pointer(version, since))


def earlier(learned: Path, machine: str, indicator: str) -> str:
    """Return the version before the one in use; the newest, where one is being learned anew.

    Raises:
        ModelError: there is none.
    """
    used = read_pointer(learned, machine, indicator).version
    older = [v for v in versions(learned, machine, indicator) if not used or v < int(used)]
    if not older:
        raise ModelError(f"there is no earlier version of {indicator} of {machine}", "What is in use stays in use")
    return str(older[-1])


def listing(learned: Path, machine: str, indicator: str) -> list[Version]:
    """Return what is on disk of one indicator, oldest first."""
    used = read_pointer(learned, machine, indicator).version
    return [_version(learned, machine, indicator, str(v), used) for v in versions(learned, machine, indicator)]


def _version(learned: Path, machine: str, indicator: str, version: str, used: str) -> Version:
    try:
        told = json.loads((folder(learned, machine) / f"{indicator}-{version}.json").read_text("utf-8"))
        return Version(
            indicator, version, version == used, int(told["learned_from"]), int(told["learned_until"]),
            int(told["rows"]), float(told["budget"]["false_alarms_per_month"]),
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError):
        return Version(indicator, version, version == used)
