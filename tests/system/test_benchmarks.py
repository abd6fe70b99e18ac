"""`make bench` itself: what it prints and what it writes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory):
    """Run one topic quickly; return what was printed and what was written."""
    out = tmp_path_factory.mktemp("bench") / "bench.json"
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks"), "--only", "alarms", "--quick", "--out", str(out)],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    return done.stdout, json.loads(out.read_text())


def test_rows(measured):
    """Each number is a row with name, value, unit, baseline, ratio, hold and ok, in the file and in the table."""
    printed, written = measured
    assert written["rows"]
    for row in written["rows"]:
        assert {"name", "value", "unit", "baseline", "ratio", "hold", "ok"} <= row.keys()
        assert row["name"] in printed
        assert row["value"] > 0


def test_ratio_is_of_value_and_baseline(measured):
    """A cost is as many times better as it is smaller than its baseline."""
    row = next(row for row in measured[1]["rows"] if row["baseline"])
    assert row["ratio"] == pytest.approx(row["baseline"] / row["value"])


def test_topics_are_described():
    """The page on benchmarks says of every topic what it measures."""
    source = (ROOT / "benchmarks" / "__main__.py").read_text()
    found = re.search(r"TOPICS = \((.*?)\)", source, re.DOTALL)
    assert found is not None
    page = (ROOT / "docs" / "reference" / "benchmarks.md").read_text()
    for topic in re.findall(r'"(\w+)"', found[1]):
        assert f"| `{topic}` |" in page
