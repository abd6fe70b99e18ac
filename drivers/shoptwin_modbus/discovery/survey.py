"""Charting one unit: table by table, within its share of the budget, and with an eye on units that fall silent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoptwin_modbus.discovery.charting import Answer
from shoptwin_modbus.planning import Block

if TYPE_CHECKING:
    from shoptwin_modbus.addresses.address import Table
    from shoptwin_modbus.discovery.charting import Chart, Question
    from shoptwin_modbus.discovery.findings import Findings
    from shoptwin_modbus.discovery.inquiry import Inquiry, Said

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


class _Search:
    """The search of one table, which can be left and gone on with."""

    def __init__(self, table: Table, chart: Chart) -> None:
        self.table = table
        self.chart = chart
        self.begun = False
        self._asking = chart.survey()
        self.question: Question | None = next(self._asking, None)
        """What to ask next; None at the end."""

    def tell(self, answer: Answer) -> None:
        """Go on with an answer."""
        try:
            self.question = self._asking.send(answer)
        except StopIteration:
            self.question = None


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
        self._lost: dict[Table, float] = {}
        self.complete = True
        """Whether every table was charted to its end."""
        self._tables = len(findings.charts)
        self._chart: Chart | None = None

    @property
    def left(self) -> int:
        """About how many requests are still to come."""
        here = self._chart.left if self._chart is not None else 0
        return here + A_TABLE * (self._tables + len(self._findings.charts) * self._behind)

    async def run(self, budget: int) -> None:
        """Chart every table, then look a second time for what moves.

        Tables share the budget; what one leaves over goes to those that could not be ended with their share.

        Raises:
            Spent: the budget of the whole scan is used up. NotConnected: the device is lost.
        """
        end = self._inquiry.requests + budget
        pending = [_Search(table, chart) for table, chart in self._findings.charts.items()]
        try:
            while pending and self._inquiry.requests < end:
                for n, search in enumerate(pending):
                    self._chart, self._tables = search.chart, sum(not s.begun for s in pending[n + 1 :])
                    await self._go(search, (end - self._inquiry.requests) // (len(pending) - n))
                pending = [search for search in pending if search.question is not None]
            for block in self._findings.largest_blocks(min(SECOND_LOOK, end - self._inquiry.requests)):
                if (said := await self._inquiry.ask(block, mute=self._mute)).data is not None:
                    self._findings.keep(block, said.data)
            if self._findings.mirrored():
                self._findings.notes.append("input registers show the same values as holding registers: use either")
        except _Gone:
            pending.clear()
            self._findings.notes.append(
                "it stopped answering during the scan, even to what it had answered before: "
                "give it time, then scan it again with a lower --rate"
            )
        finally:
            for search in pending:
                if search.question is not None:
                    self._cut(search, "the budget was used up")

    async def _go(self, search: _Search, requests: int) -> None:
        """Go on with one table for as many requests."""
        end = self._inquiry.requests + requests
        search.begun = True
        while search.question is not None and self._inquiry.requests < end:
            start, count = search.question
            try:
                answer = await self._answer(Block(self._findings.unit, search.table, start, start + count, 0, 0))
            except _Enough as enough:
                self._cut(search, str(enough))
                search.question = None
                return
            search.tell(answer)

    def _cut(self, search: _Search, why: str) -> None:
        self.complete = False
        name = search.table.name.lower()
        self._findings.notes.append(
            f"{name}: {why} with about {search.chart.left} places still to look at; "
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
            if (lost := self._lost.get(block.table, 0.0)) > SILENCE / len(self._findings.charts):
                raise _Enough(f"{lost:.0f} s were spent waiting in vain")
            return Answer.REFUSED
        if said.data is None:
            return Answer.UNKNOWN if said.code == 1 else Answer.REFUSED
        self._findings.keep(block, said.data)
        return Answer.SERVED

    async def _ask(self, block: Block) -> Said:
        said = await self._inquiry.ask(block, mute=self._mute)
        if said.silent:
            self._in_a_row += 1
            waited = self._inquiry.patience(block.unit, mute=self._mute)
            self._lost[block.table] = self._lost.get(block.table, 0.0) + waited
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
