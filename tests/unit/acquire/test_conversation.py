"""What drivers tell of their talk with a device: summed up, remembered and logged where it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from hypothesis import given
from hypothesis import strategies as st

from shoptwin.acquire.conversation import Conversation, fingerprint
from shoptwin.domain.device import Device, Hole, Talk
from shoptwin.domain.quality import StatusCode
from shoptwin.domain.timing import SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

HOLE = Hole("holding:9", StatusCode.BAD_NODE_ID_UNKNOWN)


class Teller:
    """A connection that tells what it is told to tell, one talk a look, and has learned something once."""

    def __init__(self, talks: Sequence[Talk], learned: str | None = None) -> None:
        self.talks = list(talks)
        self.learned = learned
        self.recalled: list[str] = []

    async def connect(self) -> None: ...

    async def aclose(self) -> None: ...

    def talk(self) -> Talk:
        return self.talks.pop(0) if len(self.talks) > 1 else self.talks[0]

    def recall(self, memory: str) -> None:
        self.recalled.append(memory)

    def memory(self) -> str | None:
        learned, self.learned = self.learned, None
        return learned


class Kept:
    """Memories that are kept in a dict."""

    def __init__(self) -> None:
        self.by_device: dict[str, tuple[str, str]] = {}

    def recall(self, device: str, settings: str) -> str | None:
        known, text = self.by_device.get(device, ("", None))
        return text if known == settings else None

    def keep(self, device: str, settings: str, text: str) -> None:
        self.by_device[device] = (settings, text)


def test_figures_of_all_connections_are_added_up() -> None:
    """Counters go on over a reconnect; what is so now is as the latest connection says."""
    conversation = Conversation(Device("plc1", "modbus", SECOND))
    for talk in (Talk(requests=3, exceptions={"2": 1}, holes=(HOLE,)), Talk(requests=4, exceptions={"2": 1, "6": 2})):
        conversation.begin(Teller([talk]))
        conversation.end()
    assert conversation.total == Talk(requests=7, exceptions={"2": 2, "6": 2})
    assert conversation.report()["requests"] == 7
    assert conversation.report()["holes"] == []


def test_a_change_is_logged_once_and_its_end_once() -> None:
    """A unit that falls silent and an address that is refused make one line each, and one when it is over."""
    well, ill = Talk(parts={"unit 7": True}), Talk(parts={"unit 7": False}, holes=(HOLE,))
    conversation = Conversation(Device("plc1", "modbus", SECOND))
    conversation.begin(Teller([well, ill, ill, ill, well, well]))
    with structlog.testing.capture_logs() as lines:
        for _ in range(6):
            conversation.look()
    assert [(line["event"], line.get("part", line.get("address"))) for line in lines] == [
        ("does not answer", "unit 7"), ("refuses an address", "holding:9"),
        ("answers again", "unit 7"), ("serves an address again", "holding:9"),
    ]  # fmt: skip


def test_what_was_learned_is_given_to_the_next_connection_while_the_settings_are_the_same() -> None:
    """A driver gets back what it has learned, after a restart too, but not about what may be another device."""
    kept = Kept()
    first = Conversation(Device("plc1", "modbus", SECOND, "unit 1"), kept)
    first.begin(Teller([Talk()], learned="holes"))
    first.end()
    for settings, expected in (("unit 1", ["holes"]), ("unit 2", [])):
        later = Teller([Talk()])
        Conversation(Device("plc1", "modbus", SECOND, settings), kept).begin(later)
        assert later.recalled == expected


def test_a_fingerprint_tells_no_secret() -> None:
    """What is kept to know settings by does not contain them."""
    assert "hunter2" not in fingerprint({"password": "hunter2"})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})


@given(st.lists(st.builds(Talk, requests=st.integers(0, 99), exceptions=st.dictionaries(st.sampled_from("246"),
       st.integers(1, 9)))))  # fmt: skip
def test_adding_up_is_the_same_in_any_grouping(talks: list[Talk]) -> None:
    """However connections are cut, the sums are the same."""
    middle = len(talks) // 2
    left, right = sum(talks[:middle], Talk()), sum(talks[middle:], Talk())
    assert left + right == sum(talks, Talk())
