"""Guesses at what a variable measures, from its unit, name and type: told as guesses, and never relied on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from shoptwin.sdk import Role, ValueKind

if TYPE_CHECKING:
    from collections.abc import Sequence

_WORDS = re.compile(r"[A-ZÄÖÜ]+(?![a-zäöüß])|[A-ZÄÖÜ]?[a-zäöüß]+")
"""The words of `SpindleTemp_X1`: Spindle, Temp, X."""
_BY_UNIT = {
    Role.TEMPERATURE: {"degC", "degF", "K"},
    Role.CURRENT: {"A", "mA"},
    Role.POWER: {"W", "kW", "MW"},
    Role.SPEED: {"rpm", "rps", "rad/s"},
    Role.PRESSURE: {"bar", "mbar", "Pa", "hPa", "kPa", "MPa", "psi"},
    Role.FLOW: {"l/min", "l/h", "l/s", "l/d", "m3/h", "m3/s", "kg/s", "kg/h"},
    Role.VIBRATION: {"m/s2", "mm/s2", "g", "mm/s"},
    Role.COUNT: {"pcs"},
}
_DOUBTFUL = {"g", "mm/s", "m/s2", "mm/s2", "K", "mA"}
"""Units that mean a role only where the name says so too: a weight in g, an axis in mm/s, a 4-20 mA input."""
_OTHER = {
    "kWh", "Wh", "MWh", "J", "kJ", "V", "mV", "kV", "VA", "kVA", "var", "kvar", "Ohm", "s", "ms", "h", "min",
    "mm", "cm", "m", "um", "deg", "kg", "t", "l", "m3", "N", "kN", "Nm", "m/min", "mm/min", "km/h",
}  # fmt: skip
"""Units that no role has, whatever the name says: an energy is no power."""
_SURE = {unit: role for role, units in _BY_UNIT.items() for unit in units if unit not in _DOUBTFUL}
_STRONG = {Role.SETPOINT, Role.REJECT, Role.AMBIENT}
"""Roles that a name tells whatever the unit is: a setpoint of a temperature is in degC too."""
_BY_NAME: dict[Role, tuple[str, ...]] = {
    # In this order: a reject counter is a reject, an ambient temperature is ambient.
    Role.SETPOINT: ("setpoint", "setvalue", "soll*", "target*", "vorgabe*", "*sollwert", "commanded"),
    Role.REJECT: ("reject*", "scrap*", "ausschuss*", "ausschuß*", "nok", "*schlechtteile", "schlecht*", "defect*"),
    Role.AMBIENT: ("ambient*", "umgebung*", "raumtemp*", "hallentemp*"),
    Role.VIBRATION: ("vib*", "schwing*", "*schwingung", "rms", "veff", "vrms"),
    Role.TEMPERATURE: ("temp*", "*temp", "*temperatur", "*temperature"),
    Role.LOAD: ("load*", "last", "auslastung*", "*auslastung", "belastung*", "utilization", "utilisation"),
    Role.SPEED: ("speed*", "rpm", "drehzahl*", "*drehzahl", "geschwindigkeit*", "*geschwindigkeit", "velocity"),
    Role.POWER: ("power*", "leistung*", "*leistung", "wirkleistung*"),
    Role.CURRENT: ("strom*", "*strom", "current*", "amps"),
    Role.PRESSURE: ("pressure*", "druck", "drücke", "*druck"),
    Role.FLOW: ("flow*", "durchfluss*", "durchfluß*", "volumenstrom*", "*durchfluss"),
    Role.COUNT: (
        "count*", "*zähler", "*zaehler", "zähler*", "zaehler*", "stück*", "stueck*", "*menge", "teile*", "parts*",
        "strokes", "cycles", "hübe", "huebe", "hubzahl", "takte", "zyklen",
    ),
    Role.STATE: ("state*", "status*", "zustand*", "*zustand", "*status", "betriebsart*", "mode", "modus", "running"),
}  # fmt: skip
_UNRELATED = {
    Role.POWER: {"on", "supply", "factor", "faktor"}, Role.SPEED: {"override"},
    Role.CURRENT: {"state", "time", "program", "tool", "mode", "user"},
}  # fmt: skip
"""Words beside which a name means something else: "power on time", "current program"."""
_PATTERNS = {role: [re.compile(word.replace("*", r"\w*")) for word in words] for role, words in _BY_NAME.items()}
_COUNTED = {ValueKind.I8, ValueKind.U8}
_NUMBERS = {ValueKind.F4, ValueKind.F8, *_COUNTED}
_KINDS = {
    Role.STATE: {*_COUNTED, ValueKind.BOOL, ValueKind.STR},
    Role.COUNT: {*_COUNTED, ValueKind.F4, ValueKind.F8},
    Role.REJECT: {*_COUNTED, ValueKind.F4, ValueKind.F8, ValueKind.BOOL},
}
_UNITS: dict[Role, set[str]] = {
    **_BY_UNIT,
    Role.AMBIENT: _BY_UNIT[Role.TEMPERATURE],
    Role.LOAD: {"%"},
    Role.REJECT: {"pcs", "%"},
    Role.STATE: set(),
    Role.VIBRATION: _BY_UNIT[Role.VIBRATION] | {"m/s"},
    Role.SPEED: _BY_UNIT[Role.SPEED] | {"Hz", "mm/s", "m/s", "%"},
}
"""Units that go with a role that the name suggests; having none goes with all."""


def guess(
    names: Sequence[str], unit: str, kind: ValueKind | None, *, labelled: bool = False
) -> tuple[Role | None, str]:
    """Return the role that a variable seems to have, and from what; None where nothing suggests one.

    `names` are those of what it lies in and, last, its own; the nearer a name, the more it counts. `labelled`: the
    values of an enumeration have names.
    """
    if kind is None or not names:
        return None, ""
    if kind is ValueKind.WAVEFORM:
        return Role.WAVEFORM, "an array of numbers"
    role, word = _named(_words(names[-1]), unit, kind)
    if role not in _STRONG and kind in _NUMBERS and unit in _SURE:
        return _SURE[unit], f"unit {unit}"
    for name in names[-2:-1] if role is None else ():
        role, word = _named(_words(name), unit, kind)
    if role is not None:
        return role, f'name "{word}"' + (f", unit {unit}" if unit in _UNITS.get(role, ()) else "")
    if labelled and kind in _COUNTED:
        return Role.STATE, "its values have names"
    return None, ""


def _named(words: list[str], unit: str, kind: ValueKind) -> tuple[Role | None, str]:
    """Return the role that words suggest and that the type and the unit allow, and the word."""
    for role, patterns in _PATTERNS.items():
        if kind not in _KINDS.get(role, _NUMBERS) or _UNRELATED.get(role, set()) & set(words):
            continue
        if unit and role is not Role.SETPOINT and (unit in _OTHER or unit not in _UNITS.get(role, {unit})):
            continue
        for word in words:
            if any(pattern.fullmatch(word) for pattern in patterns):
                return role, word
    return None, ""


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORDS.findall(name)]
