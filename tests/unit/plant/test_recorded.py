from __future__ import annotations

import asyncio
import logging
import sys
import tomllib
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from asyncua import Client, ua
from pymodbus.client import AsyncModbusTcpClient

from shoptwin.domain.errors import ConfigError, RecordingError
from shoptwin.domain.timing import parse_time
from shoptwin.recording import Recording
from shoptwin_plant import PlantInfo, PlantOptions, plant
from shoptwin_plant.recorded import Recorded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

START = 1_600_000_000 * 10**9
SHARED = Path(__file__).parents[4] / "shared"
WAITING, NO_DATA, LAST_USABLE = 0x80320000, 0x809B0000, 0x40900000


class Listener:
    """Keeps every notification of some nodes, as (source time in ns, status, value)."""

    def __init__(self) -> None:
        self.heard: dict[str, list[tuple[int, int, Any]]] = {}
        self.new = asyncio.Event()

    def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
        """Take in one notification."""
        told = data.monitored_item.Value
        heard = self.heard.setdefault(node.nodeid.Identifier, [])
        heard.append((parse_time(told.SourceTimestamp.isoformat()), told.StatusCode.value, value))
        self.new.set()

    async def until(self, tag: str, status: int) -> list[tuple[int, int, Any]]:
        """Wait until a tag has had a status; return all that was heard of it but its very first state."""
        async with asyncio.timeout(30):
            while not any(code == status for _, code, _ in self.heard.get(tag, ())):
                self.new.clear()
                await self.new.wait()
        return [told for told in self.heard[tag] if told[1] != WAITING]


@asynccontextmanager
async def listening(info: PlantInfo, *names: str) -> AsyncIterator[Listener]:
    """Subscribe to some nodes of a plant by `machine.tag`."""
    listener = Listener()
    async with Client(info.opcua) as client:
        index = await client.get_namespace_index("urn:shoptwin:plant")
        subscription = await client.create_subscription(50, listener)
        nodes = [client.get_node(ua.NodeId(name, index)) for name in names]
        await subscription.subscribe_data_change(nodes, queuesize=1000)
        yield listener
        await subscription.delete()


async def test_a_recording_is_served_row_by_row_a_thousand_times_faster(
    recording: Callable[..., Path], run_plant: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Every row arrives once, in order, with its recorded time; missing is Bad; after the end it is uncertain."""
    path = recording(rows=300)
    async with (
        run_plant(rate=1000.0, recordings=(path,), delay=1.0) as info,
        listening(info, "pump-1.temp", "pump-1.flow", "pump-1.acc") as listener,
    ):
        temp = await listener.until("pump-1.temp", LAST_USABLE)
        acc = await listener.until("pump-1.acc", LAST_USABLE)
        flow = [told for told in listener.heard["pump-1.flow"] if told[1] != WAITING]
    times = [START + i * 10**9 for i in range(300)]
    assert [(time, value) for time, status, value in temp if status == 0] == [
        (time, i + 0.5) for i, time in enumerate(times)
    ]
    assert temp[-1] == (times[-1], LAST_USABLE, 299.5)
    assert flow == [(time, NO_DATA, None) if i % 10 == 9 else (time, 0, float(i)) for i, time in enumerate(times)]
    assert [time for time, status, _ in acc if status == 0] == times
    np.testing.assert_allclose(acc[7][2], (700 + np.arange(64)) * 0.01, rtol=1e-6)
    assert any("recording ended: pump-1" in record.message for record in caplog.records)


async def test_rows_come_at_their_time_on_the_plants_clock(
    recording: Callable[..., Path], run_plant: Callable[..., Any]
) -> None:
    """At a hundred times, a row is not served before its plant time, and at most 20 plant seconds after it."""
    async with run_plant(rate=100.0, recordings=(recording(rows=120),)) as info:
        client = AsyncModbusTcpClient("127.0.0.1", port=int(info.modbus.rsplit(":", 1)[1]))
        await client.connect()
        place = int(info.machine("pump-1").tag("temp").modbus.split(":")[1])
        for _ in range(20):
            clock = await client.read_holding_registers(8, count=4, device_id=1)
            before = int.from_bytes(b"".join(r.to_bytes(2, "big") for r in clock.registers), "big")
            answer = await client.read_holding_registers(place, count=2, device_id=1)
            row = client.convert_from_registers(answer.registers, client.DATATYPE.FLOAT32) - 0.5
            assert -20 < row - (before - START / 1e6) / 1000 < 20
            await asyncio.sleep(0.03)
        client.close()


async def test_a_missing_value_is_nan_in_registers_and_the_last_row_stays(
    recording: Callable[..., Path], run_plant: Callable[..., Any]
) -> None:
    """After the end of 50 rows, of which the last has no flow, Modbus tells NaN for it and status 2, ended."""
    async with run_plant(rate=1000.0, recordings=(recording(rows=50, waves=False),)) as info:
        client = AsyncModbusTcpClient("127.0.0.1", port=int(info.modbus.rsplit(":", 1)[1]))
        await client.connect()
        async with asyncio.timeout(10):
            while (await client.read_holding_registers(14, count=1, device_id=1)).registers != [2]:
                await asyncio.sleep(0.02)
        answer = await client.read_holding_registers(100, count=4, device_id=1)
        temp, flow = client.convert_from_registers(answer.registers, client.DATATYPE.FLOAT32)
        assert temp == 49.5
        assert np.isnan(flow)
        client.close()
        status = await asyncio.to_thread(plant.status, info.control)
        assert status["recordings"] == {"pump-1": {"ended": True, "problem": ""}}


async def test_a_truncated_recording_serves_what_it_has_and_then_says_so(
    recording: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    """All rows before the cut are served; then the end is told with file and line, and raised when the plant exits."""
    path = recording(rows=40, waves=False, tail="2020-09-13T12:27:20.000Z,4")
    ready: asyncio.Future[PlantInfo] = asyncio.get_running_loop().create_future()
    options = PlantOptions(rate=1000.0, recordings=(path,), delay=1.0, exit_at_end=True, linger=1.0)
    task = asyncio.create_task(plant.serve(options, ready.set_result))
    async with listening(await ready, "pump-1.temp") as listener:
        heard = await listener.until("pump-1.temp", LAST_USABLE)
    assert [value for _, status, value in heard if status == 0] == [i + 0.5 for i in range(40)]
    with pytest.raises(RecordingError, match=r"scalars.csv:42: the last line is cut off"):
        await task
    assert any("cut off" in record.getMessage() for record in caplog.records)


async def test_the_plant_exits_at_the_end_when_asked_to(recording: Callable[..., Path]) -> None:
    """With `exit_at_end` it returns by itself, once all recordings have ended."""
    paths = (recording("a", 20, waves=False), recording("b", 60, waves=False))
    options = PlantOptions(rate=100.0, recordings=paths, exit_at_end=True, linger=0.1)
    begin = asyncio.get_running_loop().time()
    async with asyncio.timeout(20):
        await plant.serve(options, lambda _: None)
    assert asyncio.get_running_loop().time() - begin > 0.6


async def test_recordings_start_together_and_their_learning_moves_with_them(
    recording: Callable[..., Path], run_plant: Callable[..., Any], tmp_path: Path
) -> None:
    """With an epoch of today an old recording plays today; its learning ends as long after the start as it did."""
    epoch = parse_time("2026-03-02T06:00:00Z")
    paths = (recording("pump-1", 40), recording("pump-1", 41, waves=False))
    async with run_plant(rate=10.0, recordings=paths, epoch=epoch, directory=tmp_path / "here.toml") as info:
        config = tomllib.loads(await asyncio.to_thread(Path(info.config).read_text))
        assert [machine.name for machine in info.machines] == ["pump-1", "pump-1-2"]
        assert {machine.start for machine in info.machines} == {"2026-03-02T06:00:00.000Z"}
        assert info.machines[0].rows == 40
    for machine in config["machine"]:
        assert machine["learning"]["until"].isoformat() == "2026-03-02T06:00:20+00:00"
    first, second = config["machine"]
    assert {tag["device"] for tag in first["tag"]} == {"plant-opcua"}
    assert {tag["device"] for tag in second["tag"]} == {"plant-modbus"}
    assert [(tag["name"], tag["role"], tag["unit"]) for tag in second["tag"]] == [
        ("temp", "temperature", "degC"), ("flow", "flow", "l/min"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        (None, "there is no such file"),
        ("[[machine]\n", "not TOML"),
        ("", "exactly one"),
        ('[[machine]]\nname = "a"\n[[machine]]\nname = "b"\n', "exactly one"),
        ("[[machine]]\n", "has no name"),
        ('[[machine]]\nname = "a"\n[[machine.tag]]\nname = "x"\nrole = "flow"\n', "'x' is in neither"),
        ('[[machine]]\nname = "a"\n[[machine.tag]]\nname = "temp"\nrole = "warmth"\n', "the role 'warmth'"),
        ('[[machine]]\nname = "a"\n[[machine.tag]]\nname = "temp"\nrole = "waveform"\n', "the role 'waveform'"),
        ('[[machine]]\nname = "a"\n[machine.learning]\nuntil = 2020-01-01T00:00:00\n', "no time zone"),
    ],
)
def test_a_machine_that_does_not_fit_its_recording_is_refused(
    recording: Callable[..., Path], toml: str | None, says: str
) -> None:
    """The error names machine.toml, what is wrong and what to do."""
    path = recording()
    (path / "machine.toml").unlink() if toml is None else (path / "machine.toml").write_text(toml)
    with pytest.raises(ConfigError, match=says) as caught:
        Recorded(path)
    assert "machine.toml" in caught.value.message
    assert caught.value.hint


async def test_a_real_run_to_failure_is_served_as_it_was_recorded(
    tmp_path: Path, run_plant: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Snapshots of a femto bearing arrive over OPC UA as they are on file, at their times."""
    if not (SHARED / "data" / "femto").is_dir() or not (SHARED / "evaluate").is_dir():
        pytest.skip("../shared/data/femto and ../shared/evaluate are not there")
    monkeypatch.syspath_prepend(str(SHARED / "evaluate"))
    import recordings  # noqa: PLC0415 - the yardstick's own generator of recordings

    path, _ = await asyncio.to_thread(lambda: next(iter(recordings.femto(SHARED / "data", tmp_path, None))))
    for module in ("recordings", "recording"):
        sys.modules.pop(module, None)
    expected = [(row.time, row.waves["acc_h"].physical()) for row in islice(Recording.open(path).rows(), 40)]
    async with (
        run_plant(rate=400.0, recordings=(path,), delay=1.0) as info,
        listening(info, "bearing-1.acc_h") as listener,
    ):
        assert info.machine("bearing-1").tag("acc_h").rate == 25600.0
        async with asyncio.timeout(30):
            while len(listener.heard.get("bearing-1.acc_h", ())) < 41:
                listener.new.clear()
                await listener.new.wait()
    heard = [told for told in listener.heard["bearing-1.acc_h"] if told[1] == 0][:40]
    assert [time for time, _, _ in heard] == [time for time, _ in expected]
    for (_, _, samples), (_, there) in zip(heard, expected, strict=False):
        np.testing.assert_array_equal(np.array(samples, np.float32), there)


def test_the_end_is_a_warning_that_a_terminal_shows(
    recording: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    """Advancing past the last row tells the end once."""
    machine = Recorded(recording(rows=3))
    moments = list(machine.advance(START + 10 * 10**9))
    assert [len(moment) for moment in moments] == [3, 3, 3, 3]
    assert list(machine.advance(START + 20 * 10**9)) == []
    assert machine.due(0) is None
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
