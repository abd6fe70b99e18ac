"""Reading CSV, against what the standard library writes in any dialect."""

from __future__ import annotations

import contextlib
import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptwin.config.sheet import DELIMITERS, SheetError, read

_letters = st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"])
_cells = st.text(st.one_of(_letters, st.sampled_from(" \n,;\t\"'#=")), max_size=8).map(str.strip)
_headings = st.text(_letters.filter(lambda c: c not in ',;\t"#'), min_size=1, max_size=6).map(str.strip).filter(bool)


@given(
    headings=st.lists(_headings, min_size=2, max_size=4),
    rows=st.lists(st.lists(_cells, min_size=4, max_size=4), max_size=5),
    delimiter=st.sampled_from(DELIMITERS),
    style=st.sampled_from([("\n", csv.QUOTE_MINIMAL), ("\r\n", csv.QUOTE_MINIMAL), ("\r\n", csv.QUOTE_ALL)]),
    lead=st.sampled_from(["", '# made by; hand, "once\n', "\n", "{0}{0}\n\n"]),
)  # fmt: skip
def test_any_dialect(
    headings: list[str], rows: list[list[str]], delimiter: str, style: tuple[str, Any], lead: str
) -> None:
    """A table written with any delimiter, line end and way of quoting reads back the same, each row by its number."""
    width = len(headings)
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, lineterminator=style[0], quoting=style[1])
    writer.writerows([headings, *(row[:width] for row in rows)])
    found = read(lead.format(delimiter) + file.getvalue())
    first = lead.count("\n") + 1
    assert (found.delimiter, found.header, found.headings) == (delimiter, first, tuple(headings))
    filled = [(n, tuple(row[:width])) for n, row in enumerate(rows, first + 1)]
    assert found.rows == tuple((n, row) for n, row in filled if any(row) and not row[0].startswith("#"))


def test_blanks_beside_the_cells() -> None:
    """Blanks around cells are not part of them, not even before a quote."""
    assert read('a , "b"\n 1, "2,3"\n').rows == ((2, ("1", "2,3")),)


@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_a_line_for_the_spreadsheet(delimiter: str) -> None:
    """The line `sep=;`, which tells a spreadsheet the delimiter, tells it here too, and is no row of headings."""
    found = read(f"sep={delimiter}\nname{delimiter}unit\na,b;c{delimiter}d\n".replace("a,b;c", '"a,b;c"'))
    assert (found.delimiter, found.header, found.headings) == (delimiter, 2, ("name", "unit"))
    assert found.rows == ((3, ("a,b;c", "d")),)


def test_old_line_ends() -> None:
    """Lines may end as they did on old Macintoshes."""
    assert read("a;b\r1;2\r").rows == ((2, ("1", "2")),)
    assert read("a;b\r1,5;2,5\r").rows == ((2, ("1,5", "2,5")),)


@given(st.text())
def test_any_text(text: str) -> None:
    """Whatever a file holds, it is read as a table or refused by its row."""
    with contextlib.suppress(SheetError):
        found = read(text)
        assert bool(found.headings) == bool(found.header)


@pytest.mark.parametrize(
    ("text", "row"), [('a,b\n1,2\n"3,4\n5,6\n', 3), ('a;b\n"1"x;2\n', 2), ('"a;b', 1), ('# "\na,b\n#"\n"', 4)]
)
def test_quotes_that_do_not_match(text: str, row: int) -> None:
    """A quote without its other half is told with the row that it opens in; those in comments are nobody's."""
    with pytest.raises(SheetError) as wrong:
        read(text)
    assert wrong.value.row == row
