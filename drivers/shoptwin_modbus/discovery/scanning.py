"""`shoptwin scan modbus`: which units answer, what they are, and which addresses they serve. It only reads."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from shoptwin.sdk import BadWish, NotConnected, ScanReport
from shoptwin_modbus.addresses.address import LAST, LAST_UNIT, TABLES, Table
from shoptwin_modbus.discovery.charting import Chart
from shoptwin_modbus.discovery.findings import Findings, named
from shoptwin_modbus.discovery.inquiry import Inquiry, Spent
from shoptwin_modbus.discovery.survey import Survey
from shoptwin_modbus.planning import Block
from shoptwin_modbus.target import BAUDS, PARITIES
from shoptwin_modbus.wire.causes import no_modbus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shoptwin.sdk import ScanWish
    from shoptwin_modbus.target import ModbusSettings, Target
    from shoptwin_modbus.wire.wire import Wire

DIRECT = (1, 255, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10)
"""Units that are asked for over TCP: 1, 255 and 0 are what devices with their own network plug go by."""
ON_A_LINE = range(1, 248)
"""Every unit that a serial line can have."""
STRANGERS = (213, 178, 247)
"""Units that hardly anyone has: a device that answers for one of them answers for any."""
ORDER = (Table.HOLDING, Table.INPUT, Table.COIL, Table.DISCRETE)
NARROWED = "look at other addresses with --from and --to, or at other tables with --tables"
AGAIN = 20.0
"""Seconds that asking silent units once more, in another way, may take."""


class Scan:
    """One scan, from the first request to the report."""

    def __init__(self, settings: ModbusSettings, wish: ScanWish, tell: Callable[[ScanReport], None]) -> None:
        self._settings = settings
        self._wish = wish
        self._tell = tell
        self._target = settings.target
        self._tables = _tables(wish.tables)
        self._units = wish.units or (DIRECT if self._target.checked else ON_A_LINE)
        self._last = LAST if wish.last is None else wish.last
        self._found: list[Findings] = []
        self._notes: list[str] = []
        self._left = 0.0
        self._clock = asyncio.get_running_loop().time
        self._began = self._clock()
        self._requests = 0
        self._settings_left = 0
        self._survey: Survey | None = None
        self._complete = True
        self._garbled = False

    async def run(self) -> ScanReport:
        """Scan.

        Raises:
            NotConnected: the URL leads nowhere. BadWish: what is wished for cannot be there.
        """
        from shoptwin_modbus.wire.wire import Wire  # noqa: PLC0415 - brings pymodbus, which importing must not

        targets = self._targets()
        self._check_avoided()
        for n, self._target in enumerate(targets):
            self._settings_left = len(targets) - n - 1
            wire = Wire(self._target)
            try:
                await self._on(wire)
            except Spent:
                self._complete = False
            except NotConnected as error:
                if not self._settings_left and not self._found:
                    raise
                # Lost after it was found; or one rate of several, which this port cannot do.
                self._notes.append(f"{error.message}: {error.hint}")
                self._complete &= not self._found
            finally:
                wire.close()
            if self._found or not self._complete:
                break
        if not self._complete:
            self._notes.append(
                f"not all could be looked at, with {self._requests} of {self._wish.budget} requests: narrow the scan "
                "with --units, --tables, --from and --to, or give it more with --budget"
            )
        if not self._found:
            self._notes.append(str(no_modbus(self._target)) if self._garbled else self._cures())
        return self._report("", finished=self._complete)

    def _cures(self) -> str:
        if self._target.checked:
            return (
                f"{self._target} takes connections, but none of the units asked answers: name others with --units "
                "(behind a gateway 1-247), wait longer with --timeout 3s, and check that nothing else is on this port"
            )
        return (
            "no unit answers: check power, A and B (swapped?), ground and termination; that no other master is on the "
            "line; the units with --units, the rate with --baud 9600,19200,38400 and --parity N,E, and a longer "
            "--timeout"
        )

    def _targets(self) -> list[Target]:
        wish = self._wish
        units = range(LAST_UNIT + 1) if self._target.checked else ON_A_LINE
        if beyond := [unit for unit in wish.units if unit not in units]:
            where = f"over {self._target.scheme.upper()}" if self._target.checked else "on a serial line"
            raise BadWish(
                f"there is no unit {beyond[0]} {where}: units there are {units[0]} to {units[-1]}",
                "name some of these with --units",
            )
        if (wish.bauds or wish.parities) and not self._target.serial:
            raise BadWish(
                f"{self._target} has no baud rate and no parity here",
                "leave out --baud and --parity: they are for rtu:// alone; a converter has its own setting",
            )
        _check_line(wish)
        bauds, parities = wish.bauds or (self._target.baud,), wish.parities or (self._target.parity,)
        return [replace(self._target, baud=baud, parity=parity) for baud in bauds for parity in parities]

    async def _on(self, wire: Wire) -> None:
        timing = self._settings.timing
        inquiry = Inquiry(
            wire, timing, rate=self._wish.rate, budget=self._wish.budget, requests=self._requests
        )  # fmt: skip
        inquiry.doing = lambda what: self._hear(inquiry, what)
        try:
            await wire.dial(timing)
            units = await self._seek(inquiry)
            for n, unit in enumerate(units):
                await self._study(inquiry, unit, len(units) - n)
        finally:
            self._requests = inquiry.requests
            self._garbled |= wire.counters.garbled > 0

    def _hear(self, inquiry: Inquiry, what: str) -> None:
        self._requests = inquiry.requests
        where = f"{self._target.baud} baud {self._target.parity}, " if self._wish.bauds or self._wish.parities else ""
        self._tell(self._report(where + what, finished=False))

    def _report(self, doing: str, *, finished: bool) -> ScanReport:
        left = self._left
        if self._survey is not None:
            left = min(self._survey.left, self._wish.budget - self._requests) / self._wish.rate
        return ScanReport(
            url=self._url(), doing=doing, requests=self._requests, budget=self._wish.budget,
            elapsed=self._clock() - self._began, left=left if doing else 0.0,
            units=tuple(findings.told() for findings in self._found), notes=tuple(self._notes), finished=finished,
        )  # fmt: skip

    def _url(self) -> str:
        to = self._target
        if not (self._wish.bauds or self._wish.parities):
            return self._settings.url
        return f"rtu://{to.path}?baud={to.baud}&parity={to.parity}&stop={to.stop}" + ("&bits=7" if to.bits == 7 else "")  # noqa: PLR2004

    async def _seek(self, inquiry: Inquiry) -> list[int]:
        """Return the units that answer. Any answer counts, but for a gateway's that nobody is there."""
        units = self._units
        each = max(1 / self._wish.rate, inquiry.timing.timeout)
        kinds: dict[int, int | None] = {}
        questions = {unit: self._questions(unit) for unit in units}
        for again in (False, True):
            silent = [unit for unit in units if unit not in kinds and len(questions[unit]) > again]
            if again and len(silent) * each > AGAIN:
                break
            for n, unit in enumerate(silent):
                self._left = (len(silent) - n + len(units) * self._settings_left) * each
                block = questions[unit][again]
                if not (said := await inquiry.ask(block, brief=True)).silent:
                    kinds[unit] = said.kind
                    self._found.append(Findings(block))
        if self._target.checked and len(kinds) > 1:
            await self._tell_apart(inquiry, kinds)
        self._found.sort(key=lambda findings: units.index(findings.unit))
        return [findings.unit for findings in self._found]

    def _check_avoided(self) -> None:
        """Tell which units cannot be asked for anything.

        Raises:
            DriverError: none can.
        """
        barred = [unit for unit in self._units if not self._questions(unit)]
        if len(barred) == len(self._units):
            raise BadWish("`avoid` leaves nothing to ask for", NARROWED)
        if barred:
            self._notes.append(f"`avoid` leaves nothing to ask {_listed(barred)} for: {NARROWED}")

    def _questions(self, unit: int) -> list[Block]:
        """Return what a unit may be asked to find out whether it is there: the lowest address of each table's window.

        A table in which nothing may be asked for is left out.
        """
        found = []
        for table in self._tables:
            start = self._wish.first or 0
            for span in self._settings.avoided:
                if (span.unit, span.table) == (unit, table) and span.start <= start:
                    start = max(start, span.stop)
            if start <= self._last:
                found.append(Block(unit, table, start, start + 1, 0, 0))
        return found

    async def _tell_apart(self, inquiry: Inquiry, kinds: dict[int, int | None]) -> None:
        """Leave one unit of a device that answers whatever the number: as it does for one that hardly anyone has."""
        stranger = next((unit for unit in STRANGERS if unit not in kinds and self._questions(unit)), None)
        if stranger is None:
            return
        said = await inquiry.ask(self._questions(stranger)[0], brief=True)
        alike = [unit for unit, kind in kinds.items() if not said.silent and kind == said.kind]
        if len(alike) < 2:  # noqa: PLR2004 - one alone cannot be mistaken for another
            return
        if said.data is None and len(alike) < len(kinds):
            gone, what = alike, f"refused like any number (exception {said.code}): most likely nobody is there"
        else:
            gone, what = alike[1:], f"answered like {alike[0]}, as any number is: the device does not look at it"
        self._found = [findings for findings in self._found if findings.unit not in gone]
        self._notes.append(f"{_listed(gone)} {what}; to look at one all the same: --units {gone[0]}")

    async def _study(self, inquiry: Inquiry, unit: int, units: int) -> None:
        """Find out what a unit is and what it serves, with its share of the budget."""
        findings = next(found for found in self._found if found.unit == unit)
        findings.identity = named(await inquiry.identify(unit))
        wish = self._wish
        for table in self._tables:
            avoid = [(s.start, s.stop) for s in self._settings.avoided if (s.unit, s.table) == (unit, table)]
            findings.charts[table] = Chart(
                bits=table.bits, most=self._settings.max_bits if table.bits else self._settings.max_block,
                first=wish.first or 0, last=self._last, avoid=avoid,
            )  # fmt: skip
        self._survey = Survey(inquiry, findings, behind=units - 1)
        await self._survey.run(inquiry.left // units)
        self._complete &= self._survey.complete


def _check_line(wish: ScanWish) -> None:
    """Refuse rates and parities that no serial line has, before a port is opened with them."""
    if beyond := [baud for baud in wish.bauds if baud not in BAUDS]:
        raise BadWish(f"no serial line has {beyond[0]} baud", "write --baud 9600,19200,38400")
    if unknown := [parity for parity in wish.parities if parity not in PARITIES]:
        raise BadWish(f"{unknown[0]!r} is no parity", "write --parity N,E,O: none, even, odd")


def _tables(names: Sequence[str]) -> tuple[Table, ...]:
    if unknown := [name for name in names if name.lower() not in TABLES]:
        raise BadWish(f"{unknown[0]!r} is no table of a Modbus device", f"known are {', '.join(TABLES)}")
    wanted = {TABLES[name.lower()] for name in names}
    return tuple(table for table in ORDER if table in wanted or not wanted)


def _listed(units: Sequence[int]) -> str:
    """Write units for people: `units 0, 2-10 and 255`."""
    runs: list[list[int]] = []
    for unit in sorted(units):
        if runs and unit == runs[-1][-1] + 1:
            runs[-1].append(unit)
        else:
            runs.append([unit])
    words = [f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs]
    text = f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]
    return f"units {text}" if len(units) > 1 else f"unit {text}"
