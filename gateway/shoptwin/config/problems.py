"""Everything that is wrong with one file, each with its line and its cure, told at once."""

from __future__ import annotations

import difflib
import re
import shlex
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING

from shoptwin.domain.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path as FilePath

    from shoptwin.config.lines import Path
    from shoptwin.domain.errors import ShoptwinError

_BARE = re.compile(r"[A-Za-z0-9_-]+")
MOST_SPANS = 5
"""Spans of rows that are named where something is wrong in many."""


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


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a tag list, where the keys of a tag stand that the configuration itself does not hold."""

    file: str
    """As the configuration names it."""
    number: int
    """As a spreadsheet counts."""
    columns: Mapping[str, str]
    """From a key, in its dotted form, to the heading of its column."""

    def column(self, within: Path) -> str:
        """Return the heading of the column that holds what is at this path within the tag; empty where none does."""
        keys = [str(part) for part in takewhile(lambda part: isinstance(part, str), within)]
        dotted = (".".join(keys[:n]) for n in range(len(keys), 0, -1))
        return next((self.columns[key] for key in dotted if key in self.columns), "")


@dataclass(frozen=True, slots=True)
class _Problem:
    """One sentence. What is wrong alike in many rows of a list is told once, with all of them."""

    line: int
    """Of the configuration: where the key stands, or the list's name."""
    file: str
    what: str
    rows: list[int] = field(default_factory=list, compare=False)

    def __str__(self) -> str:
        return f"{self.file} {_spans(self.rows)}{self.what}" if self.rows else f"{self.file}:{self.line}: {self.what}"

    @property
    def place(self) -> tuple[int, str, int]:
        return (self.line, self.file, min(self.rows)) if self.rows else (self.line, "", 0)


@dataclass
class Problems:
    """Collects what is wrong with `file`; `lines` says where each key stands, `rows` which paths are rows of lists."""

    file: FilePath
    lines: dict[Path, int]
    rows: dict[Path, Row] = field(default_factory=dict)
    _found: dict[_Problem, _Problem] = field(default_factory=dict)
    _elsewhere: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self._found or self._elsewhere)

    def add(self, path: Path, what: str, cure: str = "") -> None:
        """Note that the value at `path` is wrong: `what` follows the path in the sentence, then comes the cure."""
        told = what + (f"; {cure}" if cure else "")
        row, within = self._row(path)
        subject = key_path(within)
        if row is not None and (column := row.column(within)):
            told, subject = f", column {column}: {told}", ""
        elif row is not None:
            told, subject = f": {subject} {told}" if subject else f": {told}", ""
        new = _Problem(self.line(path), row.file if row else self.file.name, f"{subject} {told}" if subject else told)
        found = self._found.setdefault(new, new)
        if row is not None:
            found.rows.append(row.number)

    def lacks(self, path: Path, key: str, cure: str = "") -> None:
        """Note that the table at `path` needs a `key` that it does not have."""
        row, within = self._row(path)
        if row is None:
            self.add(path, f"needs the key '{key}'", cure)
        else:
            self.add(path[: len(path) - len(within)], f"needs a value in the column '{key_path((*within, key))}'", cure)

    def elsewhere(self, error: ShoptwinError) -> None:
        """Note what is wrong with a file that this one makes use of; the error says which."""
        told = error.message + (f"; {error.hint}" if error.hint else "")
        if told not in self._elsewhere:
            self._elsewhere.append(told)

    def line(self, path: Path) -> int:
        """Return the line of the value at `path`, or of what it stands in."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]

    def where(self, path: Path, seen_from: Path) -> str:
        """Say where the value at `path` stands, to a reader of the value at `seen_from`: `on line 10`, `in row 4`."""
        (row, _), (here, _) = self._row(path), self._row(seen_from)
        if row is None:
            return f"on line {self.line(path)}" + (f" of {self.file.name}" if here else "")
        return f"in row {row.number}" if here and here.file == row.file else f"in {row.file} row {row.number}"

    def told(self) -> list[str]:
        """Return all that was noted, without the places."""
        return [problem.what for problem in self._found] + self._elsewhere

    def raise_any(self) -> None:
        """Raise all that was noted as one error, in the order of the file.

        Raises:
            ConfigError: at least one problem was noted.
        """
        if not self:
            return
        told = [str(problem) for problem in sorted(self._found, key=lambda problem: problem.place)] + self._elsewhere
        many = f"{len(told)} problems" if len(told) > 1 else "the problem"
        again = f"shoptwin check --config {shlex.quote(str(self.file))}"
        raise ConfigError("\n".join(told), f"Correct {many}, then try: {again}")

    def _row(self, path: Path) -> tuple[Row | None, Path]:
        """Return the row that `path` leads into and the path within it; None and the whole path where there is none."""
        for n in range(len(path), 0, -1) if self.rows else ():
            if path[:n] in self.rows:
                return self.rows[path[:n]], path[n:]
        return None, path


def _spans(numbers: list[int]) -> str:
    """Write numbers of rows for people: `row 7`, `rows 2-5, 9`; of many spans the first few."""
    spans: list[list[int]] = []
    for number in sorted(set(numbers)):
        if spans and number == spans[-1][-1] + 1:
            spans[-1] = [spans[-1][0], number]
        else:
            spans.append([number])
    told = ", ".join("-".join(map(str, span)) for span in spans[:MOST_SPANS])
    many = len(spans) > 1 or len(spans[0]) > 1
    return f"{'rows' if many else 'row'} {told}{' …' if len(spans) > MOST_SPANS else ''}"
