"""From windows to observed values: what is stale or Bad is left out and told, the models run over all at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from shoptwin.assess import symptoms
from shoptwin.assess.layout import Layout
from shoptwin.assess.sensors import cut_off
from shoptwin.assess.temperatures import TemperatureFeatures
from shoptwin.assess.waveforms import WaveformFeatures, problem
from shoptwin.domain.machine import MachineState
from shoptwin.domain.quality import name as status_name
from shoptwin.domain.quality import usable
from shoptwin.domain.tag import Role
from shoptwin.domain.timing import SECOND, format_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from shoptwin.assess.shelf import ModelShelf
    from shoptwin.domain.assessment import Window
    from shoptwin.domain.machine import Machine
    from shoptwin.domain.tag import TagTable

    Bursts: TypeAlias = dict[tuple[str, int], tuple[NDArray[np.float32], str]]
    # (machine, tag) -> features and symptoms of the burst, and what is wrong with it

STATES = tuple(MachineState)
STALE_INTERVALS = 5.0
"""A value older than so many of its tag's intervals (and 10 s) is stale."""
_STALE_LEAST = 10 * SECOND


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """One row of one indicator: `values` float64 in the order of its names, NaN for what is missing."""

    values: NDArray[np.float64]
    oldest: int
    """Source time of the oldest value in it, ns UTC."""
    missing: dict[str, str]
    """Tag -> why it has no value: its status, `stale`, or what is wrong with its waveform."""


@dataclass(slots=True)
class _Seen:
    """When a tag was last received, and how far apart values usually are."""

    time: int = 0
    interval: float = 0.0


class Features:
    """The shipped models over windows, and what is remembered of each tag for them."""

    def __init__(self, models: ModelShelf | None) -> None:
        self._models = models
        self.waves: WaveformFeatures | None = None
        self.warmth: TemperatureFeatures | None = None
        self._seen: dict[int, _Seen] = {}
        self.rates: dict[int, float] = {}
        """Sampling rate of each waveform tag's latest burst, Hz."""

    def prepare(self, machines: Iterable[Machine]) -> None:
        """Open the models that these machines need; those that are refused stay on the shelf's list."""
        roles = {tag.role for machine in machines for tag in machine.tags}
        if self._models is None:
            return
        if Role.WAVEFORM in roles and self.waves is None and (model := self._models.find("vibration")):
            self.waves = WaveformFeatures(model)
        if Role.TEMPERATURE in roles and self.warmth is None and (model := self._models.find("temperature")):
            self.warmth = TemperatureFeatures(model)

    def layout(self, table: TagTable, machine: Machine) -> Layout:
        """Lay out a machine with the models there are; without onnxruntime nothing can be judged at all."""
        layout = Layout.of(table, machine, self.waves, self.warmth)
        if self._models is None or self._models.unavailable:
            return Layout(machine, layout.tags, (), (), (), (), None, None, (), ())
        return layout

    def forget(self, tags: set[int]) -> None:
        """Drop what is remembered of all tags but these."""
        self._seen = {t: s for t, s in self._seen.items() if t in tags}
        if self.warmth is not None:
            self.warmth.forget(tags)

    def observe(self, window: Window, layout: Layout, bursts: Bursts) -> dict[str, Observed]:
        """Return the rows of the indicators that got news in a window."""
        slot, rows = {int(t): i for i, t in enumerate(window.tag)}, {}
        values, missing = self._values(window, layout, slot)
        if layout.vibration and window.fresh.intersection(layout.waveforms):
            rows["vibration"] = self._vibration(window, layout, slot, values, missing, bursts=bursts)
        if layout.process and window.fresh.intersection(layout.scalars):
            rows["process"] = self._process(window, layout, slot, values, missing)
        return rows

    def _values(self, window: Window, layout: Layout, slot: dict[int, int]) -> tuple[dict[int, float], dict[int, str]]:
        """Return the usable values by tag, and why the others are not."""
        values, missing = {}, {}
        good = usable(window.status)
        for tag in layout.tags:
            i = slot.get(tag)
            if i is None:
                missing[tag] = "not in the twin"
                continue
            received, seen = int(window.receive_time[i]), self._seen.setdefault(tag, _Seen())
            if seen.time and received > seen.time:
                gap = float(received - seen.time)
                seen.interval = seen.interval + (gap - seen.interval) / 4 if seen.interval else gap
            seen.time = max(seen.time, received)
            age = window.now - received
            if not good[i]:
                missing[tag] = status_name(int(window.status[i]))
            elif age > max(STALE_INTERVALS * seen.interval, _STALE_LEAST):
                missing[tag] = f"stale for {format_duration(age)}"
            elif tag in layout.waveforms or np.isfinite(window.values[i]):
                values[tag] = float(window.values[i])
            elif layout.tags[tag].role is not Role.WAVEFORM:
                missing[tag] = "not a number"
        return values, missing

    def bursts(self, windows: Sequence[Window], layouts: Mapping[str, Layout]) -> Bursts:
        """Run the vibration model over the new waveforms of all windows at once."""
        wanted: list[tuple[str, int, symptoms.Look]] = [
            (w.machine, tag, _look(w, layouts[w.machine], tag))
            for w in windows
            for tag in layouts[w.machine].waveforms
            if tag in w.waveforms and w.fresh.intersection(layouts[w.machine].waveforms)
            if w.state is not MachineState.OFF  # then nothing is judged or learned: the night costs no inference
        ]
        if self.waves is None or not wanted:
            return {}
        looks = [look for *_, look in wanted]
        features = self.waves.compute([look.wave for look in looks])
        self.rates.update({tag: look.wave.rate for _, tag, look in wanted})
        return {
            (m, t): (np.concatenate([row, more]), problem(look.wave))
            for (m, t, look), row, more in zip(wanted, features, symptoms.compute(looks), strict=True)
        }

    def _vibration(
        self, window: Window, layout: Layout, slot: dict[int, int], values: dict[int, float], missing: dict[int, str],
        *, bursts: Bursts,
    ) -> Observed:  # fmt: skip
        size = (len(self.waves.names) if self.waves else 0) + len(layout.kinematics.names)
        row: list[float] = []
        lacking = {layout.tags[t].name: missing[t] for t in layout.regimes if t in missing}
        for tag in layout.waveforms:
            features, wrong = bursts.get((window.machine, tag), (np.full(size, np.nan, np.float32), "no waveform"))
            wrong = missing.get(tag, wrong)
            if wrong:
                lacking[layout.tags[tag].name] = wrong
            row += [np.nan] * size if wrong else features.tolist()
        for tag in layout.waveforms:
            wave = window.waveforms.get(tag)
            row += [np.nan] * 2 if wave is None else [wave.rate, cut_off(np.asarray(wave.samples))]
        row += [values.get(tag, np.nan) for tag in layout.regimes]
        return _observed(window, (*layout.waveforms, *layout.regimes), slot, row, lacking)

    def _process(
        self, window: Window, layout: Layout, slot: dict[int, int], values: dict[int, float], missing: dict[int, str]
    ) -> Observed:
        row = [values.get(tag, np.nan) for tag in layout.scalars]
        if self.warmth is not None and layout.temperatures:
            drivers = [np.nan if t is None else values.get(t, np.nan) for t in (layout.ambient, layout.load)]
            inputs = np.array([[values.get(t, np.nan), *drivers] for t in layout.temperatures])
            features = self.warmth.compute(layout.temperatures, inputs, window.now)
            more = self.warmth.names(ambient=layout.ambient is not None, load=layout.load is not None)
            row += features[:, [self.warmth.model.features.index(f) for f in more]].ravel().tolist()
        lacking = {layout.tags[t].name: missing[t] for t in layout.scalars if t in missing}
        return _observed(window, layout.scalars, slot, row, lacking)


def _look(window: Window, layout: Layout, tag: int) -> symptoms.Look:
    """Return a burst with what is known of how fast its machine turned."""
    kinematics, shaft = layout.kinematics, np.nan
    for i, index in enumerate(window.tag.tolist()):
        if layout.tags[index].name == kinematics.speed and usable(window.status)[i]:
            shaft = float(window.values[i]) * kinematics.hertz
    return symptoms.Look(window.waveforms[tag], layout.tags[tag].unit, kinematics, shaft)


def _observed(
    window: Window, tags: Sequence[int], slot: dict[int, int], row: list[float], missing: dict[str, str]
) -> Observed:
    times = [int(window.source_time[slot[t]]) for t in tags if t in slot and window.source_time[slot[t]] > 0]
    values = np.array([*row, float(STATES.index(window.state))])
    with np.errstate(over="ignore"):  # as the store keeps it, so that learning and judging see the same numbers
        kept = values.astype(np.float32).astype(np.float64)
    kept[np.isinf(kept)] = np.nan  # a garbage double beyond what a float32 holds: no mean would ever forget it
    return Observed(kept, min(times, default=window.now), missing)
