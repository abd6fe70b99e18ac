"""A small process: imports that the daemon can do without, and memory that is given back."""

from __future__ import annotations

import gc
import importlib
import sys
import weakref

import pytest

from shoptwin.runtime.lean import absent, settle, tidy

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
