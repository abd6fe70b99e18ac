"""A small process: imports that the daemon can do without, and memory that is given back."""

from __future__ import annotations

import gc
import importlib
import sys
import weakref

import pytest

from shoptwin.runtime.lean import absent, bare, settle, tidy

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


def test_bare_packages_do_not_run_their_init() -> None:
    """Modules of a bare package can be imported without its `__init__`; one that is there already stays as it is."""
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "wsgiref"}
    for name in before:
        del sys.modules[name]
    try:
        bare("wsgiref")
        package = sys.modules["wsgiref"]
        assert importlib.import_module("wsgiref.headers").Headers
        bare("wsgiref")
        assert sys.modules["wsgiref"] is package
        bare("there-is-no-such-package")
        assert "there-is-no-such-package" not in sys.modules
    finally:
        sys.modules.update(before)
