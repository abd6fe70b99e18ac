from __future__ import annotations

import asyncio
import json
import re
import struct
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from asyncua import Client, ua
from pymodbus import FramerType
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient

from shoptwin.domain.errors import ConfigError, NotConnected
from shoptwin.domain.timing import iso, parse_time
from shoptwin_plant import PlantInfo, PlantOptions, plant
from shoptwin_plant.registers import CLOCK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

pytestmark = pytest.mark.asyncio(loop_scope="module")

RATE = 30.0
EPOCH = parse_time("2026-03-02T06:00:00Z")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def info(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PlantInfo]:
    """One plant for all tests here, thirty times as fast as the wall clock, on all three protocols."""
    ready: asyncio.Future[PlantInfo] = asyncio.get_running_loop().create_future()
    directory = tmp_path_factory.mktemp("plant")
    options = PlantOptions(seed=3, rate=RATE, epoch=EPOCH, rtu=True, directory=directory)
    task = asyncio.create_task(plant.serve(options, ready.set_result))
    yield await ready
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest_asyncio.fixture(loop_scope="module")
async def modbus(info: PlantInfo) -> AsyncIterator[AsyncModbusTcpClient]:
    """A Modbus TCP client that is connected to the plant."""
    client = AsyncModbusTcpClient("127.0.0.1", port=port(info.modbus))
    assert await client.connect()
    yield client
    client.close()


@pytest_asyncio.fixture(loop_scope="module")
async def opcua(info: PlantInfo) -> AsyncIterator[Client]:
    """An OPC UA client that is connected to the plant."""
    async with Client(info.opcua) as client:
        yield client


def port(url: str) -> int:
    """Return the port of a URL."""
    return int(url.rstrip("/").rsplit(":", 1)[1])


def place(address: str) -> tuple[int, str]:
    """Return register and type of an address."""
    table, at, kind = address.split(":")
    assert table == "holding"
    return int(at), kind


def decode(registers: list[int], kind: str) -> float:
    """Return the number in some registers, high word first."""
    data = struct.pack(f">{len(registers)}H", *registers)
    return struct.unpack({"float32": ">f", "uint16": ">H", "uint32": ">I", "uint64": ">Q"}[kind], data)[0]


WORDS = {"float32": 2, "uint16": 1, "uint32": 2, "uint64": 4}


async def read(client: Any, address: str) -> float:
    """Read one value by its address."""
    at, kind = place(address)
    answer = await client.read_holding_registers(at, count=WORDS[kind], device_id=1)
    assert not answer.isError(), answer
    return decode(answer.registers, kind)


async def test_every_scalar_stands_in_registers_and_in_a_node(
    info: PlantInfo, modbus: AsyncModbusTcpClient, opcua: Client
) -> None:
    """Modbus and OPC UA tell the same value of every tag but for what changes between two reads."""
    await asyncio.sleep(0.3)
    index = await opcua.get_namespace_index("urn:shoptwin:plant")
    compared = 0
    for machine in info.machines:
        for tag in machine.tags:
            if not tag.modbus:
                assert tag.role == "waveform"
                continue
            node = opcua.get_node(ua.NodeId(f"{machine.name}.{tag.name}", index))
            assert tag.opcua == f"nsu=urn:shoptwin:plant;s={machine.name}.{tag.name}"
            for _ in range(20):
                before, there, after = (
                    await read(modbus, tag.modbus),
                    await node.read_value(),
                    await read(modbus, tag.modbus),
                )
                if before == after:
                    break
            assert there == pytest.approx(before, rel=1e-6), tag
            compared += 1
    assert compared == 31


async def test_input_registers_answer_like_holding_registers(info: PlantInfo, modbus: AsyncModbusTcpClient) -> None:
    """Functions 3 and 4 read the same registers, of any unit."""
    at, _ = place(info.machine("packer-2").tag("seal_setpoint").modbus)
    for unit in (1, 7):
        answer = await modbus.read_input_registers(at, count=2, device_id=unit)
        assert decode(answer.registers, "float32") == 165.0


async def test_registers_between_the_machines_do_not_exist(modbus: AsyncModbusTcpClient) -> None:
    """A read outside the map, or across its edge, is answered with exception 2, illegal data address."""
    for start, count in ((50, 2), (9000, 2), (14, 10)):
        answer = await modbus.read_holding_registers(start, count=count, device_id=1)
        assert answer.isError()
        assert answer.exception_code == 2


async def test_nothing_can_be_written(info: PlantInfo, modbus: AsyncModbusTcpClient, opcua: Client) -> None:
    """Writes are refused over both protocols, and change nothing."""
    at, _ = place(info.machine("packer-2").tag("seal_setpoint").modbus)
    for answer in (
        await modbus.write_register(at, 0, device_id=1),
        await modbus.write_registers(at, [0, 0], device_id=1),
    ):
        assert answer.isError()
    assert await read(modbus, info.machine("packer-2").tag("seal_setpoint").modbus) == 165.0
    index = await opcua.get_namespace_index("urn:shoptwin:plant")
    with pytest.raises(ua.UaStatusCodeError):
        await opcua.get_node(ua.NodeId("packer-2.seal_setpoint", index)).write_value(1.0)


async def test_values_of_a_poll_belong_together(info: PlantInfo, modbus: AsyncModbusTcpClient) -> None:
    """Polls in quick succession never see half of a new value: speed stays in its narrow band, counters never fall."""
    speed, _ = place(info.machine("press-3").tag("speed").modbus)
    count, _ = place(info.machine("packer-2").tag("count").modbus)
    last = 0.0
    for _ in range(400):
        answer = await modbus.read_holding_registers(speed, count=2, device_id=1)
        assert 1470 < decode(answer.registers, "float32") < 1500
        answer = await modbus.read_holding_registers(count, count=2, device_id=1)
        now = decode(answer.registers, "uint32")
        assert now >= last
        last = now


async def test_the_clock_stands_in_registers(info: PlantInfo, modbus: AsyncModbusTcpClient) -> None:
    """Epoch, origin, rate and now are those of the info, and now = epoch + (wall - origin) * rate."""
    epoch, origin, now, rate, status = [await read(modbus, address) for address in CLOCK.values()]
    assert iso(int(epoch) * 10**6) == info.clock.epoch == iso(EPOCH)
    assert iso(int(origin) * 10**6) == info.clock.origin
    assert rate == info.clock.rate == RATE
    assert status == 1
    later = await read(modbus, CLOCK["now"])
    assert epoch < now < later < now + 5000 * RATE


async def test_mbpoll_reads_over_tcp_and_over_the_serial_line(info: PlantInfo, tool: Callable[..., str]) -> None:
    """An independent master (libmodbus) reads the setpoint over Modbus TCP, and over Modbus RTU on the terminal."""
    at, _ = place(info.machine("packer-2").tag("seal_setpoint").modbus)
    common = [tool("mbpoll"), "-1", "-0", "-B", "-t", "4:float", "-r", str(at), "-c", "1"]
    over_tcp = [*common, "-m", "tcp", "-p", str(port(info.modbus)), "127.0.0.1"]
    over_line = [*common, "-m", "rtu", "-b", "115200", "-P", "none", info.rtu]
    for command in (over_tcp, over_line, over_line):
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=10, check=False)
        assert re.search(rf"\[{at}\]:\s+165\b", done.stdout), done.stdout + done.stderr


async def test_the_serial_line_serves_one_master_after_another(info: PlantInfo) -> None:
    """A master may leave and another come; each reads what Modbus TCP reads."""
    for _ in range(2):
        client = AsyncModbusSerialClient(info.rtu, framer=FramerType.RTU, baudrate=115_200)
        assert await client.connect()
        assert await read(client, info.machine("packer-2").tag("seal_setpoint").modbus) == 165.0
        answer = await client.read_holding_registers(100, count=16, device_id=1)
        assert len(answer.registers) == 16
        client.close()


async def test_a_waveform_is_an_array_with_its_sampling_rate_and_plant_time(opcua: Client) -> None:
    """It is a Float array in g, with properties for rate and unit; source times lie on the plant's clock."""
    index = await opcua.get_namespace_index("urn:shoptwin:plant")
    node = opcua.get_node(ua.NodeId("press-3.acc", index))
    value = await node.read_data_value()
    assert len(value.Value.Value) == 8192
    assert value.Value.VariantType is ua.VariantType.Float
    assert await node.read_value_rank() == ua.ValueRank.OneDimension
    properties = {(await p.read_browse_name()).Name: await p.read_value() for p in await node.get_properties()}
    assert properties["SamplingRate"] == 25600.0
    assert properties["EngineeringUnits"].DisplayName.Text == "g"
    source = parse_time(value.SourceTimestamp.isoformat())
    assert (source - EPOCH) % (10 * 10**9) == 0
    assert 0 <= source - EPOCH < 600 * RATE * 10**9
    assert value.ServerTimestamp >= value.SourceTimestamp


async def test_a_fast_plant_tells_no_time_of_its_own(opcua: Client) -> None:
    """A client that reckons on from what a fast server's clock showed would take its values to be from the future."""
    node = opcua.get_node(ua.NodeId(ua.ObjectIds.Server_ServerStatus_CurrentTime))
    assert (await node.read_data_value(raise_on_bad_status=False)).StatusCode.is_bad()


async def test_a_subscription_brings_new_values_in_order(opcua: Client) -> None:
    """Source times of the notifications increase."""
    seen: asyncio.Queue[Any] = asyncio.Queue()

    class Handler:
        def datachange_notification(self, _node: Any, _value: Any, data: Any) -> None:
            seen.put_nowait(data.monitored_item.Value.SourceTimestamp)

    index = await opcua.get_namespace_index("urn:shoptwin:plant")
    subscription = await opcua.create_subscription(50, Handler())
    await subscription.subscribe_data_change(opcua.get_node(ua.NodeId("mill-5.power", index)))
    async with asyncio.timeout(10):
        times = [await seen.get() for _ in range(6)]
    await subscription.delete()
    assert times == sorted(set(times))


async def test_a_fault_is_injected_while_the_plant_runs(info: PlantInfo, modbus: AsyncModbusTcpClient) -> None:
    """The leak that is injected over the control port shows in the pressure's register, and goes with its repair."""
    address = info.machine("packer-2").tag("pressure").modbus
    before = await read(modbus, address)
    answer = await asyncio.to_thread(plant.inject, info.control, "leak", "packer-2", "15s")
    assert (answer["fault"], answer["growth"]) == ("leak", "linear")
    assert parse_time(answer["full"]) - parse_time(answer["begin"]) == 15 * 10**9
    async with asyncio.timeout(8):
        while await read(modbus, address) > before - 1:
            await asyncio.sleep(0.1)
    status = await asyncio.to_thread(plant.status, info.control)
    assert status["faults"]["packer-2"][0]["severity"] > 0.5  # noise may show the leak before it is full
    assert (await asyncio.to_thread(plant.clear, info.control, "packer-2"))["cleared"] == 1
    async with asyncio.timeout(8):
        while await read(modbus, address) < before - 0.5:
            await asyncio.sleep(0.1)


async def test_requests_that_make_no_sense_are_refused_with_a_cure(info: PlantInfo) -> None:
    """Unknown fault, machine or key, a wrong duration, no JSON: the answer says what would be accepted."""

    def refused(*arguments: str, **more: str) -> ConfigError:
        with pytest.raises(ConfigError) as caught:
            plant.inject(info.control, *arguments, **more)
        return caught.value

    assert "fan" in (await asyncio.to_thread(refused, "rust", "mill-5", "1h")).hint
    assert "mill-5" in (await asyncio.to_thread(refused, "fan", "mill-6", "1h")).hint
    assert "is not a duration" in (await asyncio.to_thread(refused, "fan", "mill-5", "soon")).message
    assert "spindle_temp" in (await asyncio.to_thread(refused, "sensor-stuck", "mill-5", tag="speed")).hint
    reader, writer = await asyncio.open_connection(*info.control.split(":"))
    for line in (b"hello\n", b"[1]\n", b'{"colour": "red"}\n', b'{"fault": 7, "machine": {}}\n', b'{"status": true}\n'):
        writer.write(line)
        answer = json.loads(await reader.readline())
        assert answer["ok"] is (b"status" in line)
        assert answer["ok"] or answer["error"]
    writer.close()
    await writer.wait_closed()


async def test_nobody_at_the_control_port_is_not_connected() -> None:
    """The error says how to start a plant."""
    with pytest.raises(NotConnected, match="simulate"):
        plant.inject("127.0.0.1:1", "fan", "mill-5")
    with pytest.raises(ConfigError, match="HOST:PORT"):
        plant.inject("nowhere", "fan", "mill-5")


async def test_the_configuration_names_all_machines_tags_and_ports(info: PlantInfo) -> None:
    """The file that was asked for is TOML, and every address in it is one of those told."""
    config = tomllib.loads(await asyncio.to_thread(Path(info.config).read_text))
    assert {device["url"].partition("?")[0] for device in config["device"]} == {
        info.modbus, info.opcua, f"rtu://{info.rtu}",
    }  # fmt: skip
    used = {machine["name"]: {tag["device"] for tag in machine["tag"]} for machine in config["machine"]}
    assert used == {"press-3": {"plant-opcua"}, "mill-5": {"plant-modbus"}, "packer-2": {"plant-line"}}
    for machine in config["machine"]:
        told = info.machine(machine["name"])
        assert [tag["name"] for tag in machine["tag"]] == [tag.name for tag in told.tags]
        for tag in machine["tag"]:
            assert tag["address"] in {told.tag(tag["name"]).modbus, told.tag(tag["name"]).opcua}


async def test_info_is_json(info: PlantInfo) -> None:
    """`shoptwin simulate --json` can print it as it is."""
    told = json.loads(json.dumps(info.as_dict()))
    assert told["clock"]["rate"] == RATE
    assert [machine["name"] for machine in told["machines"]] == ["press-3", "mill-5", "packer-2"]


async def test_a_taken_port_is_told_with_a_cure(info: PlantInfo, run_plant: Callable[..., Any]) -> None:
    """Asking for a port that somebody has ends the plant with the port's name and what to do."""
    for options in ({"modbus_port": port(info.modbus)}, {"opcua_port": port(info.opcua)}):
        with pytest.raises(ConfigError, match="cannot be used") as caught:
            async with run_plant(**options):
                pass
        assert "any free" in caught.value.hint


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf"), 1e6])
async def test_a_rate_that_cannot_be_is_refused(run_plant: Callable[..., Any], rate: float) -> None:
    """Zero, negative, infinite, or faster than the simulation can run."""
    with pytest.raises(ConfigError, match="rate"):
        async with run_plant(rate=rate):
            pass


async def test_at_rate_one_plant_time_is_wall_time(run_plant: Callable[..., Any]) -> None:
    """Without an epoch the plant's clock is the wall clock, so that a daemon needs to know nothing of it."""
    async with run_plant() as here:
        assert here.clock.epoch == here.clock.origin


async def test_importing_the_plant_loads_no_protocol_library() -> None:
    """The libraries asyncua and pymodbus are loaded when the plant serves, not before."""
    code = "import sys, shoptwin_plant; print(sorted({'asyncua', 'pymodbus'} & sys.modules.keys()))"
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


async def test_faults_are_listed_with_what_they_are() -> None:
    """At least eight kinds, each with a description."""
    assert len(plant.faults()) >= 8
    assert {"bearing-outer", "bearing-inner", "bearing-ball", "imbalance", "fan", "sensor-stuck"} <= dict(
        plant.faults()
    ).keys()
    assert all(description for _, description in plant.faults())
