"""What to check next, by what is measured and in which way it is wrong: short, likely and easy things first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoptwin.domain.tag import Role

if TYPE_CHECKING:
    from collections.abc import Mapping

HIGH, LOW = "high", "low"
_WAYS = {"hihi": HIGH, "hi": HIGH, "lo": LOW, "lolo": LOW, "zone-c": HIGH, "zone-d": HIGH}
_SENSOR = "the sensor and its wiring, if the machine itself shows nothing"

BY_ROLE: Mapping[tuple[Role, str], tuple[str, ...]] = {
    (Role.TEMPERATURE, HIGH): (
        "cooling: is the fan turning, is the filter clean, is coolant flowing",
        "load and speed: more than usual?",
        "the temperature around the machine",
        "lubrication of the bearings",
        _SENSOR,
    ),
    (Role.TEMPERATURE, LOW): (
        "is the machine running and warmed up",
        "heater and thermostat",
        "coolant flow: stuck open?",
        _SENSOR,
    ),
    (Role.AMBIENT, HIGH): ("ventilation of the hall or cabinet", "filters of the cabinet", "heat from a neighbour"),
    (Role.AMBIENT, LOW): ("doors and heating of the hall", "where the sensor is mounted"),
    (Role.VIBRATION, HIGH): (
        "is the sensor fixed firmly",
        "loose foundation bolts, belts, coupling",
        "bearing: noise, heat, grease",
        "balance and alignment, after a change of tool or part",
        "speed: near a resonance?",
    ),
    (Role.VIBRATION, LOW): ("is the machine running", "is the sensor fixed firmly", "cable and supply of the sensor"),
    (Role.CURRENT, HIGH): (
        "load: jam, blunt tool, dry bearing",
        "voltage and balance of the phases",
        "the motor's temperature",
    ),
    (Role.CURRENT, LOW): ("is the machine running", "coupling or belt: torn?", "fuse of one phase"),
    (Role.POWER, HIGH): ("load: jam, blunt tool, friction", "what else runs on the same meter", _SENSOR),
    (Role.POWER, LOW): ("is the machine running", "drive: belt or coupling torn?", "fuses and the meter's wiring"),
    (Role.SPEED, HIGH): ("set point of the drive", "load: lost?", "the speed sensor"),
    (Role.SPEED, LOW): ("set point of the drive", "load: jam or overload", "belt: slipping?", "the speed sensor"),
    (Role.LOAD, HIGH): ("jam, blunt tool, wrong material", "set points of the recipe"),
    (Role.LOAD, LOW): ("is material being fed", "tool or coupling: broken?"),
    (Role.PRESSURE, HIGH): ("relief valve and regulator", "blocked line or filter behind the sensor", _SENSOR),
    (Role.PRESSURE, LOW): (
        "leaks: hoses, fittings, seals",
        "pump or compressor",
        "filter and level before it",
        _SENSOR,
    ),
    (Role.FLOW, HIGH): ("valve position", "a line that has come off", _SENSOR),
    (Role.FLOW, LOW): ("filter and strainer", "closed or stuck valve", "pump", "level in the tank", _SENSOR),
    (Role.REJECT, HIGH): ("what changed: material, tool, set points", "the last good parts against the first bad ones"),
    (Role.SETPOINT, HIGH): ("who changed the recipe, and why",),
    (Role.SETPOINT, LOW): ("who changed the recipe, and why",),
}

BY_CONDITION: Mapping[str, tuple[str, ...]] = {
    "bad": (
        "the sensor, its cable and its plug",
        "the tag's address in the configuration, against the PLC's program",
        "what the device says to it: for OPC UA `shoptwin browse URL`, for Modbus `shoptwin check --probe`",
        "the device's own diagnosis of that channel",
    ),
    "abnormal": (
        "what moved, as the alarm's evidence says, on the machine itself",
        "what changed: material, tool, recipe, maintenance",
        "if this is how it is to run from now on: let it learn anew",
    ),
    "not-connected": (
        "power and network cable of the device (is its link light on?)",
        "its IP address and port, or baud rate and slave number, in the configuration",
        "`ping` from the gateway; then for OPC UA `shoptwin browse URL`, for Modbus `shoptwin check --probe`",
        "has it free connections? Many PLCs allow only a few",
    ),
    "auth-failed": (
        "user and password in the configuration, and the file the password is in",
        "at the device: may this user log in and read, is the account locked",
        "then `shoptwin reload`: the gateway does not try again by itself, so as not to lock the account",
    ),
    "part-lost": (
        "is what does not answer switched on? Its power, its cable and plug, the bus behind it",
        "its unit number, baud rate and parity, against the configuration; no two units may have one number",
        "`shoptwin status` names all that does not answer; then `shoptwin check --probe`",
    ),
    "late": (
        "the period of the device: longer, or other periods for its slow tags",
        "`shoptwin status --devices`: time-outs and latency, units that do not answer",
        "on a serial line: baud rate, and how many units share it",
    ),
    "clock-skew": (
        "the clock and time server of the device, and of the gateway (`timedatectl`)",
        "values are stored under the device's own time: correct it before anybody relies on their order",
    ),
    "certificate-expiring": (
        "whose it is: the gateway's own is made anew by `shoptwin trust renew`, a device's in its own tool",
        "accept the new one on the other side before the old one ends: `shoptwin trust list`, and the device's tool",
    ),
    "quarantined": (
        "`journalctl -u shoptwin`: the driver failed in a way nobody foresaw; please report what it says",
        "`shoptwin reload` starts the device anew",
    ),
    "full": (
        "free space and mount options of the disk (`df -h`, `mount`): full, or gone read-only?",
        "`store.keep` and `store.max_bytes` in the configuration",
        "an SD card that turned read-only is worn out: replace it",
    ),
    "corrupt": (
        "power: was the gateway switched off hard, is the supply strong enough",
        "the SD card or disk: replace it if this happens again",
        "the damaged file is kept beside the new one; alarms are in a file of their own",
    ),
    "rejected": (
        "is the model's file the one that its manifest names (`shoptwin check`)",
        "install it anew; limits go on alarming meanwhile",
    ),
    "assess-failed": (
        "`journalctl -u shoptwin`: please report what it says",
        "limits of this machine go on alarming meanwhile",
    ),
    "invalid": (
        "does the gateway reach a time server (`timedatectl`)",
        "a battery-backed clock, if the network has none",
        "until then certificates count as not yet valid and times are wrong",
    ),
    "failed": (
        "`journalctl -u shoptwin`: why the learning stopped",
        "free memory and disk; what was learned before stays in use",
    ),
}


BY_CAUSE: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "not-connected": {
        "not-trusted": (
            "which of the two does not accept the other's certificate: the alarm's text says so, with the cure",
            "the device's: `shoptwin trust show DEVICE` against what its own tool shows, then `shoptwin trust accept`",
            "the gateway's, `shoptwin trust show`: in the device's list of those it trusts, not of those it rejected?",
            "was a certificate renewed, or a device replaced? Who knows of it?",
        ),
    },
}
"""What to check of a condition where it is known which error it is from."""


def by_cause(condition: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return what to check of a condition by the code of the error that it is from."""
    return tuple(BY_CAUSE.get(condition, {}).items())


def advice(condition: str, role: Role | None = None) -> tuple[str, ...]:
    """Return what to check next for a condition, of a tag with this role where there is one."""
    if role is not None and (found := BY_ROLE.get((role, _WAYS.get(condition, "")))):
        return found
    return BY_CONDITION.get(condition, (_SENSOR,) if role is not None else ())
