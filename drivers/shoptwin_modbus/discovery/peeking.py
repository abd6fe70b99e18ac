"""`shoptwin peek`: one address and what is around it, read again and again, and weighed."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from shoptwin.sdk import BadAddress, Candidate, NotConnected, PeekCell, PeekView, Timeout, Verdict
from shoptwin_modbus.addresses.address import LAST, TABLES, Table, parse_address
from shoptwin_modbus.addresses.manuals import written
from shoptwin_modbus.discovery.findings import unpack
from shoptwin_modbus.discovery.plausible import Reading, weigh
from shoptwin_modbus.planning import Block, Reach
from shoptwin_modbus.wire.causes import no_modbus
from shoptwin_modbus.wire.replies import ELSEWHERE, Garbled, Refused

if TYPE_CHECKING:
    from shoptwin_modbus.target import ModbusSettings
    from shoptwin_modbus.wire.wire import Wire

AHEAD = (16, 12, 10, 8, 6, 4, 3, 2, 1)
"""Registers that are read from the address on: the first of these that the device serves."""
BEFORE = (4, 2, 1)
"""And in front of it."""
FEW = 2
"""Registers that are tried yet where more of them met silence."""
WORDS = {
    1: "the device does not know this table", 2: "the device has no such address",
    3: "the device has no such address", 4: "the device reports a failure of its own",
    10: "the gateway finds no way to it", 11: "the unit behind the gateway does not answer",
}  # fmt: skip
"""Refusals in words."""
GAP = 0.1
"""Seconds between two requests at least: as many as a scan sends by default, which old devices bear."""
REMEMBERED = 120
"""Readings that are weighed, the latest."""
BETTER = 12
"""Readings from which on the behaviour says something."""


class ModbusPeeker:
    """Looks at one address."""

    def __init__(self, settings: ModbusSettings, address: str) -> None:
        """Prepare to look at an address; its type, if it has one, is taken for a guess.

        Raises:
            BadAddress: it cannot be understood.
        """
        self._settings = settings
        self._table, self._start, unit, self._asked = _place(address)
        self._unit = settings.unit if unit is None else unit
        self._place = f"{self._table.name.lower()}:{self._start}"
        self._suffix = "" if self._unit == settings.unit else f"@{self._unit}"
        self._wire: Wire | None = None
        self._block: Block | None = None
        self._front: Block | None = None
        self._history: deque[tuple[int, ...]] = deque(maxlen=REMEMBERED)
        self._first: dict[int, int] = {}
        self._changed: set[int] = set()
        self._readings = 0
        self._next = 0.0

    async def connect(self) -> None:
        """Reach the device, and find out how much around the address can be read.

        Raises:
            NotConnected, Timeout: it is not there, or is no Modbus device. BadAddress: nothing can be read at the
                address.
        """
        from shoptwin_modbus.wire.wire import Wire  # noqa: PLC0415 - brings pymodbus, which importing must not

        self._wire = Wire(self._settings.target)
        await self._wire.dial(self._settings.timing)
        refusal = await self._reach()
        if self._block is None:
            why = WORDS.get(refusal.code, str(refusal)) if refusal else "`avoid` covers it"
            raise BadAddress(f"{self._place}{self._suffix} cannot be read: {why}", self._cure(refusal))
        await self._look_back()

    def _cure(self, refusal: Refused | None) -> str:
        """Return what to try where an address cannot be read."""
        if refusal is None:
            return "ask for another one, or take it out of `avoid`"
        if refusal.code in ELSEWHERE:
            asked = f"unit {self._unit} was asked: name the one that is meant ({self._place}@7)"
            return f"{asked}; those that answer are found with: shoptwin scan"
        if meant := written(self._start, self._table.name.lower()):
            return f"addresses count from 0: where a manual writes {self._start}, try {meant}"
        return (
            "addresses count from 0 (a manual's 40101 is holding:100); those that can be read are found with: "
            "shoptwin scan"
        )

    async def _reach(self) -> Refused | None:
        """Find the largest block from the address on that is served; return the last refusal.

        Raises:
            Timeout: nobody answers. NotConnected: what answers does not speak Modbus.
        """
        refusal: Refused | None = None
        silence: Timeout | None = None
        garbled = False
        for count in AHEAD:
            block = self._span(self._start, count)
            if block is None or (silence is not None and count > FEW):
                continue
            try:
                await self._ask(block)
            except Refused as error:
                refusal = error
            except Timeout as error:  # a device may say nothing to what it does not know
                silence = error
            except Garbled:
                garbled = True
            else:
                self._block = block
                break
        if self._block is None and refusal is None:
            if garbled:
                raise no_modbus(self._settings.target)
            if silence is not None:
                raise silence
        return refusal

    async def _look_back(self) -> None:
        """Find the largest block in front of the address that is served."""
        for count in BEFORE:
            front = self._span(self._start - count, count)
            try:
                if front is not None:
                    await self._ask(front)
                    self._front = front
                    break
            except (Refused, Garbled, Timeout):
                continue

    def _span(self, start: int, count: int) -> Block | None:
        """Return a block, None where it does not exist or must not be touched."""
        if start < 0 or start + count - 1 > LAST:
            return None
        block = Block(self._unit, self._table, start, start + count, 0, 0)
        return block if Reach(avoid=self._settings.avoided).permits(block) else None

    async def _ask(self, block: Block) -> tuple[int, ...]:
        if self._wire is None:
            raise NotConnected("it is not connected", "connect first")
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(max(0.0, self._next - clock()))
        self._next = clock() + GAP
        return unpack(block, await self._wire.ask(block, self._settings.timing))

    async def look(self) -> PeekView:
        """Read once more, and weigh all readings so far.

        The registers from the address on come by one request, so that a value is never put together from two moments.

        Raises:
            NotConnected, Timeout: there was no proper reply; the next call tries again.
        """
        if self._block is None:
            raise NotConnected("it is not connected", "connect first")
        try:
            values = await self._ask(self._block)
            front = await self._ask(self._front) if self._front is not None else ()
        except Refused as refusal:
            raise Timeout(f"the device refused it this time ({refusal})", "it is asked again") from refusal
        except Garbled as garbled:
            raise Timeout("the reply could not be used", "it is asked again") from garbled
        self._readings += 1
        self._history.append(values)
        cells = dict(zip(range(self._start - len(front), self._block.stop), (*front, *values), strict=True))
        for address, value in cells.items():
            if self._first.setdefault(address, value) != value:
                self._changed.add(address)
        candidates = self._candidates()
        return PeekView(
            address=self._place + self._suffix, bits=self._table.bits, readings=self._readings,
            cells=tuple(
                PeekCell(address, value, address in self._changed, address == self._start)
                for address, value in cells.items()
            ),
            candidates=candidates, note=self._note(candidates),
        )  # fmt: skip

    def _candidates(self) -> tuple[Candidate, ...]:
        if self._table.bits:
            changed = self._start in self._changed
            reason = "it has changed" if changed else "does not change"
            value = f"{self._history[-1][0]}"
            return (Candidate(self._place + self._suffix, value, Verdict.LIKELY, reason),)
        return tuple(self._candidate(reading) for reading in weigh(np.array(self._history, np.uint16), self._asked))

    def _candidate(self, reading: Reading) -> Candidate:
        same = tuple(self._typed(suffix) for suffix in reading.same)
        return Candidate(self._typed(reading.suffix), _written(reading.value), reading.verdict, reading.reason, same)

    def _typed(self, suffix: str) -> str:
        return f"{self._place}:{suffix}{self._suffix}"

    def _note(self, candidates: tuple[Candidate, ...]) -> str:
        if self._table.bits:
            return ""
        if candidates[0].value.startswith('"'):
            return ""  # a text says itself what it is
        if self._readings == 1:
            return "one reading tells no type: read it again and again, while the machine does something"
        if not self._changed & set(range(self._start, self._start + 4)):
            return "nothing has changed here so far: let the machine do something, for only change tells types apart"
        if self._readings < BETTER:
            return f"after {BETTER} readings this is more certain"
        return ""

    async def aclose(self) -> None:
        """Let go of the connection; never raises."""
        if self._wire is not None:
            self._wire.close()


def _written(value: float | str) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    return str(value) if isinstance(value, int) else f"{value:.7g}"


def _place(text: str) -> tuple[Table, int, int | None, str]:
    """Return table, address, unit and type of an address with or without a type."""
    body, at, unit = text.partition("@")
    parts = body.split(":")
    table = TABLES.get(parts[0].strip().lower())
    if len(parts) == 2 and not (table is not None and table.bits):  # noqa: PLR2004 - table and address
        address = parse_address(f"{body}:uint16{at}{unit}")
        return address.table, address.start, address.unit, ""
    address = parse_address(text)
    return address.table, address.start, address.unit, ":".join(str(replace(address, unit=None)).split(":")[2:])
