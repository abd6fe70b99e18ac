"""One thing that a configuration switches on, or does not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Feature:
    """One thing that the twin can do for a machine."""

    machine: str
    name: str
    on: bool
    detail: str
    """Where it is on: by which tags. Where it is off: what would switch it on."""
