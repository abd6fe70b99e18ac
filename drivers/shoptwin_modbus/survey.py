"""Charting one unit: table by table, within its share of the budget, and with an eye on units that fall silent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoptwin_modbus.charting import Answer
from shoptwin_modbus.inquiry import Said, Spent
from shoptwin_modbus.planning import Block

if TYPE_CHECKING:
    from shoptwin_modbus.address import Table
    from shoptwin_modbus.charting import Chart
    from shoptwin_modbus.findings import Findings
    from shoptwin_modbus.inquiry import Inquiry

SILENCE = 60.0
"""Seconds that one unit may cost by saying nothing to what it does not know."""
DOUBTS = 10
"""Silences in a row after which it is asked whether the unit is there at all."""
SECOND_LOOK = 20
"""Requests at the end that find out what moves."""
A_TABLE = 120
"""Requests that a table takes that was not begun yet, for the estimate."""


class _Gone(Exception):  # noqa: N818 - the end of one unit's survey
    """The unit does not answer any more, not even to what it answered before."""


class _Enough(Exception):  # noqa: N818 - the end of one table's survey
    """This table has used up its share; the text says of what."""


class Survey:
    """The survey of one unit; what it finds stands in its findings, however it ends."""

    def __init__(self, inquiry: Inquiry, findings: Findings, *, behind: int) -> None:
        """Prepare for one unit; `behind` more are waiting."""
        self._inquiry = inquiry
        self._findings = findings
        self._behind = behind
        self._known = findings.known
        self._mute = False
        self._in_a_row = 0
        self._lost = 0.0
        self._tables = len(findings.charts)
        self._chart: Chart | None = None

    @property
    def left(self) -> int:
        """About how many requests are still to come."""
        here = self._chart.left if self._chart is not None else 0
        return here + A_TABLE * (self._tables + len(self._findings.charts) * self._behind)

    async def run(self, budget: int) -> None:
        """Chart every table, then look a second time for what moves.

        Raises:
            Spent: the budget of the whole scan is used up. NotConnected: the device is lost.
        """
        end = self._inquiry.requests + budget
        try:
            for table, chart in self._findings.charts.items():
                self._chart = chart
                share = (end - self._inquiry.requests) // self._tables
                self._tables -= 1
                self._lost = 0.0
                await self._table(table, chart, self._inquiry.requests + share)
            for block in self._findings.largest_blocks(min(SECOND_LOOK, end - self._inquiry.requests)):
                if (said := await self._inquiry.ask(block, mute=self._mute)).data is not None:
                    self._findings.keep(block, said.data)
            if self._findings.mirrored():
                self._findings.notes.append("input registers show the same values as holding registers: use either")
        except _Gone:
            self._findings.notes.append(
                "it stopped answering during the scan, even to what it had answered before: "
                "give it time, then scan it again with a lower --rate"
            )

    async def _table(self, table: Table, chart: Chart, end: int) -> None:
        search, why = chart.survey(), ""
        try:
            question = next(search)
            while self._inquiry.requests < end:
                start, count = question
                question = search.send(
                    await self._answer(Block(self._findings.unit, table, start, start + count, 0, 0))
                )
            why = "its share of the budget was used up"
        except StopIteration:
            return
        except _Enough as reason:
            why = str(reason)
        except Spent:
            why = "the budget was used up"
            raise
        finally:
            search.close()
            if why:
                name = table.name.lower()
                self._findings.notes.append(
                    f"{name}: {why} with about {chart.left} places still to look at; "
                    f"--tables {name} spends all of it here, --from and --to narrow it"
                )

    async def _answer(self, block: Block) -> Answer:
        """Ask one question of the chart; silence counts as a refusal once it is known that the unit is there.

        Raises:
            _Gone: it is not. _Enough: silence has cost too much time. Spent, NotConnected: as `Inquiry.ask`.
        """
        said = await self._ask(block)
        if said.silent and (not self._mute or self._in_a_row % DOUBTS == 0):
            await self._doubt()
            if not self._mute and (said := await self._ask(block)).silent:
                self._mute = True
                self._findings.notes.append(
                    "it says nothing to what it does not know, where others refuse: each such address costs a time-out"
                )
        if said.silent:
            if self._lost > SILENCE / len(self._findings.charts):
                raise _Enough(f"{self._lost:.0f} s were spent waiting in vain")
            return Answer.REFUSED
        if said.data is None:
            return Answer.UNKNOWN if said.code == 1 else Answer.REFUSED
        self._findings.keep(block, said.data)
        return Answer.SERVED

    async def _ask(self, block: Block) -> Said:
        said = await self._inquiry.ask(block, mute=self._mute)
        if said.silent:
            self._in_a_row += 1
            self._lost += self._inquiry.patience(block.unit, mute=self._mute)
        else:
            self._known, self._in_a_row = block, 0
        return said

    async def _doubt(self) -> None:
        """Make sure that the unit is there: it must answer what it answered before.

        Raises:
            _Gone: it does not.
        """
        for _ in range(2):
            if not (await self._inquiry.ask(self._known)).silent:
                return
        raise _Gone
