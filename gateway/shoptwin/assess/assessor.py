"""The Assessor: windows in, verdicts and evidence out. Feature models run once over all machines of a call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from shoptwin.assess.allowance import Allowances
from shoptwin.assess.features import Features, Observed
from shoptwin.assess.fusion import fuse
from shoptwin.assess.learned import Pointer
from shoptwin.assess.library import Library
from shoptwin.assess.memory import KEEP_EVERY, Memories
from shoptwin.assess.names import measured
from shoptwin.assess.outlooks import Outlooks, told
from shoptwin.assess.pacing import Pacing
from shoptwin.assess.progress import LearningState, LearnRequest, progress
from shoptwin.assess.track import Track
from shoptwin.assess.unknown import guarded
from shoptwin.assess.verdicts import Verdicts
from shoptwin.domain.assessment import Assessment, Judgement, Observation, Verdict
from shoptwin.domain.errors import ModelError
from shoptwin.domain.machine import MachineState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from shoptwin.assess.features import Bursts
    from shoptwin.assess.layout import Layout
    from shoptwin.assess.shelf import ModelShelf
    from shoptwin.assess.versions import Version
    from shoptwin.domain.alarm import AlarmState
    from shoptwin.domain.assessment import Window
    from shoptwin.domain.machine import Machine
    from shoptwin.domain.tag import TagTable

_MORE = 2
"""A fit that gave nothing is asked for again when there are so many times the rows."""


def _measured(row: Observed, track: Track) -> bool:
    return bool(np.isfinite(row.values[list(measured(track.names))]).any())


class Assessor:
    """Judges windows. `assess`, `adopt`, `forget` and `configure` belong to one worker thread; `due` to the loop."""

    def __init__(self, table: TagTable, machines: Sequence[Machine], models: ModelShelf | None, learned: Path) -> None:
        self._library = Library(learned, models)
        self._models = models
        self._features = Features(models)
        self._verdicts = Verdicts(self._features)
        self._outlooks = Outlooks(learned)
        self._memories = Memories(learned)
        self._layouts: dict[str, Layout] = {}
        self._tracks: dict[tuple[str, str], Track] = {}
        self._pacing: dict[str, Pacing] = {}
        self.allowances = Allowances()
        """What marks of alarms allow, by machine and indicator."""
        self.configure(table, machines)

    def configure(self, table: TagTable, machines: Sequence[Machine]) -> None:
        """Take a new configuration: indicators whose observed values stay the same keep their state."""
        before = self._tracks
        self._features.prepare(machines)
        self._layouts = {m.name: self._features.layout(table, m) for m in machines}
        self._tracks, self._pacing = {}, {n: self._pacing.get(n, Pacing()) for n in self._layouts}
        for machine, layout in self._layouts.items():
            for indicator in layout.indicators:
                names = layout.vibration if indicator == "vibration" else layout.process
                old = before.get((machine, indicator))
                if old is not None and old.names == names:
                    self._tracks[machine, indicator] = old
                    continue
                track = self._tracks[machine, indicator] = Track(
                    machine, indicator, names, allowance=self.allowances.of(machine, indicator)
                )
                try:
                    self._library.resume(track)
                    self._memories.recall(track)
                except ModelError as e:
                    track.problem = str(e)
        self._features.forget({t for layout in self._layouts.values() for t in layout.tags})

    def restore(self, states: Iterable[AlarmState]) -> None:
        """Learn from saved alarms which machines were abnormal: those must be normal for a while before they clear."""
        abnormal = {state.alarm for state in states if state.condition}
        for (machine, _), track in self._tracks.items():
            # What is learned anew is judged by nobody: an alarm from before would stand until it has been.
            track.alarm = track.learned is not None and f"{machine}/health.abnormal" in abnormal

    def keep(self, now: int, every: int = KEEP_EVERY) -> None:
        """Write what a restart must go on with; see Memories."""
        self._memories.keep(self._tracks.values(), now, every=every)

    @property
    def refused(self) -> dict[str, str]:
        """Models that are not used, by id or `<machine>/<indicator>`, with the reason and the cure; alarms say so."""
        shipped = {n: str(e) for n, e in self._models.refused.items()} if self._models else {}
        return shipped | {f"{m}/{i}": t.problem for (m, i), t in self._tracks.items() if t.problem and not t.tried}

    @property
    def unavailable(self) -> str:
        """Why no model runs at all, so that limits alone guard the machines; empty where models run."""
        return self._models.unavailable if self._models else "no models are in use: limit alarms alone"

    def due(self, machine: str, fresh: frozenset[int], now: int) -> bool:
        """Tell whether a window is worth assessing: the fast tags of an indicator are all new, or overdue."""
        layout = self._layouts.get(machine)
        if layout is None:
            return False
        waves = frozenset(layout.waveforms)
        if waves and waves <= fresh:
            return True
        wanted = frozenset(layout.scalars) or waves or frozenset(layout.tags)
        return self._pacing[machine].due(wanted, fresh, now)

    def assess(self, windows: Sequence[Window]) -> Judgement:
        """Judge windows: for each the indicators that got news, and `health`, always."""
        known = [w for w in windows if w.machine in self._layouts]
        try:
            bursts = self._features.bursts(known, self._layouts)
        except Exception:  # noqa: BLE001 - boundary, as below: whose burst it is shows when each is looked at alone
            bursts = None
        judgements = [self._machine(window, bursts) for window in known]
        return Judgement(
            tuple(a for j in judgements for a in j.assessments),
            tuple(o for j in judgements for o in j.observations),
            tuple(b for j in judgements for b in j.broken),
        )

    def _machine(self, window: Window, bursts: Bursts | None) -> Judgement:
        """Judge one machine; what breaks there stays there."""
        machine, parts, assessments = window.machine, [], []
        observations: list[Observation] = []
        layout = self._layouts[machine]
        try:
            alone = self._features.bursts([window], self._layouts) if bursts is None else bursts
            rows = self._features.observe(window, layout, alone)
            for indicator in layout.indicators:
                row = rows.get(indicator)
                verdict = self._judge(self._tracks[machine, indicator], window, row, observations)
                parts.append(verdict)
                if row is not None:
                    assessments.append(verdict)
            assessments.append(fuse(machine, window.now, parts, self._why_not(machine)))
            for track in (self._tracks[machine, indicator] for indicator in layout.indicators):
                track.unknown = guarded(track.unknown, standing=any(part.alarm for part in parts))
        except Exception as error:  # noqa: BLE001 - boundary (DESIGN §3): one machine's assessment
            note = "the assessment failed; the limits go on"
            return Judgement(
                (Assessment(machine, "health", window.now, Verdict.NO_DATA, 0.0, note=note),), (), ((machine, error),)
            )
        return Judgement(tuple(assessments), tuple(observations))

    def _judge(self, track: Track, window: Window, row: Observed | None, observations: list[Observation]) -> Assessment:
        layout, now = self._layouts[track.machine], window.now
        self._outlooks.look(track, maintenance=window.maintenance)
        if row is None or track.watch.repeats(now, int(window.source_time.max(initial=0))):
            return told(self._verdicts.unchanged(track, window, self._progress(track, now)))
        if not window.maintenance and window.state is not MachineState.OFF and _measured(row, track):
            track.watch.observe(now, row.values)
            if not track.first and not track.pointer.since:
                self._library.point(track, Pointer(track.pointer.version, now))
            track.observe(now, row.values)
            values = row.values.astype(np.float32)
            observations.append(Observation(track.machine, track.indicator, now, window.state, track.names, values))
        row = track.watch.screen(row, track.learned)
        verdict = self._verdicts.of(track, layout, window, row, self._progress(track, now))
        track.latest = self._outlooks.of(track, verdict)
        return track.latest

    # Learning: what to fit, when, and putting it into use.

    def requests(self, now: int) -> tuple[LearnRequest, ...]:
        """Return what should be learned now; each is returned once, and again when there is twice the evidence."""
        out = []
        for (machine, indicator), track in self._tracks.items():
            learning = self._layouts[machine].machine.learning
            until = learning.until if learning.until is not None and track.pointer.since < learning.until else None
            done = track.learned is not None and (
                track.pointer.chosen or until is None or not track.learned.manifest["asked_until"] < until <= now
            )
            if done and (request := track.unknown.request(track, now, self._budget(machine))) is not None:
                out.append(request)
            if done or not track.rows or track.rows < _MORE * track.tried or self._progress(track, now) < 1:
                continue
            track.tried, track.asked = track.rows, track.pointer
            out.append(LearnRequest(machine, indicator, track.pointer.since, until or now, self._budget(machine)))
        return tuple(out)

    def _budget(self, machine: str) -> float:
        """Return the false alarms a month that each indicator may raise: together no more than the machine may."""
        layout = self._layouts[machine]
        return layout.machine.false_alarms_per_month / max(len(layout.indicators), 1)

    def declined(self, request: LearnRequest, why: str) -> None:
        """Take note of why nothing could be learned: verdicts say it until there is twice the evidence."""
        track = self._tracks.get((request.machine, request.indicator))
        if track is not None and request.extends:
            track.unknown.problem = f"it cannot be learned: {why}"
        elif track is not None and track.tried:
            until = self._layouts[request.machine].machine.learning.until
            past = until is not None and request.until <= until
            anew = f": give a later learning.until, or shoptwin relearn {request.machine}" if past else ""
            track.problem = f"cannot learn yet: {why}{anew}"

    def adopt(self, request: LearnRequest, version: str) -> bool:
        """Put what was newly learned into use, in one step; tell whether it still is what was asked for.

        Raises:
            ModelRejected: hash, shape or inputs are wrong; what was in use before stays in use.
        """
        track = self._tracks.get((request.machine, request.indicator))
        if track is None:
            return False
        try:
            return self._library.adopt(track, version)
        except ModelError as e:
            track.problem, track.tried = str(e), 0
            raise

    def forget(self, machine: str, indicator: str, since: int) -> None:
        """Start one baseline anew: nothing from before `since` (ns UTC) is learned from. Kept across restarts."""
        self._library.forget(self._tracks[machine, indicator], since)

    def relearn(self, machine: str, since: int) -> tuple[str, ...]:
        """Start every baseline of a machine anew, from `since` (ns UTC) on; returns the indicators.

        Raises:
            ModelError: nothing is learned of this machine.
        """
        found = self._layouts[machine].indicators
        if not found:
            raise ModelError(f"nothing is learned of {machine}", self._why_not(machine))
        for indicator in found:
            self.forget(machine, indicator, since)
        return found

    def versions(self, machine: str) -> list[Version]:
        """Return the baselines of a machine that are on disk, of each indicator oldest first."""
        tracks = (self._tracks[machine, indicator] for indicator in self._layouts[machine].indicators)
        return [version for track in tracks for version in self._library.versions(track)]

    def roll_back(self, machine: str, indicator: str, version: str = "") -> str:
        """Use another baseline that is on disk, the one before where none is named; returns its version.

        Raises:
            ModelError: there is none, or it cannot be used: what was in use stays in use.
        """
        track = self._tracks.get((machine, indicator))
        if track is None:
            known = ", ".join(self._layouts[machine].indicators)
            hint = f"It is judged by {known}" if known else self._why_not(machine)
            raise ModelError(f"{machine} is not judged by {indicator!r}", hint)
        self._library.roll_back(track, version)
        return track.pointer.version

    def sensor_replaced(self, tag: int, now: int) -> tuple[str, str]:
        """Start the baseline anew that the tag (its index) belongs to; returns its machine and indicator.

        Raises:
            ModelError: no indicator looks at that tag.
        """
        for machine, layout in self._layouts.items():
            if tag in layout.waveforms:
                self.forget(machine, "vibration", now)
                return machine, "vibration"
            if tag in layout.scalars:
                self.forget(machine, "process", now)
                return machine, "process"
        raise ModelError("no baseline looks at this tag", "Only tags with a role that is judged have one")

    def learning(self, machine: str, now: int) -> tuple[LearningState, ...]:
        """Return how the learning of each indicator of a machine stands."""
        return tuple(
            LearningState(
                machine, indicator, track.pointer.since, self._progress(track, now),
                track.learned.version if track.learned else "", track.problem,
            )
            for (name, indicator), track in self._tracks.items() if name == machine
        )  # fmt: skip

    def _progress(self, track: Track, now: int) -> float:
        if track.learned is not None:
            return 1.0
        if not track.pointer.since:
            return 0.0
        return progress(self._layouts[track.machine].machine.learning, track.pointer.since, now)

    def _why_not(self, machine: str) -> str:
        """Say why an indicator that the tags would allow is not there, if so."""
        if self.unavailable:
            return self.unavailable
        if not self._layouts[machine].indicators:
            return (
                "no tag that health could be told from: give one the role vibration, waveform, temperature or current"
            )
        return ""
