"""docs/reference/alarms.md against the code."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from shoptwin.alarms.definitions import DEVICE_KINDS, GATEWAY_KINDS, MACHINE_KINDS, TAG_KINDS, Kind, define
from shoptwin.alarms.iso20816 import CLASSES
from shoptwin.alarms.transitions import markdown
from shoptwin.domain.alarm import AlarmState, EventKind, Priority
from shoptwin.domain.timing import format_duration

DOCS = Path(__file__).parents[3] / "docs"


def part(name: str) -> str:
    """Return the table of this name, as it stands in the docs."""
    text = (DOCS / "reference" / "alarms.md").read_text(encoding="utf-8")
    return text.partition(f"<!-- {name}:")[2].partition("-->\n")[2].partition("<!-- end -->")[0]


def test_the_table_of_transitions_is_that_of_the_engine() -> None:
    """The documented transitions are drawn from the data that the engine obeys."""
    assert part("transitions") == markdown()


def row(kind: Kind) -> str:
    def delay(of: int | None, configured: str) -> str:
        return f"`{configured}`" if of is None else format_duration(of)

    on, off = delay(kind.on_delay, "on_delay"), delay(kind.off_delay, "off_delay")
    return f"| `{kind.id}` | {kind.priority.value} | {on} | {off} | {kind.meaning} |"


def test_every_kind_of_alarm_is_documented_as_it_is() -> None:
    """Ids, priorities, delays and meanings are those of the code, and nothing is left out."""
    kinds = [*TAG_KINDS.values(), *MACHINE_KINDS.values(), *DEVICE_KINDS.values(), *GATEWAY_KINDS.values()]
    assert part("kinds").splitlines()[2:] == [row(kind) for kind in kinds]


def test_every_alarm_of_a_plant_is_of_a_documented_kind(machines, devices) -> None:
    """An alarm's id is `<something>.<condition>` of a kind that the docs list."""
    documented = {line.split("`")[1].rpartition(".")[2] for line in part("kinds").splitlines()[2:]}
    assert {definition.condition for definition in define(machines, devices).values()} <= documented


def test_the_zones_are_documented_as_they_are() -> None:
    """The figures of ISO 20816-3 in the docs are those that are judged by."""
    rows = [f"| `{name}` | {b.ab:g} | {b.bc:g} | {b.cd:g} |" for name, b in CLASSES.items()]
    assert part("zones").splitlines()[2:] == rows


@pytest.mark.parametrize("word", [*(field.name for field in fields(AlarmState)), *Priority])
def test_every_field_and_priority_is_documented(word: str) -> None:
    """What an alarm carries stands in the reference by its name."""
    assert f"`{word}`" in (DOCS / "reference" / "alarms.md").read_text(encoding="utf-8")


def test_every_event_is_in_the_table_of_transitions() -> None:
    """No kind of event comes out of nowhere."""
    assert all(f"**{kind.value}**" in part("transitions") for kind in EventKind)
