"""Frozen types and pure functions that every room shares; no input or output, nothing beyond numpy."""
