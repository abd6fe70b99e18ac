"""What the tests of the twin share: machines with tags, and batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shoptwin.domain.batch import SampleBatch
from shoptwin.domain.machine import Machine, StateRule
from shoptwin.domain.tag import Role, Tag, TagTable, ValueKind

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def machine() -> Callable[..., Machine]:
    """Make a machine of roles: `machine("press", temp="temperature")`."""

    def make(name: str, rule: StateRule | None = None, **roles: str) -> Machine:
        tags = tuple(Tag(f"{name}-{tag}", tag, name, Role(role), "u") for tag, role in roles.items())
        return Machine(name, tags, state=rule or StateRule())

    return make


@pytest.fixture
def table_of() -> Callable[..., TagTable]:
    """Make the table of some machines' tags."""

    def make(*machines: Machine) -> TagTable:
        return TagTable(tag for machine in machines for tag in machine.tags)

    return make


@pytest.fixture
def batch() -> Callable[..., SampleBatch]:
    """Make a batch: `batch({0: 1.5, 3: 2.5}, at=source time, now=receive time)`."""

    def make(
        values: dict[int, Any] | list[tuple[int, Any]],
        at: Any,
        now: int,
        kind: ValueKind = ValueKind.F8,
        status: Any = 0,
    ) -> SampleBatch:
        pairs = list(values.items()) if isinstance(values, dict) else values
        return SampleBatch.of(
            "g", kind, [tag for tag, _ in pairs], [value for _, value in pairs],
            status=status, source_time=at, receive_time=now,
        )  # fmt: skip

    return make
