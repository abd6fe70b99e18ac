"""Which alarms there are: told from the configuration alone, so that a SCADA can bind to them before any occurs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from shoptwin.alarms.advice import advice, by_cause
from shoptwin.alarms.bad_data import BAD
from shoptwin.alarms.iso20816 import DELAY, OFF_DELAY
from shoptwin.alarms.thresholds import conditions
from shoptwin.domain.alarm import AlarmDef, Priority
from shoptwin.domain.errors import ConfigError
from shoptwin.domain.timing import MINUTE, SECOND

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from shoptwin.domain.device import Device
    from shoptwin.domain.machine import Machine
    from shoptwin.domain.tag import Tag


class Kind(NamedTuple):
    """A kind of alarm: how urgent, how long it has to last either way, and what it means."""

    id: str
    priority: Priority
    on_delay: int | None
    """None: as configured with the tag's limits."""
    off_delay: int | None
    meaning: str


TAG_KINDS: Mapping[str, Kind] = {
    "hihi": Kind("<tag>.hihi", Priority.HIGH, None, None, "above the limit that calls for action at once"),
    "hi": Kind("<tag>.hi", Priority.MEDIUM, None, None, "above the first limit"),
    "lo": Kind("<tag>.lo", Priority.MEDIUM, None, None, "below the first limit"),
    "lolo": Kind("<tag>.lolo", Priority.HIGH, None, None, "below the limit that calls for action at once"),
    "zone-c": Kind(
        "<tag>.zone-c", Priority.MEDIUM, DELAY, OFF_DELAY, "vibration beyond zone B of ISO 20816-3: plan a repair"
    ),
    "zone-d": Kind(
        "<tag>.zone-d", Priority.HIGH, DELAY, OFF_DELAY, "vibration in zone D of ISO 20816-3: damage is to be expected"
    ),
    BAD: Kind("<tag>.bad", Priority.LOW, MINUTE, 10 * SECOND, "no usable data although its device is connected"),
}
MACHINE_KINDS: Mapping[str, Kind] = {
    "abnormal": Kind("health.abnormal", Priority.MEDIUM, 0, 0, "the machine does not behave as it has learned"),
}
DEVICE_KINDS: Mapping[str, Kind] = {
    "not-connected": Kind(
        "<device>.not-connected",
        Priority.HIGH,
        10 * SECOND,
        30 * SECOND,
        "a device is lost: its limits are not watched",
    ),
    "auth-failed": Kind("<device>.auth-failed", Priority.HIGH, 0, 0, "a device refuses user or password"),
    "quarantined": Kind(
        "<device>.quarantined", Priority.HIGH, 0, 0, "a driver failed and is left alone until a reload"
    ),
    "part-lost": Kind(
        "<device>.part-lost",
        Priority.MEDIUM,
        30 * SECOND,
        30 * SECOND,
        "a unit or node behind a device does not answer: its limits are not watched",
    ),
    "late": Kind(
        "<device>.late", Priority.LOW, 3 * MINUTE, 5 * MINUTE, "a device does not keep its period: polls are left out"
    ),
    "clock-skew": Kind(
        "<device>.clock-skew", Priority.LOW, MINUTE, MINUTE, "the clock of a device is off: its time stamps are wrong"
    ),
    "certificate-expiring": Kind(
        "<device>.certificate-expiring", Priority.LOW, 0, 0, "a certificate for a device expires within 60 days"
    ),
}
GATEWAY_KINDS: Mapping[str, Kind] = {
    "assess-failed": Kind(
        "<machine>.assess-failed", Priority.MEDIUM, 0, MINUTE, "the models of a machine failed; its limits go on"
    ),
    "rejected": Kind(
        "model.rejected", Priority.MEDIUM, 0, 0, "a model is not the one that its manifest names: not used"
    ),
    "full": Kind("store.full", Priority.HIGH, 0, MINUTE, "samples cannot be written: disk full or read-only"),
    "corrupt": Kind(
        "store.corrupt", Priority.MEDIUM, 0, 0, "a file was damaged and a new one begun; stays until acknowledged"
    ),
    "invalid": Kind("clock.invalid", Priority.MEDIUM, 0, 0, "the gateway's clock is not set"),
    "failed": Kind(
        "learning.failed", Priority.LOW, 0, 0, "learning stopped with an error; what was learned stays in use"
    ),
}


def define(machines: Iterable[Machine], devices: Iterable[Device]) -> dict[str, AlarmDef]:
    """Return every alarm that can occur, by key.

    Raises:
        ConfigError: two alarms would have the same key, or a machine's ISO class does not exist.
    """
    found: dict[str, AlarmDef] = {}
    for definition in _all(tuple(machines), devices):
        if definition.key in found:
            raise ConfigError(
                f"Two alarms would be called {definition.key}", "Rename the tag, machine or device that they share."
            )
        found[definition.key] = definition
    return found


def _all(machines: Iterable[Machine], devices: Iterable[Device]) -> Iterator[AlarmDef]:
    for machine in machines:
        for tag in machine.tags:
            for condition in (*conditions(machine, tag), BAD):
                yield _of_tag(tag, condition)
        yield _plain(MACHINE_KINDS["abnormal"], "health", "abnormal", machine.name)
        yield _plain(GATEWAY_KINDS["assess-failed"], machine.name, "assess-failed")
    for device in devices:
        for condition, kind in DEVICE_KINDS.items():
            yield _plain(kind, device.name, condition)
    for condition, kind in GATEWAY_KINDS.items():
        if not kind.id.startswith("<"):
            yield _plain(kind, kind.id.partition(".")[0], condition)


def _of_tag(tag: Tag, condition: str) -> AlarmDef:
    kind = TAG_KINDS[condition]
    return AlarmDef(
        f"{tag.name}.{condition}", tag.machine, condition, kind.priority, tag.name, tag.unit,
        tag.limits.on_delay if kind.on_delay is None else kind.on_delay,
        tag.limits.off_delay if kind.off_delay is None else kind.off_delay,
        advice(condition, None if condition == BAD else tag.role),
    )  # fmt: skip


def _plain(kind: Kind, about: str, condition: str, machine: str | None = None) -> AlarmDef:
    return AlarmDef(
        f"{about}.{condition}", machine, condition, kind.priority,
        on_delay=kind.on_delay or 0, off_delay=kind.off_delay or 0, advice=advice(condition),
        by_cause=by_cause(condition),
    )  # fmt: skip
