"""Names of observed values: `<role>:<tag>:<feature>`, so that evidence can be read without the configuration."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from shoptwin.domain.tag import Role

VALUE = "value"
RATE = "rate"
"""A waveform's sampling rate, Hz."""
CLIPPED = "clipped"
"""Share of a burst's samples that lie at its highest or lowest value, several in a row."""
STATE = "state:machine:state"
"""The machine's state as a number, so that each state has a normal of its own."""


class Name(NamedTuple):
    """One observed value, parsed. A tag's name may hold colons; a role and a feature never do."""

    role: Role
    tag: str
    feature: str

    @classmethod
    def parse(cls, text: str) -> Name:
        """Split a name; ValueError where it is not one of ours."""
        role, rest = text.split(":", 1)
        tag, feature = rest.rsplit(":", 1)
        return cls(Role(role), tag, feature)

    def __str__(self) -> str:
        return f"{self.role.value}:{self.tag}:{self.feature}"


CONTEXTS = frozenset({Role.LOAD, Role.SETPOINT, Role.AMBIENT})
"""What the machine is asked to do, and where it stands: never evidence of its health."""
IGNORED = frozenset({Role.COUNT, Role.REJECT, Role.STATE, Role.WAVEFORM})
"""Roles that the process indicator does not look at as numbers."""
_ABOUT = (RATE, CLIPPED)


@lru_cache(256)
def measured(names: tuple[str, ...]) -> tuple[int, ...]:
    """Return which columns are measured of the machine: not what it is asked to do, nor made of other columns."""
    told = [(i, Name.parse(name)) for i, name in enumerate(names) if name != STATE]
    waves = tuple(i for i, n in told if n.role is Role.WAVEFORM and n.feature not in _ABOUT)
    return waves or tuple(i for i, n in told if n.feature == VALUE and n.role not in CONTEXTS)
