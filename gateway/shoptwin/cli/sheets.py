"""Columns into a file for other programs: CSV for people and spreadsheets, Parquet for data tools."""

from __future__ import annotations

import csv
import gzip
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from shoptwin.domain.errors import ShoptwinError
from shoptwin.domain.timing import iso

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

Columns: TypeAlias = "dict[str, Any]"
"""Of samples: time, tag, value, quality, bad, server, received; of figures: time, tag, and theirs. Times are ns UTC."""
_TIMES = ("time", "server", "received")
_ROW_GROUP = 200_000
"""Rows of Parquet that are written at once: each group costs room in the file's end, and memory until then."""
_EXACT = 2**53
"""Whole numbers beyond it are not exact as a float64: they stand as a text."""


@contextmanager
def open_sheet(path: Path) -> Iterator[Callable[[Columns], None]]:
    """Yield what writes columns, all with the same names; by the name of the file. It is there when all is written.

    Raises:
        ShoptwinError: the name is none of the known ones, or what writes Parquet is not installed.
    """
    beside = path.with_name(f".{path.name}.part")
    try:
        with _writer(beside, path.name.lower()) as write:
            yield write
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _writer(path: Path, name: str) -> Any:  # noqa: ANN401 - a context manager of one of the two
    if name.endswith(".parquet"):
        return _parquet(path)
    if name.endswith((".csv", ".csv.gz")):
        return _csv(path, zipped=name.endswith(".gz"))
    raise ShoptwinError(f"{name} is no kind of file that is known", "Name it .csv, .csv.gz or .parquet", code="format")


@contextmanager
def _csv(path: Path, *, zipped: bool) -> Iterator[Callable[[Columns], None]]:
    plain: Any = gzip.open if zipped else open
    with plain(path, "wt", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        headed = False

        def write(columns: Columns) -> None:
            nonlocal headed
            told = {name: column for name, column in columns.items() if name != "bad"}
            if not headed:
                writer.writerow(told)
                headed = True
            writer.writerows(
                zip(*(_texts(name, column, columns.get("bad")) for name, column in told.items()), strict=True)
            )

        yield write


def _texts(name: str, column: Any, bad: NDArray[np.bool_] | None) -> list[Any]:  # noqa: ANN401 - a column of any kind
    """Return a column as CSV tells it: what is Bad or none as nothing, floats in the fewest digits that are exact."""
    if name in _TIMES:
        return [iso(time) if time else "" for time in column.tolist()]
    if name == "value" and column.dtype == np.float32:
        column = [str(value) for value in column]  # as float32: 0.1, not 0.10000000149011612
    listed = column if isinstance(column, list) else column.tolist()
    if name == "value" and bad is not None:
        return ["" if gone else value for value, gone in zip(listed, bad.tolist(), strict=True)]
    return ["" if isinstance(value, float) and np.isnan(value) else value for value in listed]


@contextmanager
def _parquet(path: Path) -> Iterator[Callable[[Columns], None]]:
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra, and 55 MB
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError as error:
        raise ShoptwinError(
            "Parquet needs pyarrow, which is not installed",
            'Install it with: pip install "shoptwin[parquet]"; or write .csv',
            code="no-pyarrow",
        ) from error  # fmt: skip
    opened: Any = None
    waiting: list[Any] = []

    def flush() -> None:
        nonlocal opened
        table = pa.concat_tables(waiting).unify_dictionaries()
        opened = opened or parquet.ParquetWriter(path, table.schema, compression="zstd")
        opened.write_table(table)
        waiting.clear()

    def write(columns: Columns) -> None:
        waiting.append(pa.table({name: _arrow(pa, name, column) for name, column in _typed(columns).items()}))
        if sum(len(table) for table in waiting) >= _ROW_GROUP:
            flush()

    try:
        yield write
        if waiting:
            flush()
        if opened is None:
            nothing = pa.table({"time": pa.array([], pa.timestamp("ns", "UTC")), "tag": pa.array([], pa.string())})
            parquet.write_table(nothing, path)
    finally:
        if opened is not None:
            opened.close()


def _typed(columns: Columns) -> Columns:
    """Return columns whose types do not depend on the tag: numbers in `value`, all else in `text`."""
    if "value" not in columns:
        return columns
    values, bad = columns["value"], columns["bad"]
    number = np.full(len(bad), np.nan)
    text: list[str | None] = [None] * len(bad)
    for i in np.flatnonzero(~bad).tolist():
        value = values[i]
        if isinstance(value, str) or (values.dtype.kind in "iu" and abs(int(value)) > _EXACT):
            text[i] = str(value)
        elif value is not None:
            number[i] = value
    places = list(columns)
    at = places.index("value")
    told = {name: columns[name] for name in places if name not in {"value", "bad"}}
    items = list(told.items())
    items[at:at] = [("value", number), ("text", text)]
    return dict(items)


def _arrow(pa: Any, name: str, column: Any) -> Any:  # noqa: ANN401 - pyarrow's own types, which is not there for mypy
    if name in _TIMES:
        return pa.array(column, pa.int64(), mask=None if name == "time" else column == 0).cast(
            pa.timestamp("ns", "UTC")
        )
    if name in {"tag", "quality"}:
        return pa.array(column, pa.string()).dictionary_encode()
    if name == "text":
        return pa.array(column, pa.string())
    return pa.array(column, pa.int64() if column.dtype.kind == "i" else pa.float64(), from_pandas=True)
