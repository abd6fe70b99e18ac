"""The vibration model: from the samples of a burst to what an analyst reads off it, as one ONNX graph.

Nothing in it is fitted: it is signal processing written as a graph, so that it runs batched over machines.
"""

from __future__ import annotations

import numpy as np

from shoptwin.learn.graph import Graph

SEGMENT = 2048
BANDS = 12
FIRST_BIN = 2
"""The lowest band starts above the bins that the mean's leakage reaches (Hann: bins 0 and 1)."""
FEATURES = (
    *(f"band{i + 1:02d}" for i in range(BANDS)),
    "rms", "peak", "kurtosis", "crest", "velocity", "envelope", "envelope_variation", "envelope_line",
)  # fmt: skip
_FLOOR = 1e-20


def band_edges() -> np.ndarray:
    """Return the edges of the bands as DFT bins, float [BANDS + 1]: equal ratios from FIRST_BIN to Nyquist."""
    edges = FIRST_BIN * (SEGMENT / 2 / FIRST_BIN) ** (np.arange(BANDS + 1) / BANDS)
    return np.r_[np.ceil(edges[:-1]), SEGMENT / 2 + 1]


def build() -> bytes:
    """Return the model: `waveform` [batch, segments, 2048], `rate` [batch] -> `features` [batch, 20]."""
    g = Graph("vibration", "f4")
    raw = g.input("waveform", ["batch", "segments", SEGMENT])
    rate = g.input("rate", ["batch"])
    x = g.op("Sub", raw, g.op("ReduceMean", raw, [2], keepdims=1))
    power = _spectrum(g, x)
    bins = np.arange(SEGMENT // 2 + 1)
    edges = band_edges()
    member = (bins[:, None] >= edges[:-1]) & (bins[:, None] < edges[1:])
    bands = _ln(g, g.op("MatMul", power, member.astype(float)))

    square = g.op("Mul", x, x)
    mean_square = g.op("ReduceMean", square, [1, 2], keepdims=0)
    fourth = g.op("ReduceMean", g.op("Mul", square, square), [1, 2], keepdims=0)
    peak_square = g.op("ReduceMax", square, [1, 2], keepdims=0)
    safe = g.op("Max", mean_square, _FLOOR)
    kurtosis = g.op("Div", fourth, g.op("Mul", safe, safe))
    crest = g.op("Sqrt", g.op("Div", peak_square, safe))
    columns = [
        g.op("Mul", _ln(g, mean_square), 0.5), g.op("Mul", _ln(g, peak_square), 0.5), kurtosis, crest,
        g.op("Mul", _ln(g, _velocity_square(g, power, rate)), 0.5), *_envelope(g, x),
    ]  # fmt: skip
    stacked = [g.op("Unsqueeze", c, [1]) for c in columns]
    g.output("features", g.op("Concat", bands, *stacked, axis=1), ["batch", len(FEATURES)])
    return g.serialize()


def _ln(g: Graph, value: str) -> str:
    return g.op("Log", g.op("Max", value, _FLOOR))


def _spectrum(g: Graph, x: str) -> str:
    """Return the one-sided power spectrum [batch, 1025], averaged over the segments; it sums to the mean square."""
    window = np.hanning(SEGMENT + 1)[:-1]
    flat = g.op("Reshape", g.op("Mul", x, window), [-1, SEGMENT, 1])
    spectrum = g.op("DFT", flat, "", 1, onesided=1)
    power = g.op("ReduceSumSquare", spectrum, [2], keepdims=0)
    scale = np.full(SEGMENT // 2 + 1, 2 / (SEGMENT * (window**2).sum()))
    scale[[0, -1]] /= 2
    scaled = g.op("Mul", power, scale)
    # Back to [batch, segments, bins], by the shape of what came in.
    size = g.op("Concat", g.op("Slice", g.op("Shape", x), [0], [2]), [SEGMENT // 2 + 1], axis=0)
    return g.op("ReduceMean", g.op("Reshape", scaled, size), [1], keepdims=0)


def _velocity_square(g: Graph, power: str, rate: str) -> str:
    """Return the mean square of velocity from 10 to 1000 Hz (ISO 20816), in the waveform's unit times seconds."""
    bins = np.arange(SEGMENT // 2 + 1) / SEGMENT
    hertz = g.op("Mul", g.op("Unsqueeze", rate, [1]), bins[None])
    inside = g.op("And", g.op("GreaterOrEqual", hertz, 10.0), g.op("LessOrEqual", hertz, 1000.0))
    omega = g.op("Mul", g.op("Max", hertz, 1.0), 2 * np.pi)
    velocity = g.op("Div", power, g.op("Mul", omega, omega))
    return g.op("ReduceSum", g.op("Mul", velocity, g.op("Cast", inside, to=1)), [1], keepdims=0)


def _envelope(g: Graph, x: str) -> list[str]:
    """Return three columns [batch]: ln level, variation and line prominence of the high-frequency envelope.

    The envelope is the RMS over 16 samples of the first difference, which weighs high frequencies (6 dB an octave).
    """
    before = g.op("Concat", g.op("Slice", x, [0], [1], [2]), g.op("Slice", x, [0], [-1], [2]), axis=2)
    step = g.op("Sub", x, before)
    blocks = g.op("Reshape", g.op("Mul", step, step), [0, 0, SEGMENT // 16, 16])
    envelope = g.op("Sqrt", g.op("Max", g.op("ReduceMean", blocks, [3], keepdims=0), _FLOOR))
    mean = g.op("ReduceMean", envelope, [2], keepdims=1)
    moved = g.op("Sub", envelope, mean)
    spread = g.op("Sqrt", g.op("ReduceMean", g.op("Mul", moved, moved), [1, 2], keepdims=0))
    level = g.op("ReduceMean", mean, [1, 2], keepdims=0)
    spectrum = g.op("DFT", g.op("Reshape", moved, [-1, SEGMENT // 16, 1]), "", 1, onesided=1)
    lines = g.op("Slice", g.op("ReduceSumSquare", spectrum, [2], keepdims=0), [1], [SEGMENT // 32], [1])
    size = g.op("Concat", g.op("Slice", g.op("Shape", x), [0], [2]), [SEGMENT // 32 - 1], axis=0)
    averaged = g.op("ReduceMean", g.op("Reshape", lines, size), [1], keepdims=0)
    highest = g.op("ReduceMax", averaged, [1], keepdims=0)
    floor = g.op("Max", g.op("ReduceMean", averaged, [1], keepdims=0), _FLOOR)
    return [_ln(g, level), g.op("Div", spread, level), g.op("Div", highest, floor)]


MANIFEST = {
    "title": "Vibration features",
    "licence": "Apache-2.0",
    "training_data": "none: signal processing, nothing is fitted",
    "training_data_licence": "none",
    "inputs": (
        ("waveform", "float32", ("batch", "segments", SEGMENT), "the tag's unit of acceleration"),
        ("rate", "float32", ("batch",), "Hz"),
    ),
    "outputs": (("features", "float32", ("batch", len(FEATURES)), "see `features`"),),
    "features": FEATURES,
    "parameters": {"segment": SEGMENT, "band_edges": [int(e) for e in band_edges()]},
}
