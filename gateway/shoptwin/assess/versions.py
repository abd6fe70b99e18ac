"""Which baselines of a machine are on disk, and which is in use: each can be gone back to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shoptwin.assess.learned import folder
from shoptwin.domain.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from shoptwin.assess.learned import Pointer


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
    doubts: tuple[dict[str, Any], ...] = ()
    """Why the learning part may not be believed: `kind`, `tags`, `text`, `cure`."""


def versions(learned: Path, machine: str, indicator: str) -> list[int]:
    """Return the versions on disk, oldest first: those with a manifest, which is written last."""
    stems = (p.stem.removeprefix(f"{indicator}-") for p in folder(learned, machine).glob(f"{indicator}-*.json"))
    return sorted(int(stem) for stem in stems if stem.isdigit())


def check(learned: Path, machine: str, indicator: str, version: str) -> str:
    """Return the version that somebody wants to go back to.

    Raises:
        ModelError: there is no such version.
    """
    known = versions(learned, machine, indicator)
    if not version.isdigit() or int(version) not in known:
        there = f"there are {', '.join(map(str, known))}" if known else "nothing has been learned of it yet"
        raise ModelError(f"there is no version {version} of {indicator} of {machine}", there)
    return version


def earlier(learned: Path, machine: str, indicator: str, pointer: Pointer) -> str:
    """Return the version before the one in use; where it is being learned anew, the one that was in use then.

    Raises:
        ModelError: there is none.
    """
    known = versions(learned, machine, indicator)
    if not pointer.version and pointer.before.isdigit() and int(pointer.before) in known:
        return pointer.before
    older = [v for v in known if not pointer.version or v < int(pointer.version)]
    if not older:
        raise ModelError(f"there is no earlier version of {indicator} of {machine}", "What is in use stays in use")
    return str(older[-1])


def listing(learned: Path, machine: str, indicator: str, used: str) -> list[Version]:
    """Return what is on disk of one indicator, oldest first; `used` is the version in use."""
    return [_version(learned, machine, indicator, str(v), used) for v in versions(learned, machine, indicator)]


def _version(learned: Path, machine: str, indicator: str, version: str, used: str) -> Version:
    try:
        told = json.loads((folder(learned, machine) / f"{indicator}-{version}.json").read_text("utf-8"))
        return Version(
            indicator, version, version == used, int(told["learned_from"]), int(told["learned_until"]),
            int(told["rows"]), float(told["budget"]["false_alarms_per_month"]),
            tuple(told.get("doubts", ())),
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError):
        return Version(indicator, version, version == used)
