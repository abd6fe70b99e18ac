"""A device's life: connected, lost, back, refused, quarantined."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from shoptwin.acquire.device import DeviceTask
from shoptwin.acquire.scaling import Scaling
from shoptwin.domain.batch import SampleBatch
from shoptwin.domain.device import Device, DeviceChange, DeviceHealth, Group, Hole, Point, Talk
from shoptwin.domain.errors import AuthFailed, NotConnected
from shoptwin.domain.quality import StatusCode
from shoptwin.domain.tag import CurrentLoop, Role, Tag, TagTable, ValueKind
from shoptwin.domain.timing import SECOND
from shoptwin.runtime.clock import SystemClock
from shoptwin.runtime.supervise import Progress

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

ONE = Tag("t", "t", "m", Role.OTHER)


@dataclass
class Script:
    """What the device does: each entry of `reads` is one poll, a value or the error it raises."""

    connects: list[Exception | None] = field(default_factory=list)
    reads: list[float | Exception] = field(default_factory=list)
    closed: int = 0

    # A driver of its own: these faults cannot be had from a real server at a chosen moment.
    name = "script"
    Settings = dict
    schemes = ()

    def open(self, _: Any) -> Script:
        return self

    async def connect(self) -> None:
        if self.connects and (error := self.connects.pop(0)):
            raise error

    async def aclose(self) -> None:
        self.closed += 1

    async def read(self, group: Group) -> Sequence[SampleBatch]:
        await asyncio.sleep(0)
        if not self.reads:
            await asyncio.Event().wait()
        what = self.reads.pop(0)
        if isinstance(what, asyncio.Future):
            what.cancel()
            await what
        if isinstance(what, Exception):
            raise what
        return [SampleBatch.of(group.name, ValueKind.F8, [0], [what])]


class Listening(Script):
    """The same, but the device sends by itself and then falls silent for good."""

    read = None  # type: ignore[assignment]

    async def batches(self, groups: Sequence[Group]) -> AsyncIterator[SampleBatch]:
        while self.reads:
            what = self.reads.pop(0)
            if isinstance(what, Exception):
                raise what
            yield SampleBatch.of(groups[0].name, ValueKind.F8, [0], [what])


@dataclass
class Seen:
    batches: list[SampleBatch] = field(default_factory=list)
    changes: list[DeviceChange] = field(default_factory=list)

    @property
    def values(self) -> list[Any]:
        return [float(b.values[0]) if b.status[0] == 0 else StatusCode(int(b.status[0])).name for b in self.batches]

    @property
    def health(self) -> list[DeviceHealth]:
        return [c.health for c in self.changes]


async def run(
    script: Script, until: int, *, seconds: float = 10, groups: int = 1, tag: Tag = ONE
) -> tuple[Seen, DeviceTask]:
    """Run the device until so many batches came, so much time passed, or it ended by itself."""
    seen = Seen()
    table = TagTable([tag])
    asked = tuple(Group(f"plc1/{i}", "plc1", SECOND // 1000, (Point(0, "a"),)) for i in range(groups))
    task = DeviceTask(
        Device("plc1", "script", SECOND // 1000), script, asked, Scaling(table), SystemClock(),  # type: ignore[arg-type]
        take=seen.batches.append, changed=seen.changes.append,
    )  # fmt: skip
    task.breaker.first = task.breaker.most = 0.002
    running = asyncio.create_task(task.run(Progress()))
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while len(seen.batches) < until and not running.done():
                await asyncio.sleep(0.001)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    return seen, task


async def test_a_lost_device_is_bad_and_comes_back_by_itself() -> None:
    """A loss in the middle gives a Bad value, then a new connection gives Good ones again."""
    script = Script(reads=[1.0, NotConnected("cable"), 2.0])
    seen, _ = await run(script, 3)
    assert seen.values == [1.0, "BAD_NOT_CONNECTED", 2.0]
    assert seen.health == [DeviceHealth.CONNECTED, DeviceHealth.LOST, DeviceHealth.CONNECTED]
    assert [change.cause for change in seen.changes] == ["", "not-connected", ""]
    assert script.closed == 2


async def test_every_batch_carries_the_time_of_receipt() -> None:
    """A device that gives no times has its values stamped when they came."""
    before = SystemClock().now()
    seen, _ = await run(Script(reads=[1.0]), 1)
    assert seen.batches[0].receive_time >= before
    assert seen.batches[0].source_time[0] == seen.batches[0].receive_time


async def test_a_device_that_refuses_us_is_not_asked_again() -> None:
    """A refused password is Bad data and one change of health, and no second try."""
    script = Script(connects=[AuthFailed("wrong password"), None], reads=[1.0])
    seen, task = await run(script, 5)
    assert seen.values == ["BAD_NOT_CONNECTED"]
    assert seen.health == [DeviceHealth.AUTH_FAILED]
    assert "wrong password" in task.report()["reason"]


async def test_a_driver_that_breaks_is_quarantined_with_its_tags_bad(capsys: pytest.CaptureFixture[str]) -> None:
    """An error that nobody foresaw stays within its device: Bad data and a change of health."""
    seen, _ = await run(Script(reads=[1.0, ZeroDivisionError("bug")]), 5)
    assert seen.values == [1.0, "BAD_DEVICE_FAILURE"]
    assert seen.health[-1] is DeviceHealth.QUARANTINED
    assert "ZeroDivisionError" in capsys.readouterr().out


async def test_a_subscription_that_ends_is_a_loss_never_silence() -> None:
    """When the driver's stream just ends, the tags turn Bad and the device is connected anew."""
    seen, _ = await run(Listening(reads=[1.0, 2.0]), 3)
    assert seen.values[:3] == [1.0, 2.0, "BAD_NOT_CONNECTED"]
    assert DeviceHealth.LOST in seen.health


async def test_failures_are_counted_by_kind_and_the_breaker_shows() -> None:
    """After three failures in a row the report says that the breaker is open, and how often what failed."""
    script = Script(connects=[NotConnected("off")] * 4, reads=[1.0])
    seen, task = await run(script, 2)
    report = task.report()
    assert report["errors"] == {"not-connected": 4}
    assert seen.values == ["BAD_NOT_CONNECTED", 1.0]
    assert report["breaker"] == "closed"


async def test_a_device_that_stays_away_is_bad_once_however_often_it_is_tried() -> None:
    """Tries that fail add nothing to the store, and the breaker opens."""
    script = Script(connects=[NotConnected("off")] * 500)
    seen, task = await run(script, 2, seconds=0.3)
    assert seen.values == ["BAD_NOT_CONNECTED"]
    assert task.report()["breaker"] == "open"
    assert task.report()["errors"]["not-connected"] > 3


async def test_a_device_without_tags_is_connected_and_makes_progress() -> None:
    """With nothing to read it is connected, and the watchdog does not take its silence for a hang."""
    progress = Progress()
    changes: list[DeviceChange] = []
    table = TagTable()
    task = DeviceTask(
        Device("spare", "script", SECOND), Script(), (), Scaling(table), SystemClock(),  # type: ignore[arg-type]
        take=lambda _: None, changed=changes.append,
    )  # fmt: skip
    running = asyncio.create_task(task.run(progress))
    async with asyncio.timeout(5):
        while not changes:
            await asyncio.sleep(0.001)
    assert changes[0].health is DeviceHealth.CONNECTED
    assert progress._due["device spare"] == float("inf")
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_a_device_that_answers_one_group_and_dies_at_the_next_is_not_connected() -> None:
    """Half an answer is no recovery: the loss stays told, and what was read is Bad again after it."""
    script = Script(reads=[1.0, NotConnected("died"), 2.0, NotConnected("died")])
    seen, _ = await run(script, 4, groups=2)
    assert seen.values == [1.0, "BAD_NOT_CONNECTED", 2.0, "BAD_NOT_CONNECTED"]
    assert seen.health == [DeviceHealth.LOST]


async def test_what_a_connection_tells_before_each_group_was_read_is_not_logged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A device that is lost and back knows nothing of its hole until it is read: it is not served again meanwhile."""

    class Telling(Script):
        told = 0

        async def connect(self) -> None:
            self.told = 0
            await super().connect()

        async def read(self, group: Group) -> Sequence[SampleBatch]:
            self.told += 1
            return await super().read(group)

        def talk(self) -> Talk:
            return Talk(holes=(Hole("holding:9", StatusCode.BAD_NODE_ID_UNKNOWN),) if self.told > 1 else ())

    monkeypatch.setattr("shoptwin.acquire.device.LOOK_EVERY", 0.0)
    monkeypatch.setattr("shoptwin.acquire.conversation.STEADY", 0.0)
    script = Telling(reads=[1.0, 2.0, 3.0, NotConnected("cable"), 4.0, NotConnected("cable"), 5.0, 6.0, 7.0])
    with structlog.testing.capture_logs() as lines:
        await run(script, 9, groups=2)
    assert [line["event"] for line in lines if "addresses" in line] == ["refuses addresses"]


async def test_a_value_that_conversion_makes_bad_counts_as_bad() -> None:
    """A broken 4-20 mA loop is among the Bad samples of its device, though the device called it Good."""
    tag = Tag("t", "t", "m", Role.OTHER, loop=CurrentLoop(4.0, 20.0))
    _, task = await run(Script(reads=[12.0, 0.0, 12.0]), 3, tag=tag)
    assert (task.statistics.samples, task.statistics.bad) == (3, 1)


async def test_what_fails_behind_the_driver_is_not_laid_at_its_door() -> None:
    """An error in what takes the batches goes up and ends the process; the PLC is not quarantined for it."""

    def broken(_: SampleBatch) -> None:
        raise ZeroDivisionError("ours")

    table = TagTable([Tag("t", "t", "m", Role.OTHER)])
    group = Group("plc1/1", "plc1", SECOND // 1000, (Point(0, "a"),))
    task = DeviceTask(
        Device("plc1", "script", SECOND // 1000), Script(reads=[1.0]), (group,), Scaling(table), SystemClock(),  # type: ignore[arg-type]
        take=broken, changed=lambda _: None,
    )  # fmt: skip
    with pytest.raises(ZeroDivisionError, match="ours"):
        await task.run(Progress())


async def test_a_driver_that_swallows_a_cancellation_is_ended_all_the_same() -> None:
    """A read whose library returns its reply instead of ending (`wait_for` of Python 3.11) is not polled on."""

    class Swallows(Script):
        async def read(self, group: Group) -> Sequence[SampleBatch]:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.05)
            return [SampleBatch.of(group.name, ValueKind.F8, [0], [1.0])]

    async with asyncio.timeout(5):
        seen, _ = await run(Swallows(), 2)
    assert seen.values == [1.0, 1.0]


async def test_a_library_that_cancels_what_it_waits_for_ends_nothing() -> None:
    """A request that is cancelled by the driver's own library is a lost connection, and not the end of its device."""
    reply: Any = asyncio.get_running_loop().create_future()
    seen, task = await run(Script(reads=[1.0, reply, 2.0]), 3)
    assert seen.values == [1.0, "BAD_NOT_CONNECTED", 2.0]
    assert seen.health == [DeviceHealth.CONNECTED, DeviceHealth.LOST, DeviceHealth.CONNECTED]
    assert task.health is DeviceHealth.CONNECTED
