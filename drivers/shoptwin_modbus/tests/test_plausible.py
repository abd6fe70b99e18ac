"""Which type stands in registers: simulated signals in every encoding, and what cannot be told."""

from __future__ import annotations

import random
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoptwin.sdk import Verdict
from shoptwin_modbus.addresses.codecs import Order
from shoptwin_modbus.discovery import telling
from shoptwin_modbus.discovery.behaviour import behaviour
from shoptwin_modbus.discovery.plausible import weigh

FORMATS = {"int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q", "uint64": "Q", "float32": "f",
           "float64": "d"}  # fmt: skip
READINGS = 20


def registers(values, kind, order=Order.ABCD):
    """Encode values, one reading a row."""
    rows = []
    for value in values:
        if kind.startswith("bcd"):
            data = bytes.fromhex(str(value).zfill(int(kind[3:]) // 4))
        elif kind == "text":
            data = value.encode()
        else:
            data = struct.pack(f">{FORMATS[kind]}", value if kind.startswith("float") else int(value))
        raw = np.empty(len(data), np.uint8)
        raw[order.indices(len(data))] = np.frombuffer(data, np.uint8)
        rows.append(raw.view(">u2").astype(np.uint16))
    return np.array(rows)


def walk(start, spread, places=None, *, rng, readings=READINGS):
    out = []
    for _ in range(readings):
        start += rng.gauss(0, spread)
        out.append(start if places is None else round(start, places))
    return out


def counter(start, step, *, rng, readings=READINGS):
    out = []
    for _ in range(readings):
        start += rng.randrange(2 * step + 1)
        out.append(start)
    return out


SIGNALS = {
    "temperature": lambda rng: walk(rng.uniform(15, 90), 0.05, rng=rng),
    "rounded temperature": lambda rng: walk(rng.uniform(15, 90), 0.1, 1, rng=rng),
    "cold": lambda rng: walk(rng.uniform(-40, -5), 0.05, rng=rng),
    "power": lambda rng: [rng.uniform(16, 18) for _ in range(READINGS)],
    "speed": lambda rng: [rng.gauss(1480, 3) for _ in range(READINGS)],
    "counter": lambda rng: counter(rng.randrange(10 ** rng.randrange(2, 8)), rng.randrange(1, 5), rng=rng),
    "tenths": lambda rng: [int(v) for v in walk(rng.uniform(150, 900), 1.5, rng=rng)],
    "tenths below zero": lambda rng: [int(v) for v in walk(rng.uniform(-50, -20), 1, rng=rng)],
}
ENCODINGS = {
    **dict.fromkeys(("temperature", "rounded temperature", "cold", "power", "speed"), ("float32", "float64")),
    "counter": ("uint32", "int32", "uint64", "bcd32"),
    "tenths": ("int16", "uint16", "int32", "uint32", "bcd16"),
    "tenths below zero": ("int16", "int32", "int64"),
}
NEIGHBOURS = ("nothing", "constants", "integers", "floats")


def neighbour(which, rng, *, swapped):
    """Return four registers of something else of the same device."""
    long, short = (Order.DCBA, Order.BADC) if swapped else (Order.ABCD, Order.ABCD)
    if which == "nothing":
        return np.zeros((READINGS, 4), np.uint16)
    if which == "constants":
        return np.tile(registers([rng.uniform(10, 400)], "float64", long), (READINGS, 1))
    if which == "integers":
        return np.hstack([registers(SIGNALS["tenths"](rng), "uint16", short) for _ in range(4)])
    return np.hstack([registers(SIGNALS["temperature"](rng), "float32", long) for _ in range(2)])


def cases():
    for signal, kinds in ENCODINGS.items():
        for kind in kinds:
            for order in Order:
                if not kind.endswith("16") or order in {Order.ABCD, Order.BADC}:
                    yield signal, kind, order


def found(signal, kind, order, which, seed):
    """Return the ranking, and which of it is true."""
    rng = random.Random(f"{seed} {signal} {kind} {order.name}")
    swapped = order in {Order.BADC, Order.DCBA}
    values = registers(SIGNALS[signal](rng), kind, order)
    ranking = weigh(np.hstack([values, neighbour(which, rng, swapped=swapped)]))
    wanted = kind if order is Order.ABCD else f"{kind}:{order.name}"
    return ranking, next(n for n, r in enumerate(ranking) if wanted in (r.suffix, *r.same))


@pytest.mark.parametrize("which", NEIGHBOURS)
def test_the_true_type_ranks_first(which):
    """Of simulated signals in every type and order, the true one ranks first in at least 19 of 20 cases."""
    places = [found(*case, which, 1)[1] for case in cases()]
    assert len(places) > 70
    assert sum(place == 0 for place in places) >= 0.95 * len(places)
    assert max(places) <= 3


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("order", Order, ids=lambda order: order.name)
def test_temperatures_are_certain(kind, order):
    """A measured value that moves is the only likely one, in its type and order."""
    ranking, place = found("temperature", kind, order, "floats", 2)
    assert place == 0
    assert ranking[0].verdict is Verdict.LIKELY
    assert [r.verdict for r in ranking[1:]].count(Verdict.LIKELY) == 0
    assert ranking[0].reason.startswith("changes smoothly")


@given(seed=st.integers(0, 10**6), order=st.sampled_from(list(Order)))
@settings(max_examples=40, deadline=None)
def test_floats_of_any_start(seed, order):
    """A float that walks is never taken for one of another order."""
    rng = random.Random(seed)
    size = 10 ** rng.uniform(-2, 5)
    ranking = weigh(registers(walk(size, size / 200, rng=rng), "float32", order))
    assert ranking[0].suffix == ("float32" if order is Order.ABCD else f"float32:{order.name}")


@given(history=st.lists(st.lists(st.integers(0, 0xFFFF), min_size=6, max_size=6), min_size=1, max_size=15))
@settings(max_examples=40, deadline=None)
def test_any_history_is_ranked(history):
    """Whatever stands there, ways to read it are ranked, the best first, each type once."""
    ranking = weigh(np.array(history, np.uint16))
    costs = [r.cost for r in ranking]
    assert costs == sorted(costs)
    names = [name for r in ranking for name in (r.suffix, *r.same)]
    assert len(set(names)) == len(names)
    assert {"int16", "float32", "float32:CDAB", "uint64:DCBA"} <= set(names)


def test_word_orders_of_a_small_counter():
    """A small 32-bit counter is told from its swapped self, as that would rise by 65,536 at a time."""
    history = registers(range(1000, 1030), "uint32", Order.CDAB)
    best = weigh(history)[0]
    assert {"uint32:CDAB", "int32:CDAB"} <= {best.suffix, *best.same}
    assert best.value == 1029
    assert best.reason == "a counter: only rises, by 1 a reading"


def test_a_wrap_tells_how_long_a_counter_is():
    """When the low word of a counter wraps, 16 bits are out of the question."""
    history = registers(range(65_500, 65_570, 4), "uint32", Order.CDAB)
    best, *others = weigh(history)
    assert "uint32:CDAB" in (best.suffix, *best.same)
    assert all(r.verdict is not Verdict.LIKELY for r in others if "uint16" in (r.suffix, *r.same))


def test_signed_and_unsigned_cannot_be_told_while_positive():
    """Of a value that was never negative, int16 and uint16 are said to be the same."""
    best = weigh(registers([631, 634, 630, 632], "uint16"))[0]
    assert {best.suffix, *best.same} >= {"int16", "uint16"}


def test_a_negative_value_is_signed():
    """A value that goes through zero is signed."""
    best = weigh(registers([3, 1, -1, -2, 0, 2, -1], "int16"))[0]
    assert best.suffix == "int16"
    assert "uint16" not in best.same


def test_text():
    """Printable characters over several registers are text, and its bytes are told from swapped ones."""
    history = np.tile(registers(["Pump station 04 \0\0"], "text"), (5, 1))
    best = weigh(history)[0]
    assert (best.suffix, best.value, best.verdict) == ("string[18]", "Pump station 04", Verdict.LIKELY)
    assert best.reason == "15 printable characters"
    swapped = history.byteswap()
    assert weigh(swapped)[0].suffix == "string[18]:BADC"


def test_short_text():
    """Four letters are text, four printable bytes of a number are not."""
    assert weigh(np.tile(registers(["Pump"], "text"), (3, 1)))[0].suffix == "string[4]"
    assert weigh(np.tile(registers([55.12345], "float32"), (3, 1)))[0].suffix == "float32"


def test_decimal_digits():
    """A counter in BCD is told from binary once digits have carried over."""
    best = weigh(registers(range(1985, 2015), "bcd16"))[0]
    assert (best.suffix, best.value) == ("bcd16", 2014)


def test_what_does_not_change_is_never_likely():
    """A constant is at most possible, and a round float is still named first."""
    ranking = weigh(np.tile(registers([50.0], "float32"), (30, 1)))
    assert ranking[0].suffix == "float32"
    assert {r.verdict for r in ranking} <= {Verdict.POSSIBLE, Verdict.UNLIKELY}
    assert ranking[0].reason == "does not change"


@pytest.mark.parametrize("order", [Order.ABCD, Order.CDAB], ids=lambda order: order.name)
def test_a_constant_measurement_has_a_usual_size(order):
    """Even without change a measured value is told from its other orders, by its size."""
    ranking = weigh(np.tile(registers([55.12345], "float32", order), (5, 1)))
    assert ranking[0].suffix == ("float32" if order is Order.ABCD else f"float32:{order.name}")


def test_no_value_at_times():
    """A float that is NaN at times is still a float, and that is said."""
    rng = random.Random(3)
    values = walk(60, 0.1, rng=rng)
    values[4] = values[9] = float("nan")
    best = weigh(registers(values, "float32"))[0]
    assert best.suffix == "float32"
    assert best.reason == "NaN or infinite in 2 of 20 readings"


def test_two_values_are_not_one():
    """Two 16-bit values side by side are not taken for a 32-bit one."""
    rng = random.Random(5)
    history = np.hstack([registers(SIGNALS["tenths"](rng), "uint16") for _ in range(2)])
    best = weigh(history)[0]
    assert {best.suffix, *best.same} == {"int16", "uint16"}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([5.0], "too few readings to tell"),
        ([0, 1, 0, 1, 1, 0], "switches between 0 and 1"),
        ([9, 7, 5, 2], "only falls, by 2 to 3 a reading"),
        ([3, 5, 4, 6, 2], "small whole numbers, by 1 to 4 a reading"),
        ([100.0, 900.0, 30.0], "leaps, by up to 870"),
        ([100.0, 110.0, 95.0, 104.0], "changes by 9.1 % a reading"),
        ([1e30, 1e31], "as large as 1e+31: hardly a measured value"),
        ([1e-30, 1e-31], "as small as 1e-30: hardly a measured value"),
        (["on", "off"], "3 printable characters; they change"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_words(values, told):
    """What a history looks like is said in a few words."""
    assert behaviour(values, len(values)) == told


@given(values=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=30))
@settings(deadline=None)
def test_costs_are_finite(values):
    """Every history of whole numbers and of floats has a price, and standing still never costs more."""
    assert 0 < telling.whole(values, 64) < 1e5
    assert telling.whole([values[0]] * len(values), 64) <= telling.whole(values, 64) + 1e-9
    assert 0 < telling.real(np.array(values, np.int64).view(np.float64)) < 1e5


def test_usual_magnitudes_are_cheap():
    """Sizes that measured values have cost less than those that they hardly ever have, round figures the least."""
    costs = [telling.real(np.array([value], np.float32)) for value in (60.0, 63.41234, 3.14159e8, 3.14159e-20)]
    assert costs == sorted(costs)
    assert costs[3] > costs[1] + 10
    assert telling.whole([40], 16) < telling.whole([40_000], 16) < telling.whole([-25_536], 16) + 3
