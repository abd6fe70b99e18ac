"""From what has grown in a machine's vibration to what may be behind it: hypotheses, each with what speaks for it.

Pure: `Moved` figures by tag in, hypotheses out. The rules are those of ISO 13373-3 and common practice;
docs/reference/diagnosis.md says which, and how often held-out recordings and simulations bear them out.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from shoptwin.assess import grounds
from shoptwin.assess.envelopes import DEFECTS
from shoptwin.domain.assessment import Hypothesis

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from shoptwin.assess.against import Moved

    Figures = Mapping[str, Moved]

NAMED = frozenset({
    "imbalance", "misalignment", "looseness", "bearing", "bearing-outer", "bearing-inner", "bearing-ball", "gear-mesh",
})  # fmt: skip
"""Faults that are told as hypotheses. Of what held-out machines do not bear out the grounds are told alone."""
WORTH_NAMING = 0.5
_OWN = 0.5
"""Share of the growth of a bearing's lines that one of them must have before it is named by its part."""
_ORDERS = ("order1", "order2", "order3", "half", "halves", "harmonics")
_CLEAR = math.log(4)
"""ln of the power of a line over the noise beside it from which it is one."""
_LEAST = 1e-9
_WHEELS = {"sides": "the sidebands of its mesh", "mesh": "its mesh"}
_UPPER = ("band09", "band10", "band11", "band12")
_TELLING = 0.2
"""Strength from which a figure is worth a word beside another."""
_GENERIC = 0.8
"""What an unspecific hypothesis counts beside one with frequencies of its own."""


def vibration(channels: Mapping[str, Figures]) -> tuple[Hypothesis, ...]:
    """Return what may be behind the growth seen on waveforms, by tag; the best supported first, each fault once."""
    found: dict[str, Hypothesis] = {}
    for tag, figures in channels.items():
        for one in _channel(tag, figures):
            known = found.get(one.fault)
            if known is None or one.support > known.support:
                tags = (tag, *(known.tags if known else ()))
                found[one.fault] = Hypothesis(one.fault, one.support, one.grounds, tags)
            elif known is not None:
                found[one.fault] = Hypothesis(known.fault, known.support, known.grounds, (*known.tags, tag))
    if any(h.support >= WORTH_NAMING for h in found.values() if h.fault.startswith("bearing-")):
        found.pop("bearing", None)
    return ranked(found.values())


def ranked(found: Iterable[Hypothesis]) -> tuple[Hypothesis, ...]:
    """Return the hypotheses worth naming, the best supported first."""
    worth = (h for h in found if h.support >= WORTH_NAMING)
    return tuple(sorted(worth, key=lambda h: (-h.support, h.fault)))


def _channel(tag: str, figures: Figures) -> Iterator[Hypothesis]:
    bearings = tuple(_bearings(tag, figures))
    struck = max((h.support for h in bearings if h.fault != "bearing"), default=0.0)
    yield from bearings
    yield from _gears(tag, figures, 1 - 0.5 * struck)
    yield from _shaft(tag, figures)
    yield from _grease(tag, figures)


def _shaft(tag: str, figures: Figures) -> Iterator[Hypothesis]:
    """Yield what the orders of the shaft speak for: which of them has the growth of the velocity's power."""
    clear = {order for order in _ORDERS if order in figures and figures[f"{order}_clear"].value > _CLEAR}
    grown = {order: _power_grown(figures[order]) for order in _ORDERS if order in clear}
    total = sum(grown.values())
    if total <= 0:
        return
    rules = (
        ("imbalance", ("order1",)), ("misalignment", ("order2", "order3")),
        ("looseness", ("harmonics", "half", "halves", "order2", "order3")),
    )  # fmt: skip
    for fault, orders in rules:
        mine = sorted((o for o in orders if grown.get(o)), key=lambda o: -grown[o])
        if not mine:
            continue
        share = sum(grown[o] for o in mine) / total
        support = figures[mine[0]].strength * share * (1 - 0.5 * figures["impulses"].strength)
        if fault == "misalignment":
            support *= 1 - 0.5 * _most(figures, ("harmonics",), clear)
        if fault == "looseness":  # what strikes once or twice a turn makes both
            both = min(_most(figures, ("harmonics",), clear), _most(figures, ("half", "halves"), clear))
            support *= min(1.0, 2 * both)
        told = [grounds.order(tag, order, figures[order]) for order in mine]
        told.append(f"{tag}: that is {share:.0%} of what the orders of the speed have grown by")
        yield Hypothesis(fault, _share(support), tuple(told), (tag,))


def _most(figures: Figures, orders: tuple[str, ...], clear: set[str]) -> float:
    return max((figures[o].strength for o in orders if o in clear), default=0.0)


def _power_grown(moved: Moved) -> float:
    """Return by how much the power of a line has grown, 0 where it has not clearly."""
    if not moved.strength:
        return 0.0
    return math.exp(2 * moved.value) - math.exp(2 * moved.level)


def _gears(tag: str, figures: Figures, left: float) -> Iterator[Hypothesis]:
    """Yield what meshes speak for; the beat of a bearing has lines about them too, and leaves them `left`."""
    for name in _parts("mesh", figures):
        lines = {w: figures[f"{w}/{name}"] for w in _WHEELS if figures[f"{w}_clear/{name}"].value > _CLEAR}
        told = [grounds.gear(tag, name, m, of=_WHEELS[w]) for w, m in lines.items() if m.strength > _TELLING]
        support = max((m.strength * (1.0 if w == "sides" else _GENERIC) for w, m in lines.items()), default=0.0)
        yield Hypothesis("gear-mesh", _share(left * support), tuple(told), (tag,))


def _bearings(tag: str, figures: Figures) -> Iterator[Hypothesis]:
    """Yield the damaged part of a bearing where its lines say so, and else that something strikes."""
    for name in _parts("outer", figures):
        lines = {d: figures[f"{d}/{name}"] for d in DEFECTS}
        grown = {d: math.expm1(m.growth) if m.strength else 0.0 for d, m in lines.items()}
        turn = figures["each_turn"]
        once = math.expm1(turn.growth) if turn.strength else 0.0
        total = sum(grown.values())
        # A damaged ball passes the load zone once a turn of the cage: the cage's line is its own, too.
        for fault, parts in (("outer", ("outer",)), ("inner", ("inner",)), ("ball", ("ball", "cage"))):
            mine = sum(grown[part] for part in parts)
            # What strikes once a turn has lines near those of many a bearing; an inner race passes the load so itself.
            share = mine / max(total + (once if fault != "inner" else 0.0), _LEAST)
            told = [grounds.defect(tag, name, part, lines[part]) for part in parts if lines[part].strength]
            if share >= _OWN:
                support = max(lines[part].strength for part in parts) * math.sqrt(share)
                yield Hypothesis(f"bearing-{fault}", _share(support), (*told, *_impacts(tag, figures)), (tag,))
    strikes = max((figures[f].strength for f in ("impulses", "rahmonic", "line") if f in figures), default=0.0)
    yield Hypothesis("bearing", _share(_GENERIC * strikes), tuple(_impacts(tag, figures)), (tag,))


def _grease(tag: str, figures: Figures) -> Iterator[Hypothesis]:
    """Yield that the bearing runs dry: all high frequencies have grown, and nothing strikes."""
    upper = [figures[band] for band in _UPPER if band in figures]
    if len(upper) == len(_UPPER):
        least = min(upper, key=lambda m: m.strength)
        support = least.strength * (1 - figures["impulses"].strength)
        yield Hypothesis("lubrication", _share(support), (grounds.carpet(tag, least),), (tag,))


def _impacts(tag: str, figures: Figures) -> Iterator[str]:
    for feature in ("impulses", "line", "rahmonic"):
        if feature in figures and figures[feature].strength > _TELLING:
            yield grounds.impacts(tag, feature, figures[feature])


def _parts(kind: str, figures: Figures) -> list[str]:
    """Return the names of the parts that have a figure of this kind."""
    return [f.partition("/")[2] for f in figures if f.startswith(f"{kind}/")]


def _share(support: float) -> float:
    return round(min(max(support, 0.0), 1.0), 2)
