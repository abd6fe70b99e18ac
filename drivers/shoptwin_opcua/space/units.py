"""Engineering units: what OPC UA says (Part 8, 5.6.4: UNECE Recommendation 20) as the configuration writes it."""

from __future__ import annotations

UNECE = "http://www.opcfoundation.org/UA/units/un/cefact"
"""The namespace whose UnitIds are UNECE codes."""
_BY_CODE = {
    "CEL": "degC", "FAH": "degF", "KEL": "K",
    "AMP": "A", "4K": "mA", "VLT": "V", "2Z": "mV", "KVT": "kV", "OHM": "Ohm",
    "WTT": "W", "KWT": "kW", "MAW": "MW", "D46": "VA", "KVA": "kVA", "D44": "var", "KVR": "kvar",
    "WHR": "Wh", "KWH": "kWh", "MWH": "MWh", "JOU": "J", "KJO": "kJ",
    "C16": "mm/s", "MTS": "m/s", "2X": "m/min", "H81": "mm/min", "2M": "cm/s", "KMH": "km/h",
    "MSK": "m/s2", "M41": "mm/s2",
    "RPM": "rpm", "M46": "rpm", "C94": "rpm", "RPS": "rps", "HTZ": "Hz", "KHZ": "kHz", "2A": "rad/s",
    "BAR": "bar", "MBR": "mbar", "PAL": "Pa", "KPA": "kPa", "MPA": "MPa", "A97": "hPa", "PS": "psi",
    "L2": "l/min", "LD": "l/d", "G51": "l/s", "MQH": "m3/h", "MQS": "m3/s", "KGS": "kg/s", "E93": "kg/h",
    "MMT": "mm", "CMT": "cm", "MTR": "m", "4H": "um", "NEW": "N", "B47": "kN", "NU": "Nm",
    "GRM": "g", "KGM": "kg", "TNE": "t", "LTR": "l", "MTQ": "m3",
    "SEC": "s", "C26": "ms", "MIN": "min", "HUR": "h", "P1": "%", "DD": "deg", "C62": "", "H87": "pcs", "EA": "pcs",
}  # fmt: skip
"""Those that machines have, of UNECE_to_OPCUA.csv as the OPC Foundation publishes it with Part 8."""
_BY_NAME = {
    "°c": "degC", "c": "degC", "grad c": "degC", "celsius": "degC", "deg c": "degC", "degree celsius": "degC",
    "°f": "degF", "1/min": "rpm", "min-1": "rpm", "min⁻¹": "rpm", "u/min": "rpm", "r/min": "rpm", "rev/min": "rpm",
    "m³/h": "m3/h", "m³": "m3", "m³/s": "m3/s",
    "m/s²": "m/s2", "mm/s²": "mm/s2", "l/min.": "l/min", "µm": "um", "μm": "um",
    "°": "deg", "ω": "Ohm", "n·m": "Nm", "stk": "pcs", "stk.": "pcs", "stück": "pcs", "percent": "%",
}  # fmt: skip


def code(unit_id: int) -> str:
    """Return the UNECE code of a UnitId, its characters as the bytes of a number; empty where it is none."""
    if unit_id <= 0:
        return ""
    text = unit_id.to_bytes(8).lstrip(b"\0")
    return text.decode("ascii") if text.isalnum() else ""


def unit(unit_id: int, name: str, namespace: str = UNECE) -> str:
    """Return the unit as the configuration writes it: by its code, else by its name.

    `name` is what the server displays; it is returned as it stands where neither is known.
    """
    known = _BY_CODE.get(code(unit_id)) if namespace in {UNECE, UNECE + "/", ""} else None
    return known if known is not None else _BY_NAME.get(name.strip().lower(), name.strip())
