"""Fitting: what is evidence, what is context, how wide the thresholds are; and ONNX says what numpy says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from shoptwin.assess.session import Session
from shoptwin.domain.errors import ModelError
from shoptwin.learn.baseline import Settings, fit

PROCESS, VIBRATION = Settings("process"), Settings("vibration")


def both_ways(baseline, rows, alarmed=lambda _: 0.0):
    """Step the numpy model and its ONNX over rows; check that they agree everywhere to 1e-5; return the outputs."""
    session = Session(baseline.to_onnx(), "test")
    here, there, out = baseline.model.start(), baseline.model.start(), []
    for i, row in enumerate(np.asarray(rows, np.float32).astype(float)):
        said = baseline.model.step(row, float(i), alarmed(i), here)
        feeds = {"x": row, "age": np.array([float(i)]), "alarmed": np.array([alarmed(i)])}
        told = session.run(feeds | {f"state.{n}": a for n, a in there.items()})
        assert said.keys() == told.keys()
        for name, value in said.items():
            np.testing.assert_allclose(told[name], value, rtol=1e-5, atol=1e-5, err_msg=f"{name} of row {i}")
        here = {n: said[f"next.{n}"] for n in here}
        there = {n: told[f"next.{n}"] for n in there}
        out.append(told)
    return out


@settings(max_examples=15, deadline=None)
@given(seed=some.integers(0, 1000), holes=some.floats(0, 0.3), loud=some.floats(0, 30))
def test_process_onnx_is_numpy(seed, holes, loud):
    """The exported process baseline scores the same as numpy, with holes, jumps, loads and states in the rows."""
    rng = np.random.default_rng(seed)
    names = ("flow:f:value", "power:p:value", "temperature:t:value", "load:l:value", "state:machine:state")
    load = np.repeat(rng.choice([10.0, 20.0, 30.0], 30), 10)
    state = np.repeat(rng.choice([1.0, 2.0], 10), 30)
    rows = np.column_stack([rng.normal(size=300) + state, 2 * load + rng.normal(size=300),
                            rng.normal(size=300), load, state])  # fmt: skip
    from types import SimpleNamespace  # noqa: PLC0415 - hypothesis and function fixtures do not mix

    time = np.arange(300) * 10**9
    baseline = fit(
        SimpleNamespace(time=time, names=names, values=rows.astype("f4"), state=["producing"] * 300), PROCESS
    )
    later = rows.copy()
    later[150:, 0] += loud
    later[rng.random(later.shape) < holes] = np.nan
    later[200:210, 3] = 99.0
    out = both_ways(baseline, later[100:])
    assert all(np.isfinite(o["score"]).all() for o in out)
    assert all(o["outside"][0] for o, row in zip(out, later[100:], strict=True) if row[3] == 99.0)


def test_vibration_onnx_is_numpy(evidence, spectra):
    """The exported vibration baseline scores the same as numpy, with holes, alarms, and loads between and outside."""
    rng = np.random.default_rng(1)
    names, rows = spectra(rng, loads=(0.0, 30.0, 50.0))
    baseline = fit(evidence(names, rows), VIBRATION)
    assert np.isfinite(baseline.model.fine_limit)
    _, later = spectra(rng, n=250, loads=(0.0, 20.0, 45.0, 80.0))
    later[100:, :12] += np.linspace(0, 4, 150)[:, None]
    later[rng.random(len(later)) < 0.05, 3] = np.nan
    out = both_ways(baseline, later, alarmed=lambda i: float(i > 180))
    assert max(o["score"][0] for o in out) > 1


def test_rows_of_nothing_do_not_count(evidence):
    """A time in which all that is measured was Bad, though the load came, does not make a tag too seldom seen."""
    rng, names = np.random.default_rng(5), ["flow:f:value", "pressure:p:value", "load:load:value"]
    rows = np.column_stack([rng.normal(size=(300, 2)), np.full(300, 50.0)])
    rows[100:220, :2] = np.nan
    baseline = fit(evidence(names, rows), PROCESS)
    assert baseline.evidence == ("flow:f:value", "pressure:p:value")
    assert baseline.rows <= 180


EDGES = {
    "nothing": np.nan, "zero": 0.0, "minus zero": -0.0, "huge": 1e30, "hugely negative": -1e30, "tiny": 1e-38,
}  # fmt: skip


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("kind", ["process", "vibration"])
def test_onnx_is_numpy_at_the_edges(evidence, spectra, kind, edge):
    """Rows of nothing, of zeros and of numbers that no machine measures score the same, alone and in between."""
    names, rows = spectra(np.random.default_rng(4), loads=(0.0, 30.0))
    if kind == "process":
        names, rows = ["flow:f:value", "pressure:p:value", "load:load:value"], rows[:, [0, 1, -1]]
    baseline = fit(evidence(names, rows), Settings(kind))
    odd = np.full_like(rows[0], EDGES[edge])
    mixed = np.where(np.arange(len(odd)) % 2, rows[0], odd)
    out = both_ways(baseline, [odd, rows[0], mixed, odd, odd, rows[1], rows[2]])
    assert all(np.isfinite(o["score"]).all() for o in out if edge in {"nothing", "zero", "minus zero", "tiny"})


def test_vibration_without_a_load_is_numpy_too(evidence, spectra):
    """Without any context the fine look is not taken and growth alone is judged, in both."""
    names, rows = spectra(np.random.default_rng(2), loads=(0.0,))
    baseline = fit(evidence(names[:-1], rows[:, :-1]), VIBRATION)
    assert np.isinf(baseline.model.fine_limit)
    grown = rows[:30, :-1] + 1.5
    out = both_ways(baseline, np.concatenate([rows[:, :-1], grown]))
    assert out[-1]["score"][0] > 1
    assert max(o["score"][0] for o in out[:80]) < 1


def test_fit_is_pure(evidence, pump, pump_names):
    """The same evidence gives the same bytes."""
    rows = evidence(pump_names, pump(np.random.default_rng(3)))
    assert fit(rows, PROCESS).to_onnx() == fit(rows, PROCESS).to_onnx()


def test_a_wandering_temperature_is_context_beside_other_tags(evidence, pump, pump_names):
    """A temperature that wanders through learning is not held against the machine, unless there is nothing else."""
    rows = pump(np.random.default_rng(4))
    assert fit(evidence(pump_names, rows), PROCESS).evidence == pump_names[:3]
    assert fit(evidence(pump_names[3:], rows[:, 3:]), PROCESS).evidence == pump_names[3:]


def test_a_stuck_tag_is_no_evidence(evidence, pump, pump_names):
    """A tag that never moved while learning is left out; when nothing moved, that is told."""
    rows = pump(np.random.default_rng(5))
    rows[:, 1] = 4.0
    assert "pressure:pressure:value" not in fit(evidence(pump_names, rows), PROCESS).evidence
    with pytest.raises(ModelError, match="no tag varies"):
        fit(evidence(pump_names, np.ones((300, 4))), PROCESS)


def test_a_tag_that_is_mostly_missing_is_left_out(evidence, pump, pump_names):
    """A tag with few values does not keep the others from being learned; scattered holes cost their rows alone."""
    rng = np.random.default_rng(6)
    rows = pump(rng)
    rows[rng.random(300) < 0.6, 2] = np.nan
    rows[rng.random(300) < 0.1, 0] = np.nan
    baseline = fit(evidence(pump_names, rows), PROCESS)
    assert baseline.evidence == pump_names[:2]


@pytest.mark.parametrize("indicator", ["process", "vibration"])
def test_too_little_is_refused(evidence, pump, pump_names, spectra, indicator):
    """Too few rows, and rows of a machine that never ran, are refused with what is needed."""
    names, rows = spectra(np.random.default_rng(7), n=6)
    if indicator == "process":
        names, rows = pump_names, pump(np.random.default_rng(7), 10)
    with pytest.raises(ModelError, match="too few"):
        fit(evidence(names, rows), Settings(indicator))
    with pytest.raises(ModelError, match="running"):
        fit(evidence(names, rows, "off"), Settings(indicator))


def test_rows_while_off_teach_nothing(evidence, pump, pump_names):
    """Rows observed while the machine was off do not widen what is normal."""
    rng = np.random.default_rng(8)
    rows = pump(rng, 400)
    off = np.zeros(400, bool)
    off[100:200] = True
    rows[off] = 0.0
    state = ["off" if o else "producing" for o in off]
    baseline = fit(evidence(pump_names, rows, state), PROCESS)
    assert baseline.rows == 300
    assert baseline.model.step(np.zeros(4), 0.0, 0.0, baseline.model.start())["score"][0] > 2


def test_load_and_ambient_explain_a_temperature(evidence):
    """A temperature that follows load and ambient with a lag is judged by what they leave; a fouled cooler shows."""
    rng = np.random.default_rng(9)
    n = 600
    load = np.repeat(rng.uniform(20, 90, n // 30), 30)
    ambient = 18 + 5 * np.sin(np.arange(n) / 100)
    lag = np.zeros((n, 2))
    for i in range(1, n):
        lag[i] = lag[i - 1] + (np.array([load[i], ambient[i]]) - lag[i - 1]) / 10
    warmth = 20 + 0.5 * lag[:, 0] + lag[:, 1] + 0.2 * rng.normal(size=n)
    names = ("temperature:motor:value", "ambient:hall:value", "load:load:value",
             "temperature:motor:ambient_600s", "temperature:motor:load_600s")  # fmt: skip
    rows = np.column_stack([warmth, ambient, load, lag[:, 1], lag[:, 0]])
    baseline = fit(evidence(names, rows[:400]), PROCESS)
    assert baseline.explained == {"temperature:motor:value": ["load", "ambient"]}
    assert baseline.deviation[0] < 0.5
    calm = both_ways(baseline, rows[400:])
    assert max(o["score"][0] for o in calm) < 1
    fouled = rows[400:].copy()
    fouled[:, 0] += 4.0
    assert both_ways(baseline, fouled)[-1]["score"][0] > 1


def test_a_temperature_is_not_explained_before_its_slowest_lag_has_run(evidence):
    """Two hours tell nothing of a body of four: beside other tags its temperature is not judged."""
    rng = np.random.default_rng(14)
    names = ("temperature:motor:value", "current:fan:value", "load:load:value",
             "temperature:motor:load_600s", "temperature:motor:load_14400s")  # fmt: skip
    load = np.repeat(rng.uniform(20, 90, 12), 10)
    slow = np.full(120, np.nan)
    rows = np.column_stack([20 + 0.5 * load, rng.normal(size=120), load, load, slow])
    assert fit(evidence(names, rows), PROCESS).evidence == ("current:fan:value",)
    rows[:, 4] = load
    assert fit(evidence(names, rows), PROCESS).evidence == ("temperature:motor:value", "current:fan:value")


def test_a_start_up_is_trimmed(evidence, pump, pump_names):
    """A start-up among the learning rows does not widen what is normal."""
    rng = np.random.default_rng(10)
    rows = pump(rng)
    started = rows.copy()
    started[:20] -= [60, 2, 4, 0]
    plain, trimmed = (fit(evidence(pump_names, r), PROCESS) for r in (rows, started))
    np.testing.assert_allclose(trimmed.model.basis.deviation, plain.model.basis.deviation, rtol=0.2)


def test_a_smaller_budget_widens_the_thresholds(evidence, pump, pump_names):
    """Fewer bearable false alarms never narrow a threshold, and their number is in the manifest."""
    rows = evidence(pump_names, pump(np.random.default_rng(11)))
    few, many = (fit(rows, Settings("process", budget)) for budget in (0.1, 10.0))
    assert (few.model.joint_limit >= many.model.joint_limit).all()
    assert (few.model.tag_limit >= many.model.tag_limit).all()
    assert few.manifest()["budget"] == {"false_alarms_per_month": 0.1, "pace": 60e9}


def test_one_visit_is_not_enough_for_the_fine_look(evidence, spectra):
    """Each load visited once, in one block, cannot show how far visits lie apart: the fine look is not taken."""
    names, rows = spectra(np.random.default_rng(12), n=80, dwell=40)
    assert np.isinf(fit(evidence(names, rows), VIBRATION).model.fine_limit)
    names, rows = spectra(np.random.default_rng(12), n=80, dwell=20)
    assert np.isfinite(fit(evidence(names, rows), VIBRATION).model.fine_limit)


def test_false_alarms_of_healthy_pumps_are_rare(evidence, pump, pump_names):
    """Over 30 healthy machines, judged for 1000 rows after learning 300, less than a thousandth of the rows exceed."""
    wrong = rows = 0
    for seed in range(30):
        data = pump(np.random.default_rng(seed), 1300)
        baseline = fit(evidence(pump_names[:3], data[:300, :3]), PROCESS)
        state = baseline.model.start()
        for i, row in enumerate(data[300:, :3]):
            said = baseline.model.step(row, float(i), 0.0, state)
            state = {name: said[f"next.{name}"] for name in state}
            wrong += bool(said["score"][0] >= 1)
            rows += 1
    assert wrong / rows < 1e-3, f"{wrong} of {rows}"
