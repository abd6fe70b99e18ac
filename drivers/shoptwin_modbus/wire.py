"""The only module that imports pymodbus: one connection or serial port, and one request on it at a time."""

from __future__ import annotations

import asyncio
import errno
import logging
import re
import socket
from typing import TYPE_CHECKING, Any

from pymodbus import FramerType
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusIOException
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, ReadDiscreteInputsRequest
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest

from shoptwin.sdk import NotConnected, Timeout
from shoptwin_modbus.address import Table
from shoptwin_modbus.replies import Garbled, payload

if TYPE_CHECKING:
    from shoptwin_modbus.planning import Block
    from shoptwin_modbus.target import Target, Timing

logging.getLogger("pymodbus").setLevel(logging.CRITICAL + 1)  # the runtime logs, once a transition

REQUESTS: dict[Table, type[ModbusPDU]] = {
    Table.COIL: ReadCoilsRequest,
    Table.DISCRETE: ReadDiscreteInputsRequest,
    Table.HOLDING: ReadHoldingRegistersRequest,
    Table.INPUT: ReadInputRegistersRequest,
}
"""All that is ever sent: functions 1 to 4. Nothing here can write."""

LATE = 0.05
"""Seconds of silence on a serial line, after a time-out, before the next request."""


class Reply(ModbusPDU):
    """A reply as it came, its bytes not looked at yet."""

    rtu_byte_count_pos = 2
    """Where an RTU frame says how long it is."""

    def __init__(self, function: int, data: bytes) -> None:
        super().__init__()
        self.function_code = function
        self.data = data


class Replies(DecodePDU):
    """Hands replies over undecoded: decoding a register at a time is dear, and lengths are checked by us."""

    def __init__(self) -> None:
        super().__init__(is_server=False)

    def lookupPduClass(self, data: bytes) -> type[ModbusPDU] | None:  # noqa: N802 - pymodbus's name
        """Return what tells the framer how long an RTU frame is."""
        if data[1] & 0x80:
            return ExceptionResponse
        return Reply if data[1] in {table.value for table in Table} else None

    def decode(self, frame: bytes) -> ModbusPDU:
        """Return the reply; never fails, whatever the bytes."""
        return Reply(frame[0], frame[1:])


class Wire:
    """A TCP connection or a serial port. After anything odd it is not used again before it is clean."""

    def __init__(self, target: Target, transaction: int = 0) -> None:
        self.target = target
        self.transaction = transaction
        """The last one used. A new connection goes on from there, as a gateway may hand it replies to the old one."""
        self._client: AsyncModbusTcpClient | AsyncModbusSerialClient | None = None
        self._lock = asyncio.Lock()
        self._waiting = False
        self._closed = False
        self._quiet_from = 0.0
        """When the line may be used again (loop time): frames need silence between them, a late reply needs longer."""

    async def dial(self, timing: Timing) -> None:
        """Connect, or open the port, unless that is done.

        Raises:
            NotConnected: with the cause and its cure.
        """
        async with self._lock:
            await self._ready(timing.timeout)

    async def ask(self, block: Block, timing: Timing, unlike: Block | None = None) -> bytes:  # noqa: ARG002
        """Send one request and return the bytes of its reply, checked for length.

        Raises:
            Timeout: no reply. NotConnected: the connection is lost. Refused: the device said no. Garbled: not it.
        """
        async with self._lock:
            return await self._ask(await self._ready(timing.timeout), block, timing.timeout)

    def close(self) -> None:
        """Let go of the connection; a request that waits for its reply fails."""
        self._closed = True
        self._drop()

    async def _ready(self, timeout: float) -> AsyncModbusTcpClient | AsyncModbusSerialClient:  # noqa: ASYNC109
        if self._closed:
            raise NotConnected(f"the connection to {self.target} is closed", "it is made anew")
        if self._client is None or not self._client.connected:
            self._client = await self._dial(timeout)
        if self.target.serial:
            now = asyncio.get_running_loop().time
            most = now() + 2 * timeout
            while now() < min(self._quiet_from, most):  # noqa: ASYNC110 - bytes on the line put it off
                await asyncio.sleep(min(self._quiet_from, most) - now())
        return self._client

    async def _dial(self, timeout: float) -> AsyncModbusTcpClient | AsyncModbusSerialClient:  # noqa: ASYNC109
        client = self._make(timeout)
        client.ctx.framer.decoder = Replies()
        cause: list[Exception] = []
        create = client.ctx.call_create

        async def telling() -> Any:  # noqa: ANN401 - pymodbus's pair of transport and protocol
            """Keep the cause, which pymodbus only logs."""
            try:
                return await create()
            except (OSError, ValueError) as error:
                cause.append(error)
                raise OSError(*error.args) from error

        client.ctx.call_create = telling
        try:
            connected = await client.connect()
            await asyncio.sleep(0)  # a serial port is listened to only in the loop's next turn
        except BaseException:
            client.close()
            raise
        if not connected:
            client.close()
            raise why_not(self.target, cause[0] if cause else None, timeout)
        client.ctx.next_tid = self.transaction
        return client

    def _make(self, timeout: float) -> AsyncModbusTcpClient | AsyncModbusSerialClient:
        to = self.target
        if to.serial:
            return AsyncModbusSerialClient(
                to.path, baudrate=to.baud, parity=to.parity, stopbits=to.stop, bytesize=to.bits,
                retries=0, reconnect_delay=0, timeout=timeout,
                trace_packet=self._heard, trace_connect=self._turned,
            )  # fmt: skip
        framer = FramerType.SOCKET if to.scheme == "tcp" else FramerType.RTU
        return AsyncModbusTcpClient(
            to.host, port=to.port, framer=framer, retries=0, reconnect_delay=0, timeout=timeout,
            trace_connect=self._turned,
        )  # fmt: skip

    async def _ask(
        self, client: AsyncModbusTcpClient | AsyncModbusSerialClient, block: Block, timeout: float  # noqa: ASYNC109
    ) -> bytes:  # fmt: skip
        request = REQUESTS[block.table](dev_id=block.unit, address=block.start, count=block.size)
        client.ctx.comm_params.timeout_connect = timeout
        due = asyncio.get_running_loop().time() + timeout
        self._waiting, clean = True, False
        try:
            reply = await client.execute(no_response_expected=False, request=request)
            clean = reply.dev_id == block.unit and reply.transaction_id == request.transaction_id
        except ModbusIOException as error:
            raise Timeout(
                f"unit {block.unit} at {self.target} did not answer within {timeout:g} s",
                "check the unit's number, its wiring and power, and whether it needs a longer timeout",
            ) from error
        except (ConnectionException, OSError) as error:
            raise NotConnected(f"{self.target} closed the connection", "it is made anew") from error
        finally:
            self._waiting = False
            self.transaction = client.ctx.next_tid
            if not clean:
                self._spoil(due)
        if not clean or not isinstance(reply, Reply):
            raise Garbled(f"a reply from unit {reply.dev_id} to request {reply.transaction_id}")
        try:
            return payload(block, reply.function_code, reply.data)
        except Garbled:
            if not self.target.checked:  # a late reply to another request, perhaps: ours is still to come
                self._spoil(due)
            raise

    def _spoil(self, due: float) -> None:
        """After a request without its reply: a late reply must never be taken for that to another request."""
        if not self.target.serial:
            self._drop()
        self._quiet_from = max(self._quiet_from, due + LATE)

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            self._fail(client)
            client.close()

    def _heard(self, _sending: bool, data: bytes) -> bytes:
        """Note that there are bytes on a serial line, after which it must be silent for a while."""
        self._quiet_from = max(self._quiet_from, asyncio.get_running_loop().time() + self.target.silence)
        return data

    def _turned(self, connected: bool) -> None:
        if not connected and self._client is not None:
            self._fail(self._client)

    def _fail(self, client: AsyncModbusTcpClient | AsyncModbusSerialClient) -> None:
        """Wake the request that waits: its reply cannot come any more. pymodbus would let it wait for its time-out."""
        if self._waiting and not client.ctx.response_future.done():
            client.ctx.response_future.set_exception(ConnectionResetError("closed"))


CURES: dict[int, tuple[str, str]] = {
    errno.ECONNREFUSED: ("refused the connection", "check the port (502 is usual) and that its Modbus server is on"),
    errno.EHOSTUNREACH: ("cannot be reached", "check its address, the cable and the route to its network"),
    errno.ENETUNREACH: ("cannot be reached", "this box has no route there: check its own address and gateway"),
    errno.ECONNRESET: ("broke off the connection", "it may have no free connection left: close other Modbus clients"),
    errno.ENOENT: ("does not exist", "plug the adapter in and look it up with: ls /dev/serial/by-id"),
    errno.ENODEV: ("does not exist", "plug the adapter in and look it up with: ls /dev/serial/by-id"),
    errno.EACCES: ("may not be opened", "let the daemon's user into the port's group: usermod -aG dialout shoptwin"),
    errno.EBUSY: ("is in use", "end the other program that has the port open"),
    errno.EAGAIN: ("is in use", "end the other program that has the port open"),
}


def why_not(target: Target, cause: Exception | None, timeout: float) -> NotConnected:
    """Return the error that says why a target cannot be reached, and what to do."""
    if isinstance(cause, socket.gaierror):
        return NotConnected(
            f"the name {target.host!r} is unknown", "check the spelling and the box's DNS, or write the IP"
        )
    number = cause.errno if isinstance(cause, OSError) else None
    if number is None and (found := re.search(r"\[Errno (\d+)\]", str(cause))):
        number = int(found[1])  # a name with several addresses: asyncio joins what each was refused with
    if number in CURES:
        what, cure = CURES[number]
        return NotConnected(f"{target} {what}", cure)
    if cause is None or isinstance(cause, TimeoutError):
        return NotConnected(
            f"{target} did not answer within {timeout:g} s", "check its power, its address and firewalls"
        )
    return NotConnected(f"{target} cannot be opened: {cause}", "check the url of this device")
