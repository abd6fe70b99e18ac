"""docs/reference/store.md tells the truth: its queries run, and it names every table and column."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from shoptwin.store.ledger import Ledger
    from shoptwin.store.samples import SampleStore

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "store.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"```sql (\w+)\n(.*?)```", PAGE, re.DOTALL)
_OWN = {"sqlite_sequence", "sqlite_stat1"}


def _open(name: str, ledger: Ledger, store: SampleStore) -> sqlite3.Connection:
    store.flush()
    return sqlite3.connect(ledger.path if name == "ledger" else store.path)


@pytest.mark.parametrize(("name", "query"), QUERIES)
def test_each_query_runs(ledger: Ledger, store: SampleStore, name: str, query: str) -> None:
    """A query on the page runs on the file that it is for."""
    raw = _open(name, ledger, store)
    raw.execute(query).fetchall()
    raw.close()


@pytest.mark.parametrize("name", ["ledger", "twin"])
def test_each_table_and_column_is_described(ledger: Ledger, store: SampleStore, name: str) -> None:
    """The page has a row for each table that names all of its columns, and none for a table that is not there."""
    raw = _open(name, ledger, store)
    tables = {row[0] for row in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")} - _OWN
    section = PAGE.split(f"## {name}.db\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|.*?\|(.*)\|$", section, re.MULTILINE)
    described = {table: text for names, text in rows for table in re.findall(r"\w+", names)}
    assert set(described) == tables
    for table, text in described.items():
        columns = {row[1] for row in raw.execute(f"PRAGMA table_info({table})")}
        assert columns <= set(re.findall(r"`(\w+)`", text)), table
    raw.close()
