"""Modbus TCP, and Modbus RTU on a pseudo terminal, by pymodbus. Reading only: every write is refused."""

from __future__ import annotations

import asyncio
import logging
import os
import tty
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from pymodbus.constants import ExcCodes
from pymodbus.pdu.device import ModbusDeviceIdentification
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from shoptwin.sdk import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from shoptwin_plant.registers import Registers

HOST = "127.0.0.1"
ANY_UNIT = 0
"""pymodbus: this device answers whatever unit is asked."""


def _device(registers: Registers) -> SimDevice:
    """Return the registers as pymodbus wants them; what lies between the machines does not exist."""

    async def answer(  # noqa: PLR0917 - pymodbus calls it so
        function: int, first: int, start: int, count: int, current: list[int], written: list[int] | list[bool] | None
    ) -> ExcCodes | None:
        if written is not None:
            return ExcCodes.ILLEGAL_FUNCTION
        if function in {3, 4}:
            current[start - first : start - first + count] = registers.read(start, count)
        return None

    blocks = [
        SimData(start, count=count, values=0, datatype=DataType.REGISTERS, readonly=True)
        for start, count in registers.blocks
    ]
    return SimDevice(ANY_UNIT, blocks, action=answer)


def _identity() -> ModbusDeviceIdentification:
    """Return what function 43/14 answers."""
    return ModbusDeviceIdentification(  # type: ignore[no-untyped-call]
        info_name={
            "VendorName": "Shoptwin",
            "ProductCode": "PRACTICE",
            "MajorMinorRevision": "1.0",
            "ProductName": "Practice plant",
        }
    )


@asynccontextmanager
async def modbus_tcp(registers: Registers, port: int) -> AsyncIterator[int]:
    """Serve the registers over Modbus TCP; yields the port.

    Raises:
        ConfigError: the port is taken or not allowed.
    """
    logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)
    server = ModbusTcpServer(_device(registers), address=(HOST, port), identity=_identity())
    if not await server.listen():
        raise ConfigError(f"Modbus port {port} cannot be used", "Choose another, or 0 for any free one", code="plant")
    try:
        yield server.transport.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]


@asynccontextmanager
async def modbus_rtu(registers: Registers) -> AsyncIterator[str]:
    """Serve the registers over Modbus RTU; yields the path of the pseudo terminal that a master opens.

    pymodbus opens a terminal by path, and so does the master: two pairs are joined back to back, as a cable does.
    """
    pairs = [os.openpty(), os.openpty()]
    for _, far in pairs:
        tty.setraw(far)
    for near, _ in pairs:
        os.set_blocking(near, False)
    (ours, our_end), (theirs, their_end) = pairs
    loop = asyncio.get_running_loop()
    loop.add_reader(ours, _pump, ours, theirs)
    loop.add_reader(theirs, _pump, theirs, ours)
    server = ModbusSerialServer(_device(registers), port=os.ttyname(our_end), baudrate=115_200, identity=_identity())
    try:
        if not await server.listen():
            raise ConfigError("the pseudo terminal for Modbus RTU cannot be opened", code="plant")
        yield os.ttyname(their_end)
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]
        for near, far in pairs:
            loop.remove_reader(near)
            os.close(near)
            os.close(far)


def _pump(source: int, target: int) -> None:
    """Pass on what has come; a frame that finds no room is lost, as on a line."""
    with suppress(OSError):
        os.write(target, os.read(source, 4096))
