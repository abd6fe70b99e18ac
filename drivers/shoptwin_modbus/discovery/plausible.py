"""Which type and word order stands in registers, by how they behave over time: a pure function of their history.

The measure is how briefly the history can be told when the registers are read in one way (minimum description length,
Rissanen 1978): what a value was at first, and by how much it changed from reading to reading. The right reading of a
temperature is one number of usual size that changes a little; read in the wrong order it leaps. Registers behind those
that a reading covers are told in the briefest way there is, so that short and long types compete fairly. Costs are in
bits: a reading that is 10 bits dearer than another is a thousand times less likely.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from shoptwin.sdk import BadAddress, ValueKind, Verdict
from shoptwin_modbus.addresses.codec_plugins import plugged, plugged_names
from shoptwin_modbus.addresses.codecs import CODECS, Codec, Order, string
from shoptwin_modbus.discovery import telling
from shoptwin_modbus.discovery.behaviour import behaviour

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SHORTEST_TEXT, LONGEST_TEXT = 4, 32
"""Characters of a text."""
CLOSE, FAR = 4.0, 14.0
"""Bits beyond the best up to which a reading is likely, and up to which it is possible."""
ORDERS = {Order.ABCD: 1.0, Order.CDAB: 1.5, Order.DCBA: 4.0, Order.BADC: 5.0}
"""What an order costs: swapped bytes are seldom."""
SELDOM = {"bcd16": 6.0, "bcd32": 6.0, "int64": 3.0, "uint64": 3.1, "float64": 3.0, "int32": 0.1, "uint16": 0.1}
"""What a type costs beyond others, `RARE` for those of plug-ins. Tenths say which of two that look alike is named."""
RARE = 6.0
VALUE = 4.0
"""What each value costs for being one more, so that a long one is not told as several short ones."""
BEHIND = ("int16", "uint16", "float32", "int32", "uint32")
"""Types in which the registers behind are told."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read the registers, its last value, and how well it goes with the history."""

    codec: Codec
    order: Order
    value: Any
    """A number or a text; None where it is no value."""
    cost: float
    """Bits; infinite where it cannot be."""
    verdict: Verdict
    reason: str
    same: tuple[str, ...] = ()
    """Other types that read the same all the time, as `suffix`."""

    @property
    def suffix(self) -> str:
        """What follows the address in the configuration: `float32:CDAB`."""
        return _suffix(self.codec, self.order)


def weigh(history: NDArray[np.uint16], asked: str = "") -> list[Reading]:
    """Return every way to read the registers, the most plausible first.

    `history` is uint16 [readings, registers], the oldest reading first; a value begins at the first register. `asked`
    is the type that somebody takes it for (`float32:CDAB`): of those that cannot be told apart it is named.
    """
    history = np.ascontiguousarray(history, np.uint16)
    behind = {swapped: _behind(history, swapped=swapped) for swapped in (False, True)}
    columns = [_Column(codec, order, history) for codec, order in _ways(history)]
    costs = [column.cost + VALUE + behind[column.swapped][column.codec.registers] for column in columns]
    weighed = sorted(zip(costs, range(len(columns)), columns, strict=True), key=lambda each: each[:2])
    best = weighed[0][0]
    alike: dict[tuple[Any, ...], list[tuple[float, _Column]]] = {}
    for cost, _, column in weighed:
        if math.isfinite(cost):
            alike.setdefault(tuple(map(repr, column.values)), []).append((cost, column))
    return [_reading(group, best, history, asked) for group in alike.values()]


def _reading(group: list[tuple[float, _Column]], best: float, history: NDArray[np.uint16], asked: str) -> Reading:
    """Return one reading for all that read the same, named by the first; where nothing moves, by the plainest."""
    cost, named = group[0]
    columns = [column for _, column in group]
    if _still(history, max(column.codec.registers for column in columns)):
        named = min(columns, key=lambda column: (column.suffix != asked, column.codec.registers))
    verdict, reason = _judge(named, cost - best, history)
    same = tuple(column.suffix for column in columns if column is not named)
    return Reading(named.codec, named.order, named.last, cost, verdict, reason, same)


def _still(history: NDArray[np.uint16], registers: int) -> bool:
    return bool(np.all(history[:, :registers] == history[0, :registers]))


def _judge(column: _Column, beyond: float, history: NDArray[np.uint16]) -> tuple[Verdict, str]:
    likely = Verdict.LIKELY if beyond <= CLOSE else Verdict.POSSIBLE if beyond <= FAR else Verdict.UNLIKELY
    if _still(history, column.codec.registers) and column.codec.kind is not ValueKind.STR and likely is Verdict.LIKELY:
        likely = Verdict.POSSIBLE  # what never changes says nothing for sure
    return likely, behaviour(column.values, len(history))


def _suffix(codec: Codec, order: Order) -> str:
    return codec.name if order is Order.ABCD else f"{codec.name}:{order.name}"


class _Column:
    """The history read in one way."""

    def __init__(self, codec: Codec, order: Order, history: NDArray[np.uint16], at: int = 0) -> None:
        self.codec = codec
        self.order = order
        words = np.ascontiguousarray(history[:, at : at + codec.registers]).astype(">u2")
        raw = words.view(np.uint8).reshape(len(history), -1)
        indices = order.indices(codec.size)
        found = codec.decode(np.ascontiguousarray(raw[:, indices]))
        self._impossible = isinstance(found, tuple) and bool(np.any(found[1]))
        column = found[0] if isinstance(found, tuple) else found
        self._column = np.asarray(column)
        self.values: list[Any] = self._column.tolist()
        """int, float or str."""

    @property
    def suffix(self) -> str:
        """What follows the address in the configuration."""
        return _suffix(self.codec, self.order)

    @property
    def swapped(self) -> bool:
        """Whether the bytes of each register are swapped."""
        return self.order in {Order.BADC, Order.DCBA}

    @property
    def last(self) -> Any:  # noqa: ANN401 - a number or a text
        """The value now."""
        return self.values[-1]

    @property
    def cost(self) -> float:
        """What it costs to tell with its type and order, in bits."""
        extra = SELDOM.get(self.codec.name, 0.0 if self.codec.name in CODECS else RARE)
        if self.codec.kind is ValueKind.STR:
            extra = 0.0  # a text has its own price
        return ORDERS[self.order] + extra + self.told()

    def told(self) -> float:
        """What it costs to tell alone, in bits; infinite where it is no value."""
        if self._impossible:
            return math.inf
        if self.codec.kind is ValueKind.STR:
            return telling.text(self.values)
        if self._column.dtype.kind == "f":
            return telling.real(self._column.astype(self._column.dtype.newbyteorder("=")))
        return telling.whole([int(value) for value in self.values], 8 * self.codec.size)


def _ways(history: NDArray[np.uint16]) -> Iterator[tuple[Codec, Order]]:
    """Yield every type and order that fits into the registers."""
    own = [codec for name, codec in CODECS.items() if name != "bool"]
    for codec in [*own, *_plugged()]:
        if codec.registers <= history.shape[1] and codec.kind is not ValueKind.BOOL:
            yield codec, Order.ABCD
            if codec.registers > 1:
                yield codec, Order.CDAB
                yield codec, Order.DCBA
            yield codec, Order.BADC
    for order in (Order.ABCD, Order.BADC):
        if length := _text_length(history, order):
            yield string(length), order


def _plugged() -> Iterator[Codec]:
    for name in plugged_names():
        try:
            yield plugged(name)
        except BadAddress:
            continue


def _text_length(history: NDArray[np.uint16], order: Order) -> int:
    """Return how many characters there are from the start, of which each reading has printable ones; 0 for no text."""
    size = min(history.shape[1] * 2, LONGEST_TEXT)
    raw = np.ascontiguousarray(history.astype(">u2")).view(np.uint8).reshape(len(history), -1)[:, :size]
    marks = raw[:, order.indices(size)]
    printable = (marks >= ord(" ")) & (marks <= ord("~"))
    usable = np.all(printable | (marks == 0), axis=0)
    end = int(np.argmin(usable)) if not usable.all() else size
    written = int(np.min(np.argmin(np.pad(printable[:, :end], ((0, 0), (0, 1))), axis=1))) if end else 0
    return end - end % 2 if written >= SHORTEST_TEXT else 0


def _behind(history: NDArray[np.uint16], *, swapped: bool) -> list[float]:
    """Return, for each register, the least that it and all behind it cost, cut into values in the best way.

    A device has one order of bytes: those of the registers behind are `swapped` as those in front are.
    """
    long = (Order.BADC, Order.DCBA) if swapped else (Order.ABCD, Order.CDAB)
    registers = history.shape[1]
    costs = [0.0] * (registers + 1)
    types = [CODECS[name] for name in BEHIND]
    for at in range(registers - 1, -1, -1):
        if not history[:, at].any():
            costs[at] = 1.0 + costs[at + 1]  # not used
            continue
        costs[at] = min(
            _Column(codec, order, history, at).told() + VALUE + costs[at + codec.registers]
            for codec in types
            if at + codec.registers <= registers
            for order in (long if codec.registers > 1 else long[:1])
        )
    return costs
