"""Servers that no one here wrote: pyModbusTCP, uModbus, pymodbus and libmodbus; of each, every type is read."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import struct
import subprocess
import threading
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import serial
import umodbus.server.serial
import umodbus.server.tcp
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice
from pyModbusTCP.server import DataBank, ModbusServer
from umodbus.server.serial.rtu import RTUServer

from shoptwin.sdk import StatusCode
from shoptwin.testing import free_port, group_of, readings
from shoptwin_modbus.plugin import ModbusPlugin
from shoptwin_modbus.target import ModbusSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

C_SLAVE = Path(__file__).parent.parent / "servers" / "modbus_slave.c"
SIZE = 300
"""Registers and bits of each table; the tables of bits and of registers differ, so that none is taken for another."""
COIL, DISCRETE, HOLDING, INPUT = 1, 2, 3, 4
TEXT = b"Pump 7, hall B\0\0"


def _memory() -> dict[int, list[int]]:
    """Return what every server holds, by the function code that reads it."""
    words = {table: [(at * 40503 + table * 7919) % 0x10000 for at in range(SIZE)] for table in (HOLDING, INPUT)}
    for table in words.values():
        table[200:208] = struct.unpack(">8H", TEXT)
        table[210:214] = 0x1234, 0x9876, 0x5432, 0x0000
        table[220:224] = struct.unpack(">4H", struct.pack(">d", -12.5e-7))
        table[224:226] = struct.unpack(">2H", struct.pack(">f", 21.5))
    return words | {table: [(at * 7 + table) % 3 == 0 for at in range(SIZE)] for table in (COIL, DISCRETE)}


MEMORY = _memory()
ORDERS: dict[str, Callable[[bytes], bytes]] = {
    "ABCD": lambda data: data,
    "CDAB": lambda data: b"".join(data[i : i + 2] for i in range(len(data) - 2, -1, -2)),
    "BADC": lambda data: b"".join(data[i + 1 : i - 1 if i else None : -1] for i in range(0, len(data), 2)),
    "DCBA": lambda data: data[::-1],
}
TYPES = {"int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q", "uint64": "Q"}


def _expected() -> dict[str, Any]:
    """Return addresses of every type, and what stands there by the standard library's `struct`."""
    found: dict[str, Any] = {}
    for (name, table), (kind, code), (order, turned) in itertools.product(
        (("holding", HOLDING), ("input", INPUT)), TYPES.items(), ORDERS.items()
    ):
        size = struct.calcsize(code) // 2
        for start in (0, 41, 150 - size):
            raw = struct.pack(f">{size}H", *MEMORY[table][start : start + size])
            found[f"{name}:{start}:{kind}:{order}"] = struct.unpack(f">{code}", turned(raw))[0]
    for name, table in (("holding", HOLDING), ("input", INPUT)):
        found |= {f"{name}:7:bit{bit}": bool(MEMORY[table][7] >> bit & 1) for bit in range(16)}
        found |= {f"{name}:8:bits4-7": MEMORY[table][8] >> 4 & 0xF, f"{name}:9:bool": MEMORY[table][9] != 0}
        found |= {f"{name}:200:string[16]": "Pump 7, hall B", f"{name}:210:bcd16": 1234, f"{name}:211:bcd32": 98765432}
        found |= {f"{name}:220:float64": -12.5e-7, f"{name}:224:float32": 21.5}
    for name, table in (("coil", COIL), ("discrete", DISCRETE)):
        found |= {f"{name}:{at}": MEMORY[table][at] for at in range(0, SIZE, 3)}
    return found


EXPECTED = _expected()


@asynccontextmanager
async def pymodbustcp(_: Path) -> AsyncIterator[str]:
    """Serve with pyModbusTCP."""
    bank = DataBank(coils_size=SIZE, d_inputs_size=SIZE, h_regs_size=SIZE, i_regs_size=SIZE)
    server = ModbusServer("127.0.0.1", free_port(), no_block=True, data_bank=bank)
    for put, table in (
        (bank.set_coils, COIL), (bank.set_discrete_inputs, DISCRETE),
        (bank.set_holding_registers, HOLDING), (bank.set_input_registers, INPUT),
    ):  # fmt: skip
        put(0, MEMORY[table])
    await asyncio.to_thread(server.start)
    try:
        yield f"tcp://127.0.0.1:{server.port}"
    finally:
        await asyncio.to_thread(server.stop)


def _route(server: Any) -> None:
    @server.route(slave_ids=[1], function_codes=list(MEMORY), addresses=range(SIZE))
    def read(slave_id: int, function_code: int, address: int) -> int:  # noqa: ARG001 - uModbus names them
        return int(MEMORY[function_code][address])


@asynccontextmanager
async def umodbus_tcp(_: Path) -> AsyncIterator[str]:
    """Serve Modbus TCP with uModbus."""
    import socketserver  # noqa: PLC0415 - for this server alone

    server = umodbus.server.tcp.get_server(
        socketserver.TCPServer, ("127.0.0.1", 0), umodbus.server.tcp.RequestHandler
    )  # fmt: skip
    _route(server)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"tcp://127.0.0.1:{server.server_address[1]}"
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
        thread.join(5)


@asynccontextmanager
async def cable(folder: Path) -> AsyncIterator[tuple[Path, Path]]:
    """Lay a serial cable: two pseudo terminals, joined by socat."""
    if not shutil.which("socat"):
        pytest.skip("socat is not installed (apt-get install socat)")
    here, there = folder / "here", folder / "there"
    process = await asyncio.create_subprocess_exec(
        "socat", f"pty,raw,echo=0,link={here}", f"pty,raw,echo=0,link={there}"
    )
    try:
        async with asyncio.timeout(5):
            while not (here.exists() and there.exists()):
                await asyncio.sleep(0.01)
        yield here.resolve(), there.resolve()
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def line(path: Path) -> str:
    """Return the URL of our end of a cable."""
    return f"rtu://{path}?baud=115200&parity=N"


@asynccontextmanager
async def umodbus_rtu(folder: Path) -> AsyncIterator[str]:
    """Serve RTU with uModbus."""
    async with cable(folder) as (here, there):
        with serial.Serial(str(there), 115_200) as port:
            server = umodbus.server.serial.get_server(RTUServer, port)
            _route(server)
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            try:
                yield line(here)
            finally:
                server.shutdown()
                await asyncio.to_thread(thread.join, 5)


@asynccontextmanager
async def pymodbus_rtu(folder: Path) -> AsyncIterator[str]:
    """Serve RTU with pymodbus."""
    async with cable(folder) as (here, there):
        bits = [SimData(0, values=[bool(bit) for bit in MEMORY[table]], datatype=DataType.BITS) for table in (1, 2)]
        words = [SimData(0, values=MEMORY[table], datatype=DataType.REGISTERS) for table in (3, 4)]
        device = SimDevice(1, simdata=([bits[0]], [bits[1]], [words[0]], [words[1]]))
        server = ModbusSerialServer(device, port=str(there), baudrate=115_200)
        await server.serve_forever(background=True)
        try:
            yield line(here)
        finally:
            await server.shutdown()


@pytest.fixture(scope="session")
def c_slave(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile a slave of libmodbus."""
    if not shutil.which("gcc") or not Path("/usr/include/modbus/modbus.h").exists():
        pytest.skip("libmodbus is not installed (apt-get install gcc libmodbus-dev)")
    program = tmp_path_factory.mktemp("libmodbus") / "slave"
    subprocess.run(
        ["gcc", "-Wall", "-Wextra", "-Werror", "-I/usr/include/modbus", C_SLAVE, "-o", program, "-lmodbus"], check=True
    )
    return program


@asynccontextmanager
async def libmodbus(program: Path, kind: str, at: str) -> AsyncIterator[None]:
    """Serve with libmodbus."""
    process = await asyncio.create_subprocess_exec(
        program, kind, at, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )  # fmt: skip
    lines = [f"{table} {at} {int(value)}" for table, values in MEMORY.items() for at, value in enumerate(values)]
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n".join(lines).encode())
    process.stdin.close()
    try:
        assert await process.stdout.readline() == b"ready\n"
        yield
    finally:
        process.kill()
        await process.wait()


async def read_all(url: str, **settings: Any) -> None:
    """Read every type, twice, and compare."""
    plugin = ModbusPlugin()
    connection = plugin.open(ModbusSettings(url=url, timeout="2s", **settings))
    await connection.connect()
    group = group_of(plugin, EXPECTED)
    try:
        for _ in range(2):
            found = readings(await connection.read(group))
            for tag, (address, value) in enumerate(EXPECTED.items()):
                assert (found[tag][0].status, found[tag][0].value) == (StatusCode.GOOD, value), address
        missing = readings(await connection.read(group_of(plugin, ["holding:5000:int16"], name="missing")))
        assert missing[0][0].status == StatusCode.BAD_NODE_ID_UNKNOWN
    finally:
        await connection.aclose()


@pytest.mark.parametrize("server", [pymodbustcp, umodbus_tcp, umodbus_rtu, pymodbus_rtu])
async def test_every_type_from_python_servers(server: Callable[[Path], AbstractAsyncContextManager[str]], tmp_path):
    """Every type and word order is what the server holds, and what it does not hold is Bad."""
    async with server(tmp_path) as url:
        await read_all(url)


async def test_every_type_from_libmodbus_tcp(c_slave):
    """Every type and word order is what libmodbus holds, over Modbus TCP."""
    port = free_port()
    async with libmodbus(c_slave, "tcp", str(port)):
        await read_all(f"tcp://127.0.0.1:{port}")


async def test_every_type_from_libmodbus_rtu(c_slave, tmp_path):
    """Every type and word order is what libmodbus holds, over a serial line."""
    async with cable(tmp_path) as (here, there), libmodbus(c_slave, "rtu", str(there)):
        await read_all(line(here))


@pytest.mark.parametrize("server", [pymodbustcp, umodbus_tcp])
async def test_several_requests_in_flight(server: Callable[[Path], AbstractAsyncContextManager[str]], tmp_path):
    """A server that takes several requests at once gives the same values."""
    async with server(tmp_path) as url:
        await read_all(url, in_flight=4, max_block=8)
