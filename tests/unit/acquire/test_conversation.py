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
        self.written: list[str] = []

    def recall(self, device: str, settings: str) -> str | None:
        known, text = self.by_device.get(device, ("", None))
        return text if known == settings else None

    def keep(self, device: str, settings: str, text: str) -> None:
        self.by_device[device] = (settings, text)
        self.written.append(text)


def test_figures_of_all_connections_are_added_up() -> None:
    """Counters go on over a reconnect; what is so now is as the latest connection says."""
    conversation = Conversation(Device("plc1", "modbus", SECOND))
    first = Talk(requests=3, took=(0.002, 0.004), exceptions={"2": 1}, holes=(HOLE,), notes={"path": "plain: new"})
    last = Talk(requests=4, took=(0.006,), exceptions={"2": 1, "6": 2}, notes={"path": "fast"}, expires={"gateway": 0})
    for talk in (first, last):
        conversation.begin(Teller([talk]))
        conversation.end()
    assert conversation.total == Talk(
        requests=7, exceptions={"2": 2, "6": 2}, notes={"path": "fast"}, expires={"gateway": 0}
    )
    assert conversation.report()["requests"] == 7
    assert conversation.report()["request_p50_ms"] == 4.0
    assert conversation.report()["request_p99_ms"] == 5.96
    assert conversation.report()["holes"] == []
    assert conversation.report()["notes"] == {"path": "fast"}
    assert conversation.report()["certificates"] == {"gateway": "1970-01-01T00:00:00.000Z"}


def test_a_change_is_logged_once_and_its_end_once() -> None:
    """A unit that falls silent and an address that is refused make one line each, and one when it is over for good."""
    well, ill = Talk(parts={"unit 7": True}), Talk(parts={"unit 7": False}, holes=(HOLE,))
    assert told([(well, 1), (ill, 1), (ill, 60), (ill, 1), (well, 9), (well, 1), (well, 60)]) == [
        ("does not answer", "unit 7"), ("refuses addresses", "holding:9"),
        ("answers again", "unit 7"), ("serves addresses again", "holding:9"),
    ]  # fmt: skip


def test_what_comes_and_goes_does_not_flood_the_log() -> None:
    """A unit that answers every other second is told once as silent, and so is an address refused off and on."""
    well, ill = Talk(parts={"unit 7": True}), Talk(parts={"unit 7": False}, holes=(HOLE,))
    assert told([(ill, 1), (well, 1)] * 1000) == [("does not answer", "unit 7"), ("refuses addresses", "holding:9")]


def test_what_changes_at_once_is_one_line() -> None:
    """A device that does not have a thousand of its addresses is told in one line for each reason, with a few names."""
    holes = [Hole(f"holding:{n}", StatusCode.BAD_NODE_ID_UNKNOWN) for n in range(1000)]
    other = Hole("coil:1", StatusCode.BAD_OUT_OF_RANGE)
    assert told([(Talk(holes=(*holes, other)), 1)]) == [
        ("refuses addresses", "holding:0, holding:1, holding:2, holding:3, holding:4 and 995 more"),
        ("refuses addresses", "coil:1"),
    ]


def test_a_new_connection_that_knows_nothing_yet_takes_nothing_back() -> None:
    """A device that is lost and back makes no line of what is as before; the return of its silent unit makes one."""
    now = [0.0]
    ill, blank, well = Talk(parts={"unit 7": False}, holes=(HOLE,)), Talk(), Talk(parts={"unit 7": True}, holes=(HOLE,))
    with structlog.testing.capture_logs() as lines:
        conversation = Conversation(Device("plc1", "modbus", SECOND), clock=lambda: now[0])
        for talks in ([ill], [blank], [ill], [blank], [well, well, well]):
            connection = Teller(talks)
            conversation.begin(connection)
            for _ in talks:
                now[0] += 60
                if talks != [blank]:  # that one was never read
                    conversation.look()
            conversation.end()
    assert [line["event"] for line in lines] == ["does not answer", "refuses addresses", "answers again"]


def test_what_is_silent_is_so_until_it_is_said_to_answer() -> None:
    """A part that is silent stays so over a new connection that knows nothing of it yet."""
    conversation = Conversation(Device("plc1", "modbus", SECOND))
    for talk, silent in (
        (Talk(parts={"unit 7": False, "unit 8": True}), ("unit 7",)),
        (Talk(parts={"unit 8": False}), ("unit 7", "unit 8")),
        (Talk(parts={"unit 7": True}), ("unit 8",)),
        (Talk(parts={"unit 7": True, "unit 8": True}), ()),
    ):
        conversation.begin(Teller([talk]))
        conversation.look()
        assert conversation.silent == silent
        conversation.end()


def told(talks: Sequence[tuple[Talk, float]]) -> list[tuple[str, str]]:
    """The lines, with what they name, that these talks make, each looked at so many seconds after the one before."""
    now = 0.0
    with structlog.testing.capture_logs() as lines:
        conversation = Conversation(Device("plc1", "modbus", SECOND), clock=lambda: now)
        for talk, seconds in talks:
            now += seconds
            conversation.begin(Teller([talk]))
            conversation.look()
    assert all(line["device"] == "plc1" for line in lines)
    return [(line["event"], line.get("parts") or line["addresses"]) for line in lines]


def test_a_driver_that_tells_figures_has_them_from_the_start() -> None:
    """Counters begin at 0, not at what a device's first successful connection counts; who tells none has none."""
    conversation = Conversation(Device("plc1", "modbus", SECOND))
    assert conversation.report() == {}
    conversation.begin(Teller([Talk()]))
    assert (conversation.report()["requests"], conversation.report()["holes"]) == (0, [])


def test_a_map_that_never_settles_is_written_once_a_minute_at_most() -> None:
    """What was learned first is on the disk at once, and what is newer when its minute has come, or at the end."""
    kept, now = Kept(), 0.0
    conversation = Conversation(Device("plc1", "modbus", SECOND), kept, clock=lambda: now)
    for second in range(150):
        now = float(second)
        conversation.begin(Teller([Talk()], learned=f"{second}"))
        conversation.look()
        conversation.end()
    assert kept.written == ["0", "60", "120"]
    later = Teller([Talk()])
    conversation.begin(later)
    assert later.recalled == ["149"]
    conversation.close()
    conversation.close()
    assert kept.written == ["0", "60", "120", "149"]


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
