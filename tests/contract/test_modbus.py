"""The Modbus driver keeps the contract: over TCP, against pymodbus's server and one by others, and on a serial line."""

from __future__ import annotations

import asyncio
import shutil
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

import shoptwin_modbus
from shoptwin.testing import DriverContract, ModbusWatch, Site, free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

VALUES: dict[str, object] = {
    "holding:0:float32": 21.5,
    "holding:2:float32:CDAB": -0.125,
    "holding:4:int16": -2,
    "holding:5:uint16": 65535,
    "holding:6:int32:BADC": -70_000,
    "holding:8:uint64": 2**64 - 1,
    "holding:12:float64:DCBA": 1e-9,
    "holding:16:bit0": True,
    "holding:16:bit9": True,
    "holding:16:bit10": False,
    "holding:40:int64:CDAB": -(2**53) - 1,
}


def registers() -> dict[int, int]:
    """Return the registers in which VALUES stand, packed by hand."""
    words: dict[int, int] = {}

    def put(at: int, raw: bytes) -> None:
        words.update({at + i: word for i, word in enumerate(struct.unpack(f">{len(raw) // 2}H", raw))})

    def swapped(raw: bytes) -> bytes:
        return bytes(raw[i ^ 1] for i in range(len(raw)))

    def reversed_words(raw: bytes) -> bytes:
        return b"".join(raw[i : i + 2] for i in range(len(raw) - 2, -1, -2))

    put(0, struct.pack(">f", 21.5))
    put(2, reversed_words(struct.pack(">f", -0.125)))
    put(4, struct.pack(">h", -2))
    put(5, struct.pack(">H", 65535))
    put(6, swapped(struct.pack(">i", -70_000)))
    put(8, struct.pack(">Q", 2**64 - 1))
    put(12, struct.pack("<d", 1e-9))
    put(16, struct.pack(">H", 1 << 9 | 1))
    put(40, reversed_words(struct.pack(">q", -(2**53) - 1)))
    return words


def site(url: str, **more: Any) -> Site:
    """Return the site at a URL, for settings of a test."""
    return Site(
        settings={"url": url, "timeout": "500ms"},
        malformed="holdin:1:int16",
        unreachable={"url": f"tcp://127.0.0.1:{free_port()}", "timeout": "500ms"},
        **more,
    )


class Pymodbus:
    """pymodbus's own server, TCP or serial."""

    def __init__(self, server: str, **parameters: Any) -> None:
        self._kind, self._parameters, self._server = server, parameters, None

    async def start(self) -> None:
        """Serve the registers; the next ones do not exist."""
        from pymodbus import server  # noqa: PLC0415 - a test below checks what is imported
        from pymodbus.simulator import DataType, SimData, SimDevice  # noqa: PLC0415

        def block(words: Sequence[int], at: int) -> SimData:
            return SimData(at, values=list(words), datatype=DataType.REGISTERS)

        words = registers()
        held = [block([words[a] for a in range(17)], 0), block([words[a] for a in range(40, 44)], 40)]
        bits = [SimData(0, values=[0b0000_0000_0000_0101], datatype=DataType.BITS)]
        device = SimDevice(1, simdata=(bits, bits, held, [block([7], 3)]))
        self._server = getattr(server, self._kind)(device, **self._parameters)
        await self._server.serve_forever(background=True)

    async def stop(self) -> None:
        """Go away."""
        if self._server is not None:
            await self._server.shutdown()
            self._server = None


class ModbusContract(DriverContract):
    """What all of these have in common."""

    package = "shoptwin_modbus"
    protocol = ("pymodbus", "serial")

    @pytest.fixture
    def plugin(self) -> shoptwin_modbus.plugin.ModbusPlugin:  # type: ignore[override]
        """Return the driver that the entry point names."""
        return shoptwin_modbus.plugin


class TestTcp(ModbusContract):
    """Modbus TCP, pymodbus's server; the wire is watched."""

    @pytest.fixture
    async def site(self) -> AsyncIterator[Site]:  # type: ignore[override]
        """Serve all types and tables."""
        port = free_port()
        server = Pymodbus("ModbusTcpServer", address=("127.0.0.1", port))
        await server.start()
        more = {"coil:0": True, "coil:1": False, "discrete:2": True, "input:3:uint16": 7}
        async with ModbusWatch(port) as watch:

            async def stop() -> None:
                await server.stop()
                watch.cut()

            yield site(
                f"tcp://127.0.0.1:{watch.port}",
                expected=VALUES | more, missing="holding:100:float32", stop=stop, start=server.start,
                say=watch.say, stray=bytes.fromhex("fff0 0000 0005 01 03 02 0007"),
            )  # fmt: skip
            assert watch.violations == []
            assert watch.broken == 0
        await server.stop()


class TestForeignTcp(ModbusContract):
    """Modbus TCP, pyModbusTCP's server."""

    @pytest.fixture
    async def site(self) -> AsyncIterator[Site]:  # type: ignore[override]
        """Serve all types of registers."""
        foreign = pytest.importorskip("pyModbusTCP.server", reason="pyModbusTCP is not installed (pip)")
        port = free_port()
        bank = foreign.DataBank(h_regs_size=1000)
        for address, word in registers().items():
            bank.set_holding_registers(address, [word])
        server = foreign.ModbusServer("127.0.0.1", port, no_block=True, data_bank=bank)

        async def stop() -> None:
            await asyncio.to_thread(server.stop)

        async def start() -> None:
            await asyncio.to_thread(server.start)

        await start()
        yield site(
            f"tcp://127.0.0.1:{port}", expected=VALUES, missing="holding:5000:int16", stop=stop, start=start
        )  # fmt: skip
        await stop()


class TestSerial(ModbusContract):
    """Modbus RTU over a pty pair, pymodbus's server at the other end."""

    @pytest.fixture
    async def site(self, tmp_path: Path) -> AsyncIterator[Site]:  # type: ignore[override]
        """Lay a cable and put a device at its end."""
        if not shutil.which("socat"):
            pytest.skip("socat is not installed (package socat)")
        ends = [tmp_path / "here", tmp_path / "there"]
        cable = await asyncio.create_subprocess_exec("socat", *(f"pty,raw,echo=0,link={end}" for end in ends))
        async with asyncio.timeout(5):
            while not all(end.exists() for end in ends):
                await asyncio.sleep(0.01)
        here, there = (str(end.resolve()) for end in ends)
        server = Pymodbus("ModbusSerialServer", port=there, baudrate=115_200)
        await server.start()
        yield site(
            f"rtu://{here}?baud=115200&parity=N",
            expected=VALUES, missing="holding:100:float32", stop=server.stop, start=server.start,
        )  # fmt: skip
        await server.stop()
        with suppress(ProcessLookupError):
            cable.terminate()
        await cable.wait()
