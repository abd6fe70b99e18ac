"""Evidence in an operator's words: what moved, by how much, compared with what."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from shoptwin.assess.names import STATE, Name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shoptwin.assess.learned import Learned
    from shoptwin.assess.track import Judged
    from shoptwin.assess.waveforms import WaveformFeatures
    from shoptwin.domain.tag import Tag

MOST = 3
_WORTH_TELLING = 0.8


def process(judged: Judged, learned: Learned, tags: Mapping[str, Tag]) -> tuple[str, ...]:
    """Tell which tags lie off what is normal, the furthest first; `tags` by name."""
    if judged.score < _WORTH_TELLING:
        return ()
    if judged.tie.max(initial=0) > max(judged.joint, judged.ratio.max(initial=0)):
        return _parted(judged, learned)
    strength = np.maximum(judged.ratio, 0.0) if judged.ratio.max(initial=0) >= judged.joint else np.abs(judged.lean)
    told = []
    for i in np.argsort(-strength, kind="stable")[:MOST]:
        name = Name.parse(learned.manifest["evidence"][i])
        off = float(judged.lean[i]) * learned.manifest["deviation"][i]
        if not math.isfinite(off) or strength[i] < strength.max() / 2:
            continue
        unit = tags[name.tag].unit if name.tag in tags else ""
        explained = learned.manifest["explained"].get(str(name), [])
        told.append(
            f"{name.tag} {abs(off):.3g}{' ' if unit else ''}{unit} {'above' if off > 0 else 'below'} "
            f"{f'what {_list(explained)} explain' + ('s' if len(explained) == 1 else '') if explained else 'normal'}"
            f" ({abs(float(judged.lean[i])):.1f} times its usual spread)"
        )
    if judged.joint > judged.ratio.max(initial=0) and len(learned.manifest["evidence"]) > 1:
        told.insert(0, f"the tags together are off their usual pattern, {judged.joint:.1f} times the limit")
    return tuple(told)


def _parted(judged: Judged, learned: Learned) -> tuple[str, ...]:
    """Tell which tags no longer go with the others, the furthest first."""
    names = [Name.parse(name).tag for name in learned.manifest["evidence"]]
    tied = [names[i] for i in learned.manifest["tied"]]
    told = [i for i in np.argsort(-judged.tie, kind="stable")[:MOST] if judged.tie[i] >= judged.tie.max() / 2]
    return tuple(
        f"{names[i]} no longer goes with {_others(tied, names[i])} as it did, {judged.tie[i]:.1f} times the limit"
        for i in told
    )


def _others(tied: list[str], name: str) -> str:
    others = [other for other in tied if other != name]
    return _list(others) if len(others) <= MOST else "the other tags"


def vibration(
    judged: Judged, learned: Learned, features: WaveformFeatures, rates: Mapping[str, float]
) -> tuple[str, ...]:
    """Tell which bands of which waveform have grown, the most first; `rates` in Hz by tag."""
    if judged.score < _WORTH_TELLING:
        return ()
    told = []
    if judged.joint > judged.ratio.max(initial=0):
        told.append(
            f"the shape of the spectrum is off what was learned at this load, {judged.joint:.1f} times the limit"
        )
    for i in np.argsort(-np.abs(judged.lean), kind="stable")[:MOST]:
        name = Name.parse(learned.manifest["evidence"][i])
        low, high = features.band(int(name.feature.removeprefix("band")) - 1, rates.get(name.tag, 1.0))
        told.append(f"{name.tag} energy in {_hertz(low, high)} is {_times(float(judged.lean[i]))} normal")
    return tuple(told)


def _times(ln: float) -> str:
    factor = math.exp(min(ln, 50.0))
    return f"{factor:.1f} times" if factor < 100 else f"{factor:.0f} times"  # noqa: PLR2004 - digits that mean something


def _hertz(low: float, high: float) -> str:
    return f"{low / 1000:.1f}-{high / 1000:.1f} kHz" if high >= 1000 else f"{low:.0f}-{high:.0f} Hz"  # noqa: PLR2004


def _list(names: list[str]) -> str:
    return " and ".join(names) if len(names) < 3 else f"{', '.join(names[:-1])} and {names[-1]}"  # noqa: PLR2004


def plain(names: Sequence[str]) -> str:
    """Name tags by their own names: what stands in a note."""
    return _list(list(dict.fromkeys(Name.parse(n).tag for n in names)))


def outside(contexts: Mapping[str, tuple[float, float, float]]) -> str:
    """Tell which contexts (value, lowest and highest known) lie outside what was learned."""
    told = [
        "the machine's state was not learned" if name == STATE
        else f"{Name.parse(name).tag} {_known(value, low, high)}"
        for name, (value, low, high) in contexts.items()
    ]  # fmt: skip
    return "; ".join(told)


def apart(learned: Learned) -> str:
    """Tell that each thing the machine is asked to do was learned, and not all of it together."""
    told = ["the machine's state" if n == STATE else Name.parse(n).tag for n in learned.manifest["contexts"]]
    return f"{_list(told)} were not learned in this combination"


def _known(value: float, low: float, high: float) -> str:
    """Tell a value and what is known, with as many digits as it takes to see that the one lies outside the other."""
    for digits in range(4, 17):
        said, least, most = (f"{x:.{digits}g}" for x in (value, low, high))
        if not float(least) <= float(said) <= float(most):
            break
    return f"{said} was not learned (known: {least} to {most})"
