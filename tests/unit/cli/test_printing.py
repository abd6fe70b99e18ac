"""Tables and sentences on terminals of any width."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptwin.cli import printing
from shoptwin.cli.browse_tree import Tree
from shoptwin.domain.device import TagCandidate
from shoptwin.domain.tag import ValueKind

if TYPE_CHECKING:
    from collections.abc import Sequence

HEADINGS = ("tag", "role", "unit", "device", "address", "now", "quality")
ROW = ("press-3.spindle_temp", "temperature", "degC", "plc1", "nsu=urn:shoptwin:plant;s=press-3.temp", 63.4, "Good")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Print to a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(printing, "sys", type("Sys", (), {"stdout": _Terminal(), "maxsize": sys.maxsize}))


class _Terminal:
    def isatty(self) -> bool:
        return True


def test_a_table_on_a_narrow_terminal() -> None:
    """What has no room stands on a line below its row; value and quality stay in the row, and no cell is cut."""
    lines = list(printing.aligned(HEADINGS, [ROW], ("address", "device"), 80))
    assert lines == [
        "tag                   role         unit  device   now  quality",
        "    address",
        "press-3.spindle_temp  temperature  degC  plc1    63.4  Good",
        "    nsu=urn:shoptwin:plant;s=press-3.temp",
    ]
    assert list(printing.aligned(HEADINGS, [ROW], ("address", "device"), 60))[2:] == [
        "press-3.spindle_temp  temperature  degC  63.4  Good",
        "    plc1  nsu=urn:shoptwin:plant;s=press-3.temp",
    ]
    assert len(list(printing.aligned(HEADINGS, [ROW], ("address",)))) == 2


@given(
    rows=st.lists(st.tuples(*[st.text(st.characters(codec="ascii", categories=["L"]), min_size=1)] * 4), max_size=4),
    most=st.integers(1, 120),
)
def test_any_width(rows: Sequence[Sequence[str]], most: int) -> None:
    """However narrow it is, every cell is printed, and a row is longer than the terminal only where one cell is."""
    headings = ("a", "b", "c", "d")
    lines = list(printing.aligned(headings, rows, ("b",), most))
    for row in rows:
        assert all(any(cell in line for line in lines) for cell in row)
    longest = max([len(cell) for row in rows for cell in row], default=1)
    assert max(len(line) for line in lines) <= max(most, longest + 4, 24)


@pytest.mark.usefixtures("terminal")
def test_sentences_break_between_words(capsys: Any) -> None:
    """A long sentence is broken on a terminal alone, and never within a word."""
    text = "press-3: learned alarms - " + "behaviour " * 12
    printing.sentence("on   ", text.strip())
    first, second = capsys.readouterr().out.splitlines()
    assert len(first) <= 80
    assert second.startswith("     behaviour")


@pytest.mark.usefixtures("terminal")
def test_a_tree_on_a_narrow_terminal(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that has no room behind its value stands below it."""
    monkeypatch.setattr("shoptwin.cli.browse_tree.sys", printing.sys)
    tree = Tree(sparse=False)
    tree.show(TagCandidate("i=85", "Press", is_value=False))
    address = "nsu=urn:shoptwin:test;s=Press.Temp"
    tree.show(TagCandidate(address, "Temp", True, ValueKind.F8, "degC", "63.4", path=("Press",)))
    doubtful = TagCandidate("i=9", "Old", True, ValueKind.F8, "A", "17", path=("Press",), doubt="UncertainSubNormal")
    tree.show(doubtful)
    assert "17 A (UncertainSubNormal)" in capsys.readouterr().out
    tree.show(TagCandidate(address, "Temp", True, ValueKind.F8, "degC", "63.4", path=("Press",)))
    tree.show(TagCandidate("ns=2;i=7", "Speed", True, ValueKind.F8, "rpm", "1480", path=("Press",)))
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3:-1] == ["  Temp                        float64    63.4 degC", f"      {address}"]
    assert lines[-1].endswith("1480 rpm            ns=2;i=7")
    assert max(map(len, lines)) <= 80
