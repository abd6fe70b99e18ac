"""`shoptwin export`: exact, whatever the kinds of values, and with an error that helps where it cannot."""

from __future__ import annotations

import csv
import gzip
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from shoptwin.domain.batch import SampleBatch
from shoptwin.domain.quality import StatusCode
from shoptwin.domain.tag import Role, Tag, TagTable, ValueKind
from shoptwin.domain.timing import SECOND, parse_time
from shoptwin.store.retention import Keep
from shoptwin.store.samples import SampleStore

if TYPE_CHECKING:
    from pathlib import Path

BEGIN = parse_time("2026-11-22T06:00:00Z")
LARGE = 2**63 + 1


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory with samples of three tags: float32, one of which is Bad; texts; and a huge counter."""
    table = TagTable([
        Tag("press-temp", "temp", "press", Role.TEMPERATURE), Tag("press-recipe", "recipe", "press", Role.OTHER),
        Tag("mill-count", "count", "mill", Role.COUNT),
    ])  # fmt: skip
    store = SampleStore.open(tmp_path / "state" / "twin.db", table, Keep(samples=10**18))
    for second in range(90):
        at = BEGIN + second * SECOND
        status = np.uint32(StatusCode.BAD_TIMEOUT if second == 5 else StatusCode.GOOD)
        for tag, kind, value in (
            (0, ValueKind.F4, 0.1 + second), (1, ValueKind.STR, 'öl, "grün"'), (2, ValueKind.U8, LARGE + second)
        ):  # fmt: skip
            store.append(SampleBatch.of(
                "g", kind, [tag], [value], source_time=at, server_time=at + 7 if tag else 0, receive_time=at + SECOND,
                status=np.array([status]),
            ))  # fmt: skip
        store.flush()
        if second == 60:
            store.fold()
    store.close()
    return store.path.parent


def rows_of(path: Path) -> list[dict[str, str]]:
    opened: Any = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", ["all.csv", "all.csv.gz"])
def test_csv_tells_each_sample(shoptwin: Any, state: Path, tmp_path: Path, name: str) -> None:
    """Each sample of each tag is a row, exact and in order of time; a Bad one has no value."""
    found = shoptwin("export", str(tmp_path / name), "--state-dir", str(state))
    assert found.exit_code == 0, found.output
    assert "270 rows of 3 tags" in found.output
    rows = rows_of(tmp_path / name)
    temp, recipe, count = (
        [row for row in rows if row["tag"] == tag] for tag in ("press-temp", "press-recipe", "mill-count")
    )
    assert [row["value"] for row in temp[:3]] == ["0.1", "1.1", "2.1"]
    assert [np.float32(row["value"]) for row in temp if row["value"]] == [
        np.float32(0.1 + s) for s in range(90) if s != 5
    ]
    assert (temp[5]["value"], temp[5]["quality"]) == ("", "BadTimeout")
    assert {row["value"] for row in recipe} == {"", 'öl, "grün"'}
    assert [int(row["value"]) for row in count if row["value"]] == [LARGE + s for s in range(90) if s != 5]
    assert temp[0]["time"].startswith("2026-11-22T06:00:00")
    assert temp[0]["received"].startswith("2026-11-22T06:00:01")
    assert temp[0]["server"] == ""
    assert recipe[0]["server"].startswith("2026-11-22T06:00:00")


def test_parquet_tells_each_sample(shoptwin: Any, state: Path, tmp_path: Path) -> None:
    """Parquet has the same columns whatever the tags: numbers in `value`, texts and what is too large in `text`."""
    from pyarrow import parquet  # noqa: PLC0415 - heavy

    found = shoptwin("export", str(tmp_path / "all.parquet"), "--state-dir", str(state))
    assert found.exit_code == 0, found.output
    table = parquet.read_table(tmp_path / "all.parquet")
    assert str(table.schema.field("time").type) == "timestamp[ns, tz=UTC]"
    times = {name: table[name].cast("int64").to_pylist() for name in ("time", "server", "received")}
    told = table.drop_columns(list(times)).to_pydict() | times
    assert len(told["time"]) == 270
    rows = [dict(zip(told, row, strict=True)) for row in zip(*told.values(), strict=True)]
    temp, recipe, count = (
        [row for row in rows if row["tag"] == tag] for tag in ("press-temp", "press-recipe", "mill-count")
    )
    assert [row["value"] for row in temp[:2]] == [float(np.float32(0.1)), float(np.float32(1.1))]
    assert (temp[5]["value"], temp[5]["text"], temp[5]["quality"]) == (None, None, "BadTimeout")
    assert (recipe[0]["value"], recipe[0]["text"]) == (None, 'öl, "grün"')
    assert (count[0]["value"], count[0]["text"]) == (None, str(LARGE))
    assert temp[0]["server"] is None
    assert (temp[0]["time"], recipe[0]["server"]) == (BEGIN, BEGIN + 7)


@pytest.mark.parametrize("name", ["steps.csv", "steps.parquet"])
def test_figures_of_steps(shoptwin: Any, state: Path, tmp_path: Path, name: str) -> None:
    """With --step a row is a minute of a tag, with the figures that `history --step` tells."""
    found = shoptwin("export", str(tmp_path / name), "--state-dir", str(state), "--step", "1m", "--tag", "press.temp")
    assert found.exit_code == 0, found.output
    assert "2 rows of 1 tag" in found.output
    if name.endswith(".csv"):
        rows = rows_of(tmp_path / name)
        assert [(row["count"], row["good"]) for row in rows] == [("60", "59"), ("30", "30")]
        assert [np.float32(row["last"]) for row in rows] == [np.float32(59.1), np.float32(89.1)]


def test_some_tags_and_some_time(shoptwin: Any, state: Path, tmp_path: Path) -> None:
    """Tags are chosen by id, by machine.name or by pattern, and a range has its start in it and not its stop."""
    out = str(tmp_path / "some.csv")
    found = shoptwin(
        "export", out, "--state-dir", str(state), "--tag", "press.*", "--tag", "mill-count",
        "--since", "2026-11-22T06:00:10Z", "--until", "2026-11-22T06:00:12Z",
    )  # fmt: skip
    assert "6 rows of 3 tags" in found.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["x.txt"], "x.txt is no kind of file that is known"),
        (["there.csv"], "there.csv is there already: give another name, or --force"),
        (["x.csv", "--tag", "press.nosuch"], "no tag is 'press.nosuch'; the store holds mill.count, press.rec"),
        (["x.csv", "--since", "1h", "--until", "2h"], "--until must be after --since"),
    ],
)  # fmt: skip
def test_what_cannot_be_exported_is_said(
    shoptwin: Any, state: Path, tmp_path: Path, arguments: list[str], told: str
) -> None:
    """An unknown format, a file that is there, a tag that is not, an empty range: each has its own words; no file."""
    (tmp_path / "there.csv").write_text("mine", "utf-8")
    name, *rest = arguments
    found = shoptwin("export", str(tmp_path / name), *rest, "--state-dir", str(state))
    assert found.exit_code != 0
    assert told in " ".join(found.output.split())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state", "there.csv"]
    assert (tmp_path / "there.csv").read_text("utf-8") == "mine"


def test_without_pyarrow_the_cure_is_told(
    shoptwin: Any, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where pyarrow is not installed, the error says how to get it, and that CSV needs nothing."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    found = shoptwin("export", str(tmp_path / "a.parquet"), "--state-dir", str(state))
    assert found.exit_code != 0
    assert 'pip install "shoptwin[parquet]"' in found.output


def test_no_store_and_no_configuration(shoptwin: Any, tmp_path: Path) -> None:
    """Where there is neither a configuration nor a state directory, it is told what to give."""
    found = shoptwin("export", str(tmp_path / "a.csv"), "--config", str(tmp_path / "none.toml"))
    assert "give --config, or --state-dir DIR where twin.db lies" in " ".join(found.output.split())
    assert found.exit_code == 2
