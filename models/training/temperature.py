"""The temperature model: a bank of first-order lags, which is how bodies of one heat capacity follow what drives them.

It is recurrent with its state in the open: `bank` and `variance` go in and come out, so that any sampling interval,
gaps and restarts are handled by `elapsed`, and machines are batched.
"""

from __future__ import annotations

from shoptwin.learn.graph import Graph

TAUS = (60.0, 600.0, 3600.0, 14400.0)
"""Time constants in seconds: a sensor's sheath, a winding, a housing, a machine's frame."""
FEATURES = (
    "level", "slope", "spread",
    *(f"ambient_{tau:.0f}s" for tau in TAUS), *(f"load_{tau:.0f}s" for tau in TAUS),
)  # fmt: skip


def build() -> bytes:
    """Return the model: `values` [n, 3], `elapsed` [n], `bank` [n, 3, 4], `variance` [n] -> features and new state."""
    g = Graph("temperature", "f4")
    values = g.input("values", ["batch", 3])
    elapsed = g.input("elapsed", ["batch"])
    bank = g.input("bank", ["batch", 3, len(TAUS)])
    variance = g.input("variance", ["batch"])
    # The exact step response of a first-order lag over the time that has passed.
    rates = g.op("Div", g.op("Unsqueeze", elapsed, [1]), [list(TAUS)])
    gain = g.op("Sub", 1.0, g.op("Exp", g.op("Neg", rates)))
    new = g.op("Unsqueeze", values, [2])
    moved = g.op("Add", bank, g.op("Mul", g.op("Unsqueeze", gain, [1]), g.op("Sub", new, bank)))
    # A lag starts at the first value it sees, and holds while there is none.
    started = g.op("Where", g.op("IsNaN", bank), g.op("Expand", new, g.op("Shape", bank)), moved)
    held = g.op("Where", g.op("IsNaN", new), bank, started)
    level = g.op("Squeeze", g.op("Slice", values, [0], [1], [1]), [1])
    lags = g.op("Squeeze", g.op("Slice", held, [0], [1], [1]), [1])
    fast, slow = (g.op("Squeeze", g.op("Slice", lags, [i], [i + 1], [1]), [1]) for i in (0, 1))
    # A lag trails a ramp by its time constant, so the distance of two of them is the slope.
    slope = g.op("Mul", g.op("Sub", fast, slow), 60.0 / (TAUS[1] - TAUS[0]))
    off = g.op("Sub", level, slow)
    slow_gain = g.op("Squeeze", g.op("Slice", gain, [1], [2], [1]), [1])
    wider = g.op("Add", variance, g.op("Mul", slow_gain, g.op("Sub", g.op("Mul", off, off), variance)))
    kept = g.op("Where", g.op("IsNaN", wider), variance, wider)
    head = [g.op("Unsqueeze", c, [1]) for c in (level, slope, g.op("Sqrt", g.op("Max", kept, 0.0)))]
    drivers = g.op("Flatten", g.op("Slice", held, [1], [3], [1]), axis=1)
    g.output("features", g.op("Concat", *head, drivers, axis=1), ["batch", len(FEATURES)])
    g.output("bank_next", held, ["batch", 3, len(TAUS)])
    g.output("variance_next", kept, ["batch"])
    return g.serialize()


MANIFEST = {
    "title": "Temperature with what drives it",
    "licence": "Apache-2.0",
    "training_data": "none: first-order lags with fixed time constants, nothing is fitted",
    "training_data_licence": "none",
    "inputs": (
        (
            "values",
            "float32",
            ("batch", 3),
            "temperature, ambient, load; each in its tag's unit, NaN where there is none",
        ),
        ("elapsed", "float32", ("batch",), "s"),
        ("bank", "float32", ("batch", 3, len(TAUS)), "state: lagged values, NaN at first"),
        ("variance", "float32", ("batch",), "state: squared unit of the temperature, 0 at first"),
    ),
    "outputs": (
        ("features", "float32", ("batch", len(FEATURES)), "see `features`; slope per minute"),
        ("bank_next", "float32", ("batch", 3, len(TAUS)), "state"),
        ("variance_next", "float32", ("batch",), "state"),
    ),
    "features": FEATURES,
    "parameters": {"taus": list(TAUS)},
}
