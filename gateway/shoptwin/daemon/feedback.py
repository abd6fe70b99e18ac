"""Feedback: what people say of alarms, what that moves, and the ledger of it."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

from shoptwin.assess.allowance import MOST
from shoptwin.assess.regimes import described
from shoptwin.daemon import told
from shoptwin.domain.errors import ShoptwinError
from shoptwin.domain.feedback import AlarmMark, Mark, MoveKind, ThresholdMove
from shoptwin.domain.timing import iso
from shoptwin.store.feedback import (
    Occurrence,
    find_occurrence,
    load_exceedances,
    load_marks,
    load_moves,
    load_occurrences,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future
    from typing import TypeVar

    from shoptwin.daemon.gateway import Gateway
    from shoptwin.domain.feedback import Exceedance

    T = TypeVar("T")

HEALTH = "health.abnormal"
"""The one alarm whose threshold was learned; all others have limits that somebody configured."""
GROSS = math.exp(MOST)
"""The score from which an alarm is raised whatever was marked."""
_LIMITS = "no limit moves by itself: if this one is wrong, change it in the configuration"
PATIENCE = 5.0
"""Real seconds that a mark waits for the disk; it is kept in memory and written later where that is not enough."""


class Feedback:
    """Takes marks of alarms, moves thresholds by them, and tells all of it."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def mark(self, alarm: str, mark: Mark, note: str, by: str) -> dict[str, Any]:
        """Mark one occurrence: by its id, else the latest one of the alarm that is named.

        Raises:
            ShoptwinError: there is no such alarm, or it was never raised. StoreError: it cannot be kept.
        """
        gateway, now = self._gateway, self._gateway.clock.now()
        found = await self._occurrence(alarm)
        made = AlarmMark(now, found.alarm, found.occurrence, mark, by, note)
        learned = found.machine is not None and found.alarm == f"{found.machine}/{HEALTH}"
        async with gateway.worker.turn:
            seen = await self._seen(found) if learned else []
            moves = await gateway.worker.run(lambda: self._answer(made, seen))
            await _kept(gateway.record.marked(made, found.machine, moves))
            await gateway.worker.run(lambda: gateway.pipeline.assessor.allowances.take(moves))
        gateway.record.audit(now, by, f"mark-{mark.value}", found.alarm, note)
        words = [f"{found.alarm} of {iso(found.raised)} is marked {mark.value} by {by}"]
        words += [_said(move) for move in moves if move.kind is not MoveKind.WITHDRAWN] or [
            _said(move) for move in moves[-1:]
        ]
        words += _hint(mark, found, seen, moves, now) if learned or mark is not Mark.FALSE else [_LIMITS]
        return {
            "alarm": found.alarm, "occurrence": found.occurrence, "mark": mark.value, "by": by,
            "moves": [told.move(move) for move in moves], "text": "; ".join(words),
        }  # fmt: skip

    async def forget(self, machine: str, indicators: Iterable[str], kind: MoveKind, by: str) -> None:
        """Put thresholds back to what is learned; that it was learned anew is on record even where none had moved."""
        gateway, now = self._gateway, self._gateway.clock.now()
        allowances = gateway.pipeline.assessor.allowances
        async with gateway.worker.turn:
            ends = [ThresholdMove(now, machine, i, kind, by) for i in indicators]
            await _kept(gateway.record.moved(ends))
            await gateway.worker.run(lambda: allowances.take(ends))

    async def reset(self, machine: str, by: str) -> dict[str, Any]:
        """Put all thresholds of a machine back to what was learned."""
        gateway = self._gateway
        async with gateway.worker.turn:
            moved = [i for i, each in gateway.pipeline.assessor.allowances.machine(machine).items() if each.moves]
        await self.forget(machine, moved, MoveKind.RESET, by)
        what = f"back to what was learned ({', '.join(moved)})" if moved else "as learned already"
        return {"machine": machine, "indicators": moved, "text": f"the thresholds of {machine} are {what}"}

    async def ledger(self, machine: str) -> dict[str, Any]:
        """Return a machine's alarms, marks and moves, oldest first, and where its thresholds are now."""
        gateway = self._gateway
        async with gateway.worker.turn:
            regimes = await gateway.worker.run(lambda: self._regimes(machine))
        occurrences, marks, moves = await self._read(
            lambda tx: (load_occurrences(tx, machine), load_marks(tx, machine), load_moves(tx, machine))
        )
        latest = {mark.occurrence: mark for mark in marks}
        return {
            "machine": machine,
            "regimes": regimes,
            "alarms": [told.occurrence(each, latest.get(each.occurrence)) for each in occurrences],
            "marks": [told.mark(mark) for mark in marks],
            "moves": [told.move(move) for move in moves],
        }

    def _regimes(self, machine: str) -> list[dict[str, Any]]:
        return [
            {
                "indicator": indicator, "regime": described(allowance.grid.regime(cell)),
                "factor": round(factor, 4), "false_alarms": alarms,
            }
            for indicator, allowance in self._gateway.pipeline.assessor.allowances.machine(machine).items()
            if allowance.grid is not None
            for cell, (factor, alarms) in allowance.moved().items()
        ]  # fmt: skip

    async def _occurrence(self, alarm: str) -> Occurrence:
        """Return the occurrence that is meant: the latest of an alarm, or an earlier one by (the start of) its id."""
        book = self._gateway.pipeline.book
        try:
            key = book.find(alarm)
        except ShoptwinError as error:
            found = await self._read(lambda tx: find_occurrence(tx, alarm)) if alarm.isalnum() else ()
            if error.code != "unknown-alarm" or not found:
                raise
            if len(found) > 1:
                raise ShoptwinError(
                    f"{alarm} begins more than one id", "Give more of it", code="ambiguous-alarm"
                ) from None
            return found[0]
        definition, state = book[key]
        if not state.occurrence:
            hint = f"`shoptwin thresholds {definition.machine}` lists what was" if definition.machine else ""
            raise ShoptwinError(f"{key} was never raised, so there is nothing to mark", hint, code="not-raised")
        logged = await self._read(lambda tx: find_occurrence(tx, state.occurrence))
        if logged:
            return logged[0]
        over = 0 if state.annunciation.active else state.cleared_at
        return Occurrence(key, definition.machine, state.occurrence, state.raised_at, over, 0, state.value, state.text)

    async def _seen(self, found: Occurrence) -> list[Exceedance]:
        """Return why an alarm was raised, for each indicator that was behind it."""
        machine, now = str(found.machine), self._gateway.clock.now()
        until = found.cleared or now
        kept = await self._read(lambda tx: load_exceedances(tx, machine, found.before, until))
        seen = {each.indicator: each for each in kept}
        for indicator, allowance in self._gateway.pipeline.assessor.allowances.machine(machine).items():
            live = allowance.latest  # it knows how far the alarm went since it was raised
            if live is not None and found.before < live.time <= until:
                seen[indicator] = live
        moves = await self._read(lambda tx: load_moves(tx, machine))
        anew = {move.indicator: move.time for move in moves if move.kind is MoveKind.RELEARN}
        return [each for each in seen.values() if each.time > anew.get(each.indicator, 0)]

    def _answer(self, mark: AlarmMark, seen: Sequence[Exceedance]) -> tuple[ThresholdMove, ...]:
        allowances = self._gateway.pipeline.assessor.allowances
        return tuple(
            move
            for each in seen
            for move in allowances.of(each.machine, each.indicator).answer(
                mark.mark, each, mark.occurrence, mark.time, mark.by
            )
        )

    async def _read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Read the ledger without holding up the loop."""

        def job() -> T:
            with self._gateway.ledger.reader() as reader:
                found = query(reader)
            reader.close()
            return found

        return await asyncio.to_thread(job)


async def _kept(job: Future[None]) -> None:
    """Wait until something is on the disk, but not for ever: a disk that is full takes it when it can."""
    done, _ = await asyncio.wait({asyncio.wrap_future(job)}, timeout=PATIENCE)
    for written in done:
        written.result()


def _hint(
    mark: Mark, found: Occurrence, seen: Sequence[Exceedance], moves: Sequence[ThresholdMove], now: int
) -> list[str]:
    """Say what a mark does not do, and what does it."""
    if mark is Mark.MAINTENANCE_DONE and found.machine is not None:
        anew = f"shoptwin relearn {found.machine} --since {iso(now)}"
        return [f"if the work made the machine another one: {anew}", "after a new sensor: shoptwin sensor-replaced TAG"]
    if mark is not Mark.FALSE:
        return []
    if not seen:
        return ["no threshold moves: what raised it is not judged by any more, or was not kept"]
    if (worst := max(each.level for each in seen)) >= GROSS:
        beyond = f"its score of {worst:.3g} is beyond what may be allowed ({GROSS:g}), so its like is raised again"
        return [beyond, f"if the machine is another now: shoptwin relearn {found.machine}"]
    return [] if any(move.kind is MoveKind.FALSE for move in moves) else ["its threshold is above it already"]


def _said(move: ThresholdMove) -> str:
    where = f"the threshold of {move.indicator} at {described(move.regime)}"
    return f"{where} is " + (f"{move.factor:.3g} times what was learned" if move.factor > 1 else "what was learned")
