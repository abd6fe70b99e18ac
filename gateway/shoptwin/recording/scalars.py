"""`scalars.csv`: a table of numbers over time, parsed in blocks by numpy."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from shoptwin.domain.errors import RecordingError
from shoptwin.domain.timing import parse_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

BLOCK = 4096
"""Lines parsed at once: bounds the memory that the cells take as text."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """What could be read. `problem` is the error that ended the reading; every row before it stands here."""

    names: tuple[str, ...]
    time: NDArray[np.int64]
    """Nanoseconds since 1970 UTC [n], increasing."""
    values: NDArray[np.float64]
    """[n, names], NaN where a cell is empty."""
    problem: RecordingError | None


def read_table(path: Path) -> Table:
    """Read a `scalars.csv`.

    Raises:
        RecordingError: the file cannot be opened, or its header is not one. What is wrong further down is returned
            as `problem`, with every row before it.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            names = _header(path, next(csv.reader([file.readline()]), []))
            times, values = [np.empty(0, np.int64)], [np.empty((0, len(names)))]
            problem: RecordingError | None = None
            for block in _blocks(path, file, names):
                keep, problem = _ordered(path, times[-1], block)
                times.append(block.time[:keep])
                values.append(block.values[:keep])
                if problem:
                    break
    except OSError as e:
        raise RecordingError(f"{path}: cannot be read: {e.strerror}", "Check that it exists and may be read") from e
    return Table(names, np.concatenate(times), np.concatenate(values), problem)


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """Parsed lines, up to the first bad one, which `problem` is about; `lines` are their numbers in the file."""

    lines: list[int]
    time: NDArray[np.int64]
    values: NDArray[np.float64]
    problem: RecordingError | None = None


def _header(path: Path, header: list[str]) -> tuple[str, ...]:
    """Check the first line and return the names of the tags."""
    hint = "The first line must read time,<tag>,<tag>,... with a name for each column, each once"
    if not header:
        raise RecordingError(f"{path}:1: the file is empty", hint)
    if any("\ufffd" in cell for cell in header):
        raise RecordingError(f"{path}:1: the names are not text in UTF-8", "Save the file as CSV in UTF-8")
    first, *names = (cell.strip() for cell in header)
    if first != "time":
        raise RecordingError(f"{path}:1: the first column is {first!r}, not 'time'", hint)
    if not names or not all(names):
        raise RecordingError(f"{path}:1: a column has no name" if names else f"{path}:1: there are no tags", hint)
    if twice := next((n for i, n in enumerate(names) if n in names[:i]), None):
        raise RecordingError(f"{path}:1: {twice!r} names two columns", hint)
    return tuple(names)


def _blocks(path: Path, file: Iterable[str], names: tuple[str, ...]) -> Iterator[_Block]:
    """Yield the parsed lines block by block; the block with the first bad line is the last."""
    text = _Lines(file)
    reader = csv.reader(iter(text))
    lines: list[int] = []
    rows: list[list[str]] = []
    problem: RecordingError | None = None
    try:
        for row in reader:
            if not row:
                continue
            lines.append(reader.line_num + 1)
            rows.append(row)
            if len(rows) == BLOCK:
                yield _parse(path, lines, rows, names)
                lines, rows = [], []
    except csv.Error as e:
        problem = RecordingError(f"{path}:{reader.line_num + 1}: not CSV: {e}", "The file is damaged: copy it again")
    if not text.complete and rows and problem is None:
        end = ",".join(rows.pop())[-40:]
        problem = RecordingError(
            f"{path}:{lines.pop()}: the last line is cut off after {end!r}",
            "Copy the file again; if the line is complete, end it with a line break",
        )
    block = _parse(path, lines, rows, names)
    yield block if block.problem or not problem else replace(block, problem=problem)


class _Lines:
    """The lines of a file, and whether the last one was complete."""

    def __init__(self, file: Iterable[str]) -> None:
        self._file = file
        self.complete = True

    def __iter__(self) -> Iterator[str]:
        for line in self._file:
            self.complete = line.endswith(("\n", "\r"))
            yield line


def _parse(path: Path, lines: list[int], rows: list[list[str]], names: tuple[str, ...]) -> _Block:
    """Parse lines at once; where one of them is bad, find it."""
    try:
        return _Block(lines, *_convert(rows, len(names)))
    except ValueError:
        for i, row in enumerate(rows):
            if problem := _fault(path, row, names, lines[i]):
                return _Block(lines[:i], *_convert(rows[:i], len(names)), problem)
        raise


def _convert(rows: list[list[str]], columns: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Convert cells to times [n] and values [n, columns]. Raises ValueError where any cell is bad."""
    if not rows:
        return np.empty(0, np.int64), np.empty((0, columns))
    if any(len(row) != columns + 1 for row in rows):
        raise ValueError("lines differ in length")
    cells = [cell if cell and not cell.isspace() else "nan" for row in rows for cell in row[1:]]
    return _times([row[0] for row in rows]), np.array(cells, "U").astype(np.float64).reshape(len(rows), columns)


def _times(stamps: list[str]) -> NDArray[np.int64]:
    """Convert ISO 8601 texts: all at once where they end in Z, else one by one. Raises ValueError."""
    if all(len(stamp) > len("2020-01-01T00") and stamp[-1] == "Z" for stamp in stamps):
        return np.array([stamp[:-1] for stamp in stamps], "datetime64[ns]").astype(np.int64)
    return np.array([parse_time(stamp) for stamp in stamps], np.int64)


def _fault(path: Path, row: list[str], names: tuple[str, ...], line: int) -> RecordingError | None:
    """Say what is wrong with one line, if anything."""
    if len(row) != len(names) + 1:
        return RecordingError(
            f"{path}:{line}: {len(row)} cells where the header has {len(names) + 1}",
            "Leave a cell empty where a value is missing; if the file was cut off, copy it again",
        )
    try:
        _times(row[:1])
    except ValueError as e:
        return RecordingError(f"{path}:{line}: column time: {e}", "Write times as 2026-01-31T06:00:00.000Z")
    for name, cell in zip(names, row[1:], strict=True):
        try:
            _convert([[row[0], cell]], 1)
        except ValueError:
            hint = "Write a number with a point, or leave the cell empty where the value is missing"
            return RecordingError(f"{path}:{line}: column {name}: {cell!r} is not a number", hint)
    return None


def _ordered(path: Path, before: NDArray[np.int64], block: _Block) -> tuple[int, RecordingError | None]:
    """Count the leading rows whose times increase, and say what is wrong after them, if anything is."""
    times = np.concatenate([before[-1:], block.time])
    late = np.flatnonzero(np.diff(times) <= 0)
    if not len(late):
        return len(block.time), block.problem
    keep = int(late[0]) + 1 - len(before[-1:])
    return keep, RecordingError(
        f"{path}:{block.lines[keep]}: the time is not after that of the line before",
        "Sort the lines by time and leave each time once",
    )
