"""The daemon behind its doors: what `status`, `ack`, `maintenance` and the others ask for."""

from __future__ import annotations

import asyncio
import difflib
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from shoptwin import __version__
from shoptwin.assess.progress import end_of
from shoptwin.daemon import told
from shoptwin.daemon.feedback import Feedback
from shoptwin.domain import quality
from shoptwin.domain.alarm import Action, Annunciation, Command, Priority
from shoptwin.domain.batch import Waveform
from shoptwin.domain.errors import ShoptwinError
from shoptwin.domain.feedback import Mark, MoveKind
from shoptwin.domain.timing import SECOND, format_duration, iso

if TYPE_CHECKING:
    from shoptwin.daemon.gateway import Gateway
    from shoptwin.domain.machine import Machine


MOST_SAMPLES = 200_000
"""Samples that one request may ask for: some 30 MB while it is answered."""


class Door:
    """Implements `serve.Control` on a running gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._feedback = Feedback(gateway)

    def status(self) -> dict[str, Any]:
        """Return how the gateway, its devices and its machines are."""
        gateway, now = self._gateway, self._gateway.clock.now()
        book = gateway.pipeline.book
        standing = [definition for definition, _ in book.standing()]
        alarms = Counter(definition.machine for definition in standing)
        publisher = gateway.publisher
        return {
            "version": __version__,
            "site": gateway.config.gateway.site,
            "gateway": gateway.config.gateway.name,
            "started": iso(gateway.started),
            "timezone": gateway.config.gateway.timezone,
            "now": iso(now),
            "clock_rate": gateway.clock.rate,
            "clock": told.clock(gateway.clock),
            "uptime": format_duration(now - gateway.started),
            "devices": [task.report() for task in gateway.devices.values()],
            "machines": [self._machine(machine, now, alarms[machine.name]) for machine in gateway.config.machines],
            "alarms": {p.value: sum(d.priority is p for d in standing) for p in Priority},
            "outbox": {
                **asdict(gateway.caretaker.outbox),
                **({} if publisher is None else asdict(publisher.status())),
            },
            "store": gateway.samples.stats() | {"verified": gateway.caretaker.verifier.report},
            "degraded": gateway.caretaker.degraded(),
        }

    def alarms(self, *, active: bool) -> list[dict[str, Any]]:
        """Return the alarms that stand, or every alarm that there is."""
        book = self._gateway.pipeline.book
        found = book.standing() if active else tuple(book[key] for key in book.definitions)
        return [told.alarm(definition, state) for definition, state in found]

    def tags(self) -> list[dict[str, Any]]:
        """Return every tag with its value, quality and age."""
        now = self._gateway.clock.now()
        return [self._tag(index, now) for index, _ in self._gateway.table]

    async def acknowledge(self, alarm: str, by: str) -> dict[str, Any]:
        """Acknowledge an alarm, named by its key, its occurrence or an unambiguous id."""
        pipeline = self._gateway.pipeline
        key = pipeline.book.find(alarm)
        _, state = pipeline.book[key]
        if state.suppressed_by:
            hint = "It is announced again when that is over, if it still stands"
            raise ShoptwinError(f"{key} is suppressed ({state.suppressed_by})", hint, code="not-standing")
        if state.annunciation is Annunciation.NORMAL:
            raise ShoptwinError(f"{key} does not stand", "`shoptwin alarms` lists those that do", code="not-standing")
        # Who was first stays on record: nobody takes it over from them.
        already = state.annunciation is Annunciation.ACKNOWLEDGED
        if not already:
            pipeline.inform(Command(key, Action.ACKNOWLEDGE, by))
            self._audit(by, "acknowledge", key)
        return told.alarm(*pipeline.book[key]) | {"already": already}

    async def mark(self, alarm: str, mark: str, note: str, by: str) -> dict[str, Any]:
        """Put on record what somebody found of an alarm, and move thresholds accordingly."""
        return await self._feedback.mark(alarm, Mark(mark), note, by)

    async def thresholds(self, machine: str) -> dict[str, Any]:
        """Return the ledger of a machine's alarms, marks and threshold moves."""
        self._known(machine)
        return await self._feedback.ledger(machine)

    async def reset_thresholds(self, machine: str, by: str) -> dict[str, Any]:
        """Put all thresholds of a machine back to what was learned."""
        self._known(machine)
        self._audit(by, "reset-thresholds", machine)
        return await self._feedback.reset(machine, by)

    async def maintenance(self, machine: str, seconds: int, reason: str, by: str) -> dict[str, Any]:
        """Begin the maintenance of a machine, or end it where `seconds` is 0."""
        pipeline, now = self._gateway.pipeline, self._gateway.clock.now()
        change = (
            pipeline.maintenance.begin(machine, now + seconds * SECOND, reason, by, now)
            if seconds
            else pipeline.maintenance.end(machine, by, now)
        )
        pipeline.maintain(change)
        return {"machine": machine, "what": change.kind.value, "text": change.text}

    async def sensor_replaced(self, tag: str, by: str) -> dict[str, Any]:
        """Learn anew what is normal for one tag."""
        gateway, index = self._gateway, self._find(tag)
        found, assessor = gateway.table[index], gateway.pipeline.assessor
        async with gateway.worker.turn:
            machine, indicator = await gateway.worker.run(lambda: assessor.sensor_replaced(index, gateway.clock.now()))
        self._audit(by, "sensor-replaced", found.id, indicator)
        await self._feedback.forget(machine, (indicator,), MoveKind.RELEARN, by)
        text = f"what is normal for {machine} ({indicator}) is learned anew; all else stays as it is"
        return {"tag": found.id, "machine": machine, "indicator": indicator, "text": text}

    async def relearn(self, machine: str, since: int, by: str) -> dict[str, Any]:
        """Learn anew what is normal for a machine."""
        gateway, assessor = self._gateway, self._gateway.pipeline.assessor
        self._known(machine)
        now = gateway.clock.now()
        start = since or now
        if start > now:
            hint = "From a time that has been, or from now on: leave --since out"
            raise ShoptwinError(f"{iso(start)} is still to come", hint, code="bad-request")
        async with gateway.worker.turn:
            indicators = await gateway.worker.run(lambda: assessor.relearn(machine, start))
        self._audit(by, "relearn", machine, iso(start))
        await self._feedback.forget(machine, indicators, MoveKind.RELEARN, by)
        learning = next(m.learning for m in gateway.config.machines if m.name == machine)
        when = f"from {iso(start)} to {iso(end_of(learning, start))}"
        text = f"what is normal for {machine} ({', '.join(indicators)}) is learned anew, {when}"
        text += "".join(f"; but {s.problem}" for s in assessor.learning(machine, now) if s.problem)
        return {"machine": machine, "indicators": list(indicators), "since": iso(start), "text": text}

    async def learned(self, machine: str) -> list[dict[str, Any]]:
        """Return what was learned of a machine and is on disk."""
        gateway, assessor = self._gateway, self._gateway.pipeline.assessor
        self._known(machine)
        async with gateway.worker.turn:
            found = await gateway.worker.run(lambda: assessor.versions(machine))
        return [
            asdict(each)
            | {name: iso(at) if (at := getattr(each, name)) else None for name in ("learned_from", "learned_until")}
            for each in found
        ]

    async def roll_back(self, machine: str, indicator: str, version: str, by: str) -> dict[str, Any]:
        """Judge a machine by another version of what was learned."""
        gateway, assessor = self._gateway, self._gateway.pipeline.assessor
        self._known(machine)
        async with gateway.worker.turn:
            used = await gateway.worker.run(lambda: assessor.roll_back(machine, indicator, version))
        self._audit(by, "rollback", machine, f"{indicator} {used}")
        text = f"{machine} ({indicator}) is judged by version {used}; shoptwin relearn {machine} learns it anew"
        return {"machine": machine, "indicator": indicator, "version": used, "text": text}

    async def test_alarm(self, machine: str, by: str) -> dict[str, Any]:
        """Send an alarm that is marked as a test."""
        pipeline = self._gateway.pipeline
        self._known(machine)
        key = f"{machine}/health.abnormal"
        pipeline.inform(Command(key, Action.TEST, by, "loop check"))
        self._audit(by, "test-alarm", key)
        return {"machine": machine, "text": f"a test of {key} is on its way to the broker"}

    async def reload(self) -> dict[str, Any]:
        """Read the configuration again; where it is wrong, keep the old one and raise ConfigError."""
        return {"changes": await self._gateway.reload()}

    async def history(self, tag: str, start: int, stop: int, resolution: int) -> dict[str, Any]:
        """Return a tag's samples in columns (times in ns UTC), or figures per `resolution` ns where it is not 0.

        Raises:
            ShoptwinError: there is no such tag, or there would be more samples than this box has memory to spare for.
        """
        gateway = self._gateway
        found = gateway.table[self._find(tag)]
        period = found.period or next(d.period for d in gateway.config.devices if d.name == found.device)
        if (stop - start) // (resolution or period) > MOST_SAMPLES:
            raise ShoptwinError(
                f"that would be more than {MOST_SAMPLES:,} values", "ask for less time, or for longer steps: --step 1m",
                code="bad-request",
            )  # fmt: skip
        series = await asyncio.to_thread(told.history, gateway.samples, found.id, start, stop, resolution)
        return {"tag": found.id, "unit": found.unit, **series}

    def _machine(self, machine: Machine, now: int, alarms: int) -> dict[str, Any]:
        gateway, pipeline, name = self._gateway, self._gateway.pipeline, machine.name
        window = pipeline.maintenance.active(name)
        verdicts = pipeline.verdicts.get(name, {})
        return {
            "name": name,
            "area": machine.area,
            "line": machine.line,
            "state": pipeline.twin.state(name).value,
            "maintenance": None if window is None else {
                "since": iso(window.since), "until": iso(window.until) if window.until else None,
                "by": window.by, "reason": window.reason,
            },
            "health": told.verdict(verdicts["health"]) if "health" in verdicts else None,
            "indicators": {i: told.verdict(a) for i, a in verdicts.items() if i != "health"},
            "learning_left_s": told.learning_left(machine, verdicts.get("health"), now),
            "alarms": alarms,
            "tags": [self._tag(index, now) for index in gateway.table.of_machine(name)],
        }  # fmt: skip

    def _tag(self, index: int, now: int) -> dict[str, Any]:
        tag, live = self._gateway.table[index], self._gateway.pipeline.twin.live(index)
        wave = isinstance(live.value, Waveform)
        return {
            "id": tag.id,
            "name": tag.name,
            "machine": tag.machine,
            "device": tag.device,
            "role": tag.role.value,
            "unit": tag.unit,
            "value": f"{len(live.value.samples)} samples" if wave else told.number(live.value),
            "text": tag.label(live.value),
            "quality": quality.name(int(live.status)),
            "time": iso(live.source_time) if live.source_time else None,
            "age_s": round((now - live.receive_time) / SECOND, 1) if live.receive_time else None,
        }

    def _known(self, machine: str) -> None:
        known = self._gateway.pipeline.machines
        if machine not in known:
            raise _unknown("machine", machine, known)

    def _find(self, tag: str) -> int:
        """Return the index of the tag with this id, or with this name where one machine alone has it."""
        table = self._gateway.table
        found = [i for i, t in table if t.id == tag] or [i for i, t in table if t.name == tag]
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(table[i].id for i in found)
            raise ShoptwinError(f"{tag} is a tag of {len(found)} machines", f"say which: {ids}", code="ambiguous-tag")
        raise _unknown("tag", tag, [t.id for _, t in table])

    def _audit(self, by: str, action: str, subject: str, detail: str = "") -> None:
        self._gateway.record.audit(self._gateway.clock.now(), by, action, subject, detail)


def _unknown(what: str, name: str, known: tuple[str, ...] | list[str]) -> ShoptwinError:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known[:10]) or 'none'}"
    return ShoptwinError(f"there is no {what} {name!r}", hint, code=f"unknown-{what}")
