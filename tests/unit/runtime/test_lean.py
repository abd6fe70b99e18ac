"""Imports that the daemon can do without."""

from __future__ import annotations

import importlib
import sys

import pytest

from shoptwin.runtime.lean import absent

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
