from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptwin.domain.errors import RecordingError
from shoptwin.domain.timing import iso
from shoptwin.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEAD = "time,a,b\n"
ROWS = "2020-01-01T00:00:00.000Z,1,2\n2020-01-01T00:00:01.000Z,,4\n2020-01-01T00:00:02.500Z,5,nan\n"
START = 1_577_836_800 * 10**9


def test_rows_come_in_order_of_time_with_missing_values_as_nan(csv: Callable[[str], Path]) -> None:
    """An empty cell is NaN, times are ns UTC, and start, end and length are known before iterating."""
    recording = Recording.open(csv(HEAD + ROWS))
    rows = list(recording.rows())
    assert recording.scalars == ("a", "b")
    assert (recording.start, recording.end, len(recording)) == (START, START + 25 * 10**8, 3)
    assert [row.time - START for row in rows] == [0, 10**9, 25 * 10**8]
    np.testing.assert_array_equal([row.scalars for row in rows], [[1, 2], [np.nan, 4], [5, np.nan]])
    assert [row.time for row in recording.rows()] == [row.time for row in rows]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + HEAD + ROWS,
        (HEAD + ROWS).replace("\n", "\r\n"),
        HEAD + ROWS + "\n\n",
        (HEAD + ROWS).replace("Z", "+00:00"),
        HEAD.replace("b", '"b"') + ROWS,
        HEAD + ROWS.replace(",,", ", ,"),
    ],
)
def test_csv_as_other_tools_write_it(csv: Callable[[str], Path], text: str) -> None:
    """A byte order mark, CRLF, blank lines at the end, offsets, quotes and blanks are all read alike."""
    recording = Recording.open(csv(text))
    assert [row.time - START for row in recording.rows()] == [0, 10**9, 25 * 10**8]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "scalars.csv:1: the file is empty"),
        ("a,b\n", "first column is 'a'"),
        ("time\n", "there are no tags"),
        ("time,a,\n", "a column has no name"),
        ("time,a,a\n", "'a' names two columns"),
        (HEAD, "there are no rows"),
        (HEAD + "yesterday,1,2\n", "scalars.csv:2: column time"),
        (HEAD + "2020-01-01T00:00:00.000,1,2\n", "has no time zone"),
    ],
)
def test_a_file_of_which_nothing_can_be_read_is_refused_at_once(
    csv: Callable[[str], Path], text: str, says: str
) -> None:
    """The error names file, line and column, and has a cure."""
    with pytest.raises(RecordingError) as caught:
        Recording.open(csv(text))
    assert says in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("tail", "says"),
    [
        ("2020-01-01T00:00:03.000Z,7\n", "scalars.csv:5: 2 cells where the header has 3"),
        ("2020-01-01T00:00:03.000Z,7,8,9\n", "scalars.csv:5: 4 cells where the header has 3"),
        ("2020-01-01T00:00:03.000Z,7,1.2", "scalars.csv:5: the last line is cut off after '2020-01-01T00:00:03"),
        ("2020-01-01T00:0", "scalars.csv:5: the last line is cut off"),
        ("2020-01-01T00:00:03.000Z,7,1.2e\n", "scalars.csv:5: column b: '1.2e' is not a number"),
        ("2020-01-01T00:00:03.000,7,8\n", "scalars.csv:5: column time: 2020-01-01T00:00:03 has no time zone"),
        ("2020-01-01T00:00:02.500Z,7,8\n", "scalars.csv:5: the time is not after that of the line before"),
        ("\n2020-01-01T00:00:01.000Z,7,8\n", "scalars.csv:6: the time is not after that of the line before"),
        ("2020-01-01T00:00:03.000Z,7,\x00\n", "scalars.csv:5:"),
    ],
)
def test_rows_before_a_bad_line_are_given_and_then_the_error(csv: Callable[[str], Path], tail: str, says: str) -> None:
    """Nothing that could be read is lost: the error comes after the last good row, and is known on opening."""
    recording = Recording.open(csv(HEAD + ROWS + tail))
    assert recording.problem is not None
    assert len(recording) == 3
    taken = []
    with pytest.raises(RecordingError) as caught:
        taken.extend(row.time for row in recording.rows())
    rows = recording.rows()
    assert len([next(rows) for _ in range(3)]) == 3
    assert says in caught.value.message
    assert caught.value.hint


def test_an_error_beyond_the_first_block_names_its_line(csv: Callable[[str], Path]) -> None:
    """Blocks are parsed at once, and still the very line is found."""
    lines = [f"{iso(START + i * 10**9)},{i},{i}\n" for i in range(10_000)]
    lines[9000] = "rubbish,1,1\n"
    recording = Recording.open(csv(HEAD + "".join(lines)))
    assert len(recording) == 9000
    assert "scalars.csv:9002:" in str(recording.problem)


def test_disorder_between_two_blocks_is_found(csv: Callable[[str], Path]) -> None:
    """The first line of a block is compared with the last of the block before."""
    lines = [f"{iso(START + min(i, 4095) * 10**9)},{i},{i}\n" for i in range(4097)]
    recording = Recording.open(csv(HEAD + "".join(lines)))
    assert len(recording) == 4096
    assert "scalars.csv:4098:" in str(recording.problem)


@pytest.mark.parametrize(("rows", "columns"), [(22_000, 1), (2_000, 52)])
def test_a_long_file_is_read_in_half_a_second(csv: Callable[[str], Path], rows: int, columns: int) -> None:
    """22,000 rows of one tag, or 2,000 of 52, take less than 0.5 s of processor time."""
    head = ",".join(["time", *(f"t{i}" for i in range(columns))])
    cells = ",".join(["1.2345678"] * columns)
    path = csv(head + "\n" + "".join(f"{iso(START + i * 10**9)},{cells}\n" for i in range(rows)))
    begin = time.process_time()
    assert sum(1 for _ in Recording.open(path).rows()) == rows
    assert time.process_time() - begin < 0.5


@given(
    values=st.lists(
        st.lists(st.one_of(st.none(), st.floats(allow_nan=False, width=64)), min_size=2, max_size=2),
        min_size=1,
        max_size=20,
    )
)
def test_what_was_written_is_read(tmp_path_factory: pytest.TempPathFactory, values: list[list[float | None]]) -> None:
    """Any finite or infinite number survives the text, and None is NaN."""
    path = tmp_path_factory.mktemp("recording")
    lines = [
        f"{iso(START + i * 10**6)}," + ",".join("" if v is None else repr(v) for v in row) + "\n"
        for i, row in enumerate(values)
    ]
    (path / "scalars.csv").write_text(HEAD + "".join(lines))
    read = [row.scalars for row in Recording.open(path).rows()]
    np.testing.assert_array_equal(read, np.array(values, float))


def test_a_directory_without_files_is_refused(tmp_path: Path) -> None:
    """Neither file, or no directory at all: the error says what a recording is."""
    with pytest.raises(RecordingError, match="neither"):
        Recording.open(tmp_path)
    with pytest.raises(RecordingError, match="no such directory"):
        Recording.open(tmp_path / "absent")
