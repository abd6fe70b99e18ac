"""A small process: imports that the daemon can do without, and memory that is given back."""

from __future__ import annotations

import ast
import gc
import importlib
import os
import subprocess
import sys
import weakref
from typing import TYPE_CHECKING

import pytest

from shoptwin.daemon.bytecode import strip
from shoptwin.runtime import lean
from shoptwin.runtime.lean import absent, settle, tidy

if TYPE_CHECKING:
    from pathlib import Path

NAME = "this"
"""A module of the standard library that nobody has imported."""


def test_absent_for_a_while():
    """A package that is made absent cannot be imported meanwhile, and can be afterwards."""
    assert NAME not in sys.modules
    with absent(NAME), pytest.raises(ModuleNotFoundError):
        importlib.import_module(NAME)
    assert NAME not in sys.modules
    importlib.import_module(NAME)


def test_absent_too_late():
    """A package that somebody has imported already stays as it is."""
    with absent("json"):
        assert importlib.import_module("json") is sys.modules["json"]


LOOK = """
from shoptwin.runtime.lean import without_docstrings
without_docstrings()
import asyncio, numpy.ma, asyncua, onnxruntime, shoptwin.daemon.gateway
from shoptwin.cli.run import run
found = asyncio.Queue.__doc__, numpy.median.__doc__, asyncua.Client.__doc__, shoptwin.daemon.gateway.__doc__
print([bool(text) for text in found], bool(run.help), shoptwin.daemon.gateway.__cached__.count("-lean.pyc"))
"""


def test_docstrings_stay_away_where_the_installation_compiled(tmp_path: Path) -> None:
    """Before the installation compiles all is as ever; afterwards only the commands and numpy bring docstrings."""
    environment = os.environ | {"PYTHONPYCACHEPREFIX": str(tmp_path)}
    told = []
    for words in (["-B", "-c", LOOK], ["-m", "shoptwin.daemon.bytecode"], ["-B", "-c", LOOK]):
        done = subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        told.append(done.stdout.strip())
    assert told == ["[True, True, True, True] True 0", "", "[False, True, False, False] True 1"]


def test_a_newer_source_is_not_taken_for_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an upgrade that did not compile anew the daemon imports as ever."""
    source = tmp_path / "lean.py"
    source.write_text("")
    monkeypatch.setattr(lean, "__file__", str(source))
    monkeypatch.setattr("contextlib.__file__", str(tmp_path / "contextlib.py"))
    (tmp_path / "asyncio").mkdir()
    (other := tmp_path / "asyncio" / "base_events.py").write_text("")
    assert not lean.lean_bytecode()
    for each in (source, other):
        lean.lean_place(each).parent.mkdir()
        lean.lean_place(each).write_bytes(b"")
    assert lean.lean_bytecode()
    newer = lean.lean_place(source).stat().st_mtime + 10
    os.utime(source, (newer, newer))
    assert not lean.lean_bytecode()
    assert sys.implementation.cache_tag == lean.LEAN.removesuffix("-lean")


def test_what_is_stripped() -> None:
    """Docstrings go, of asynchronous functions too; asserts, other texts and what must stand first stay."""
    tree = ast.parse(
        '"""Module."""\nfrom __future__ import annotations\nclass A:\n    """A."""\n'
        'async def b():\n    """B."""\n    assert x, "why"\n    return "text"\ndef c():\n    x = "no docstring"\n'
    )
    strip(tree)
    assert ast.unparse(tree).split("\n") == [
        "from __future__ import annotations", "", "class A:", "    pass", "", "async def b():",
        "    assert x, 'why'", "    return 'text'", "", "def c():", "    x = 'no docstring'",
    ]  # fmt: skip


class _Ring:
    def __init__(self) -> None:
        self.me = self


def test_rings_that_came_later_are_freed_and_what_was_there_is_left_alone() -> None:
    """What was settled is not looked at again; a lost ring from after that is gone once it is tidied up."""
    gc.disable()
    try:
        settle()
        assert gc.get_freeze_count() > 0
        lost = weakref.ref(_Ring())
        assert lost() is not None
        tidy()
        assert lost() is None
    finally:
        gc.unfreeze()
        gc.enable()
