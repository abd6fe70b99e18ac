"""Tag lists: from the rows of a CSV file to the tables that [[machine.tag]] gives, so that the same rules hold."""

from __future__ import annotations

import re
from functools import cache
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, get_args, get_origin

import msgspec

from shoptwin.config import sheet
from shoptwin.config.decoding import plain_type
from shoptwin.config.forms import TagForm
from shoptwin.config.problems import Row, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path as FilePath

    from shoptwin.config.lines import Path
    from shoptwin.config.problems import Problems

MOST_BYTES = 16 * 2**20
"""Of one list: a hundred thousand tags."""
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""How files of spreadsheets begin: .xlsx and .ods, and the old .xls."""
_APART = re.compile(r"[;\s]+")
_BETWEEN = ";, "
_PAIRS = re.compile(r"[;,\s]+(?=[^\s;,=]+\s*=)")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}")


@cache
def columns() -> Mapping[str, Any]:
    """Return the columns that a list may have, each with the type of its key: the keys of a tag, nested ones dotted."""
    return dict(_columns(TagForm, ""))


def _columns(form: type[msgspec.Struct], above: str) -> Iterator[tuple[str, Any]]:
    for field in msgspec.structs.fields(form):
        want = plain_type(field.type)
        for part in (want, *get_args(want)):
            if isinstance(part, type) and issubclass(part, msgspec.Struct):
                yield from _columns(part, f"{above}{field.encode_name}.")
        if not (isinstance(want, type) and issubclass(want, msgspec.Struct)):
            yield f"{above}{field.encode_name}", want


class TagLists:
    """Reads the lists of one configuration. What is wrong is noted by file, row and column."""

    def __init__(self, problems: Problems, base: FilePath) -> None:
        self._problems = problems
        self._base = base

    def tables(self, name: str, at: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Yield the table of each row of the list `name`, which stands at `at`, with the path by which it is known."""
        text = self._text(name, at)
        if text is None:
            return
        try:
            found = sheet.read(text)
        except sheet.SheetError as error:
            self._mark((*at, error.row), Row(name, error.row, {}))
            self._problems.add((*at, error.row), f"is not CSV: {error}", 'a " within a quoted cell is written twice')
            return
        if not found.headings:
            self._problems.add(at, f"names an empty list ({name})", "its first row names the columns: name, role, …")
            return
        known = self._headings(name, found, at)
        for number, cells in found.rows:
            here = (*at, number)
            self._mark(here, Row(name, number, dict(zip(known, found.headings, strict=True))))
            filled = {column: cell for column, cell in zip(known, cells, strict=False) if column and cell}
            if self._fits(found, cells, here) and filled:
                yield here, self._nested(filled, here, comma=found.decimal_comma)

    def _mark(self, at: Path, row: Row) -> None:
        self._problems.rows[at] = row

    def _text(self, name: str, at: Path) -> str | None:
        path = self._base / name
        try:
            raw = self._raw(path, at)
            return None if raw is None else raw.decode("utf-8-sig")
        except OSError as error:
            self._problems.add(at, f"cannot be read ({path}): {error.strerror}")
        except UnicodeDecodeError as error:
            row = error.object.count(b"\n", 0, error.start) + 1
            self._mark((*at, row), Row(name, row, {}))
            self._problems.add((*at, row), "is not UTF-8", "a spreadsheet saves it as 'CSV UTF-8'")
        return None

    def _raw(self, path: FilePath, at: Path) -> bytes | None:
        """Return what a file holds, None where it can be no list. Raises OSError."""
        if not path.exists():
            self._problems.add(at, f"names no file: {path} is not there", "paths begin at the configuration's folder")
            return None
        if not path.is_file():  # a folder; or a pipe or a port, which might never end
            self._problems.add(at, f"cannot be read ({path}): it is no file")
            return None
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
        if raw.startswith(_WORKBOOKS):
            self._problems.add(at, f"names a workbook ({path})", "save the sheet as CSV UTF-8, and name that file here")
            return None
        if len(raw) > MOST_BYTES:
            self._problems.add(at, f"cannot be read ({path}): it is larger than {MOST_BYTES >> 20} MiB")
            return None
        return raw

    def _headings(self, name: str, found: sheet.Sheet, at: Path) -> list[str]:
        """Return the column that each heading stands for: itself, what was probably meant, or "" for none."""
        at = (*at, found.header)
        self._mark(at, Row(name, found.header, {heading: heading for heading in found.headings}))
        known: list[str] = []
        listed = False
        for heading in found.headings:
            column = "" if heading.startswith(sheet.COMMENT) else heading.lower()
            if column in known and column:
                self._problems.add((*at, heading), "is there twice", "take one of the two away")
            elif column and column not in columns():
                meant = nearest(heading, columns())
                cure = f"did you mean '{meant}'? " if meant else ""
                cure += f"a column for people begins with {sheet.COMMENT}: '{sheet.COMMENT} {heading}'"
                if not listed:
                    cure += f"; known: {', '.join(columns())}"
                listed = True
                self._problems.add((*at, heading), "is not a known column", cure)
                column = meant if meant and meant not in found.headings else ""
            known.append("" if column in known else column)
        return known

    def _fits(self, found: sheet.Sheet, cells: tuple[str, ...], at: Path) -> bool:
        """Note a row that has cells where no column is: mostly a comma too many, which moves all that follows.

        Where commas separate, even an empty cell too many is one: `80,5` may have moved the last ones along.
        """
        commas = found.delimiter == ","
        stray = any(cell for cell, heading in zip_longest(cells, found.headings) if not heading)
        if stray or (commas and len(cells) > len(found.headings)):
            cure = "a cell that has the separator in it stands in quotes"
            if commas:
                cure += "; numbers have a decimal point here, a comma only where semicolons separate the columns"
            self._problems.add(at, "has a cell that no heading stands above", cure)
            return False
        return True

    def _nested(self, filled: dict[str, str], at: Path, *, comma: bool) -> dict[str, Any]:
        """Return the table that TOML would have given for these cells."""
        details = [column for column in filled if column.startswith("report.")]
        if details and (word := filled.get("report")):
            filled = {column: cell for column, cell in filled.items() if column != "report"}
            if word != "change":  # which a table says too
                self._problems.add((*at, "report"), f"cannot be {word!r} beside {details[0]}", "leave one empty")
        table: dict[str, Any] = {}
        for column, cell in filled.items():
            *above, last = column.split(".")
            inner = table
            for key in above:
                inner = inner.setdefault(key, {})
            inner[last] = self._value(cell, columns()[column], (*at, *above, last), comma=comma)
        return table

    def _value(self, cell: str, want: Any, at: Path, *, comma: bool) -> Any:  # noqa: ANN401 - a type, and a value of it
        """Return what a cell says as TOML would; what is no such thing stays a text, and is told with its type."""
        if want is float:
            return self._number(cell, at, comma=comma)
        if get_origin(want) is tuple:
            return self._numbers(cell, at, comma=comma)
        return self._labels(cell, at) if get_origin(want) is dict else cell

    def _numbers(self, cell: str, at: Path, *, comma: bool) -> list[float | str]:
        """Return the numbers of a list; a comma alone may separate two, or stand before the decimals of one."""
        parts = _APART.split(cell.strip("; "))
        if comma and len(parts) == 1 and "," in cell:
            cures = f"write {cell.replace(',', ' ')} for several values"
            if cell.count(",") == 1:
                one = cell.replace(",", ".")
                cures += f", or {one}{'0' if _THOUSANDS.fullmatch(one) else ''} for one"
            self._problems.add(at, f"can be read in two ways ({cell})", cures)
            parts = cell.split(",")
        return [self._number(part, at, comma=comma) for part in parts]

    def _number(self, text: str, at: Path, *, comma: bool) -> float | str:
        if comma and _THOUSANDS.fullmatch(text):
            whole, part = text.replace(".", ""), text.replace(".", ",")
            self._problems.add(at, f"can be read in two ways ({text})", f"write {part} or {whole}")
        if "_" in text:
            self._problems.add(at, f"is no number as a table writes it ({text})", f"write {text.replace('_', '')}")
            text = text.replace("_", "")
        if comma and "." not in text:
            text = text.replace(",", ".")
        for kind in (lambda word: int(word, 0), float):
            try:
                return kind(text)
            except ValueError:
                continue
        return text

    def _labels(self, text: str, at: Path) -> dict[str, str]:
        pairs = [part.partition("=") for part in _PAIRS.split(text.strip(_BETWEEN))]
        labels = {number.strip(): label.strip(_BETWEEN) for number, _, label in pairs}
        if not all(sign for _, sign, _ in pairs):
            self._problems.add(at, f"is not understood ({text!r})", "write 0=off 1=running, or 0=off; 1=running")
            return {}
        if len(labels) < len(pairs):
            self._problems.add(at, f"names a value twice ({text!r})", "each has one label")
        return labels
