"""Tables as spreadsheets save them: CSV in any dialect, as rows of texts that know their numbers."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

DELIMITERS = ",;\t"
COMMENT = "#"
SEPARATOR = "sep="
"""Begins a line that tells spreadsheets the delimiter, before the headings."""
_BLANK = DELIMITERS + ' "\r\n'


class SheetError(ValueError):
    """A text that is no such table: what is wrong, and in which row."""

    def __init__(self, row: int, what: str) -> None:
        super().__init__(what)
        self.row = row


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table. Cells have no blanks around them; rows count from 1, as a spreadsheet and an editor do."""

    delimiter: str
    header: int
    """The row of the headings; 0 where there is none, and so nothing else either."""
    headings: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]

    @property
    def decimal_comma(self) -> bool:
        """Whether numbers may have one: where commas separate numbers, semicolons separate columns."""
        return self.delimiter == ";"


def read(text: str) -> Sheet:
    """Read a table; empty rows, and rows that begin with `#`, are left out.

    Columns are separated by what the heading row has most of: comma, semicolon or tab; a line `sep=;` before it says so
    itself. Line ends may be of any kind, cells may be quoted, and a quote within them is doubled.

    Raises:
        SheetError: the quotes do not match.
    """
    delimiter = _delimiter(text)
    filled = [(row, cells) for row, cells in _records(text, delimiter) if any(cells)]
    if filled and filled[0][1][0].lower() == SEPARATOR and not any(filled[0][1][1:]):
        del filled[0]
    found = [(row, cells) for row, cells in filled if not cells[0].startswith(COMMENT)]
    header, headings = found[0] if found else (0, ())
    return Sheet(delimiter, header, headings, tuple(found[1:]))


def _delimiter(text: str) -> str:
    for line in io.StringIO(text, newline=""):
        if line.strip(_BLANK) and not line.lstrip(_BLANK).startswith(COMMENT):
            told = line.strip(' "\r\n')
            if told.lower().startswith(SEPARATOR) and told[len(SEPARATOR) :] in tuple(DELIMITERS):
                return told[-1]
            return max(DELIMITERS, key=line.count)
    return DELIMITERS[0]


def _records(text: str, delimiter: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield each row with its number. A reader of its own for each keeps quotes in comments from opening a cell."""
    lines = io.StringIO(text, newline="")
    for row, line in enumerate(lines, 1):
        if line.startswith(COMMENT):
            continue
        reader = csv.reader(chain([line], lines), delimiter=delimiter, skipinitialspace=True, strict=True)
        try:
            yield row, tuple(cell.strip() for cell in next(reader))
        except csv.Error as error:
            raise SheetError(row, str(error)) from None
