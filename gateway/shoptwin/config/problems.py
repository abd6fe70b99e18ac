"""Everything that is wrong with one file, each with its line and its cure, told at once."""

from __future__ import annotations

import difflib
import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shoptwin.domain.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path as FilePath

    from shoptwin.config.lines import Path

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def key_path(path: Path) -> str:
    """Write a key path as people do: `machine[0].tag[1].address`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _BARE.fullmatch(part) else f'"{part}"')
    return text


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that was most likely meant, None where none is near."""
    found = difflib.get_close_matches(word.casefold(), {k.casefold(): k for k in known}, n=1, cutoff=0.6)
    return next((k for k in known if k.casefold() == found[0]), None) if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Write the cure for a word that is not known: the one that was most likely meant, or all there are."""
    known = tuple(known)
    if near := nearest(word, known):
        return f"did you mean '{near}'?"
    return f"one of: {', '.join(known)}" if known else ""


@dataclass
class Problems:
    """Collects what is wrong with `file`; `lines` says where each key stands."""

    file: FilePath
    lines: dict[Path, int]
    _found: list[tuple[int, str]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, path: Path, what: str, cure: str = "") -> None:
        """Note that the value at `path` is wrong: `what` follows the path in the sentence, then comes the cure."""
        place, line = key_path(path), self.line(path)
        sentence = " ".join(part for part in (place, what) if part)
        told = f"{self.file.name}:{line}: {sentence}" + (f"; {cure}" if cure else "")
        if (line, told) not in self._found:
            self._found.append((line, told))

    def line(self, path: Path) -> int:
        """Return the line of the value at `path`, or of what it stands in."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]

    def raise_any(self) -> None:
        """Raise all that was noted as one error, in the order of the file.

        Raises:
            ConfigError: at least one problem was noted.
        """
        if not self._found:
            return
        told = [text for _, text in sorted(self._found, key=lambda found: found[0])]
        many = f"{len(told)} problems" if len(told) > 1 else "the problem"
        again = f"shoptwin check --config {shlex.quote(str(self.file))}"
        raise ConfigError("\n".join(told), f"Correct {many}, then try: {again}")
