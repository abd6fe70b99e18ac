"""The numbers by which manuals call what they document: 40101 is holding register 100, counted from 1 behind a 4."""

from __future__ import annotations

FIVE = {"discrete": 10_001, "input": 30_001, "holding": 40_001}
"""By table: the number of its address 0, where numbers have five digits."""
SIX = {"discrete": 100_001, "input": 300_001, "holding": 400_001}
"""... and where they have six."""

LONGEST = 6
"""Digits."""


def of_manual(word: str) -> str:
    """Return what a word is here that is a manual's number, empty where it is none."""
    return written(int(word)) if word.isdecimal() and len(word) <= LONGEST else ""


def written(number: int, table: str = "") -> str:
    """Return what a manual's number is here, `holding:100`; empty where it is none, or none of this table."""
    for zero_of, most in ((FIVE, 9_999), (SIX, 65_536)):
        for name, zero in zero_of.items():
            if zero <= number < zero + most and table in {"", name}:
                return f"{name}:{number - zero}"
    return ""
