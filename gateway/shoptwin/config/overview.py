"""What a configuration switches on, what it does not, and which tag or key would: the heart of `shoptwin check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoptwin.config.feature import Feature
from shoptwin.config.turning import turning
from shoptwin.domain.tag import Level, Role, ValueKind
from shoptwin.domain.timing import DAY, format_duration, iso

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shoptwin.config.settings import Config
    from shoptwin.domain.machine import Machine
    from shoptwin.domain.tag import Tag

NOT_PROCESS = frozenset({Role.WAVEFORM, Role.STATE, Role.COUNT, Role.REJECT})
"""Roles that the process model does not look at."""
CONTEXT = frozenset({Role.LOAD, Role.SETPOINT, Role.AMBIENT})
"""Roles that say what the machine is asked to do: alone they are no evidence of its health."""
VELOCITY = frozenset({"mm/s", "mm/s rms", "m/s", "m/s rms", "in/s rms", "ips rms"})
"""Units that the zones of ISO 20816-3 can be told in."""


def explain(config: Config) -> tuple[Feature, ...]:
    """Return, machine by machine, what is on and what would switch the rest on; the gateway itself comes first."""
    features = [_publishing(config)]
    for machine in config.machines:
        features += [_limits(machine), _zones(machine), _vibration(machine), *turning(machine)]
        features += [_process(machine), _state(machine)]
        features += [_switch(machine), _learning(machine), *_wires(machine), *_reports(machine)]
    return tuple(features)


def notes(config: Config) -> tuple[str, ...]:
    """Return what is allowed but probably not meant, in one sentence each."""
    return (*config.notes, *_notes(config))


def _notes(config: Config) -> Iterator[str]:
    used = {tag.device for tag in config.tags}
    yield from (f"device {d.name} is read by no tag" for d in config.devices if d.name not in used)
    for machine in config.machines:
        if not machine.tags:
            yield f"machine {machine.name} has no tag: nothing is known of it"
    for tag in config.tags:
        if tag.role is Role.VIBRATION and not tag.unit:
            yield f"{tag.machine}.{tag.name} has no unit: ISO 20816 needs to know that it is in mm/s"
        if tag.limits and not tag.unit:
            yield f"{tag.machine}.{tag.name} has limits and no unit: its alarms cannot say in what"
        if tag.kind is ValueKind.WAVEFORM and tag.role is not Role.WAVEFORM:
            yield f'{tag.machine}.{tag.name} is a waveform: no model looks at it without role = "waveform"'
        yield from (f"{tag.machine}.{tag.name}: {told}" for told in _labelled_alike(tag))
    if config.mqtt is not None and not config.mqtt.tls and config.mqtt.password is not None:
        yield "mqtt.url has no TLS: the password crosses the network in the clear (write mqtts://)"
    if config.unsigned_models:
        yield "models.unsigned runs models that no release has signed: whoever changes them changes the verdicts"
    if config.serve.metrics and config.serve.metrics.rpartition(":")[0] not in {"127.0.0.1", "localhost", "[::1]"}:
        yield f"serve.metrics listens on {config.serve.metrics}: whoever reaches it can read them, without a password"


def _labelled_alike(tag: Tag) -> Iterator[str]:
    numbers: dict[str, list[str]] = {}
    for number, text in tag.labels:
        numbers.setdefault(text, []).append(str(number))
    for text, alike in numbers.items():
        if len(alike) > 1:
            both = "both" if len(alike) == 2 else "all"  # noqa: PLR2004 - as the word says
            yield f"{', '.join(alike[:-1])} and {alike[-1]} are {both} labelled {text!r}"


def _publishing(config: Config) -> Feature:
    if config.mqtt is None:
        return Feature("", "publishing", False, 'add [mqtt] with url = "mqtts://your.broker:8883"')
    version = "5" if config.mqtt.version == 5 else "3.1.1"  # noqa: PLR2004 - the protocol's level
    return Feature("", "publishing", True, f"MQTT {version} to {config.mqtt.host}:{config.mqtt.port}")


def _limits(machine: Machine) -> Feature:
    limited = [tag for tag in machine.tags if tag.limits]
    if not limited:
        return Feature(machine.name, "limit alarms", False, "give a tag limits, as in: limits = { hi = 80 }")
    told = (f"{t.name} ({', '.join(v.value for v in Level if t.limits.get(v) is not None)})" for t in limited)
    return Feature(machine.name, "limit alarms", True, ", ".join(told))


def _zones(machine: Machine) -> Feature:
    name = "ISO 20816 zones"
    levels = _of(machine, Role.VIBRATION)
    judged = [tag for tag in levels if " ".join(tag.unit.lower().split()) in VELOCITY and not tag.limits]
    if machine.iso20816 is not None and judged:
        return Feature(machine.name, name, True, f"{machine.iso20816}: {_names(judged)}")
    wanted = []
    if machine.iso20816 is None:
        wanted.append('give the machine its class, as in: iso20816 = "group2-rigid"')
    if not levels:
        wanted.append('add a tag with role = "vibration" and unit = "mm/s"')
    elif not judged and levels[0].limits:
        wanted.append(f"take away the limits of {levels[0].name}: a tag's own go before the zones")
    elif not judged:
        wanted.append(f"measure {levels[0].name} as velocity: its unit is {levels[0].unit or 'not given'}, not mm/s")
    return Feature(machine.name, name, False, ", and ".join(wanted))


def _vibration(machine: Machine) -> Feature:
    waveforms = _of(machine, Role.WAVEFORM)
    if not waveforms:
        return Feature(machine.name, "vibration model", False, 'add a tag with role = "waveform"')
    return Feature(machine.name, "vibration model", True, f"learns from {_names(waveforms)}")


def _process(machine: Machine) -> Feature:
    name = "process model"
    tags = [tag for tag in machine.tags if tag.role not in NOT_PROCESS and tag.numeric]
    regime = CONTEXT | {Role.SPEED} if _of(machine, Role.WAVEFORM) else CONTEXT
    if all(tag.role in regime for tag in tags):
        return Feature(machine.name, name, False, 'add a tag with role = "temperature", "vibration", "current" …')
    return Feature(machine.name, name, True, f"learns from {_names(tags)}")


def _state(machine: Machine) -> Feature:
    name, rule = "machine state", machine.state
    states, powers, counts = (_of(machine, role) for role in (Role.STATE, Role.POWER, Role.COUNT))
    levels = rule.off is not None or rule.idle is not None
    tellers = [*(states if rule.values else ()), *(powers if levels else ()), *counts]
    if tellers:
        return Feature(machine.name, name, True, f"told by {_names(tellers)}")
    if states:
        wanted = f'say what the values of {states[0].name} mean: [machine.state] values = {{ "3" = "producing" }}'
    elif powers:
        wanted = f"say at which {powers[0].name} it is off or idle: [machine.state] off = 1.5, idle = 4.0"
    else:
        wanted = 'add a tag with role = "power", "state" or "count"'
    return Feature(machine.name, name, False, wanted)


def _switch(machine: Machine) -> Feature:
    if machine.maintenance_tag:
        return Feature(machine.name, "maintenance switch", True, machine.maintenance_tag)
    wanted = "name the tag of the key switch in maintenance_tag (`shoptwin maintenance` works without it)"
    return Feature(machine.name, "maintenance switch", False, wanted)


def _learning(machine: Machine) -> Feature:
    if not (_vibration(machine).on or _process(machine).on):
        return Feature(machine.name, "learned alarms", False, "add a tag that a model can learn from")
    if machine.learning.until is not None:
        return Feature(machine.name, "learned alarms", True, f"all before {iso(machine.learning.until)} was normal")
    span = machine.learning.span
    told = format_duration(span) if span < DAY else f"{span / DAY:g} d"
    return Feature(machine.name, "learned alarms", True, f"after {told} of good data")


def _wires(machine: Machine) -> Iterator[Feature]:
    """Tell of inputs whose wire is watched; a machine without 4-20 mA inputs lacks nothing."""
    if watched := [tag for tag in machine.tags if tag.loop is not None]:
        yield Feature(machine.name, "broken wires", True, f"watched by NAMUR NE 43: {_names(watched)}")


def _reports(machine: Machine) -> Iterator[Feature]:
    """Tell of tags of which not every sample is kept; that each one is kept goes without saying."""
    if sparing := [tag for tag in machine.tags if not tag.report.each]:
        told = ", ".join(f"{tag.name} ({_report(tag)})" for tag in sparing)
        yield Feature(machine.name, "kept on change", True, told)


def _report(tag: Tag) -> str:
    report = tag.report
    least = [f"{report.deadband:g} {tag.unit}".rstrip()] if report.deadband else []
    least += [f"{report.percent:g} %"] if report.percent else []
    by = f"by more than {' and '.join(least)}" if least else "any change"
    return f"{by}, at least every {format_duration(report.heartbeat)}"


def _of(machine: Machine, role: Role) -> list[Tag]:
    return [tag for tag in machine.tags if tag.role is role]


def _names(tags: list[Tag]) -> str:
    return ", ".join(tag.name for tag in tags)
