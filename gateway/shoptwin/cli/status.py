"""`shoptwin status`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from shoptwin.cli.options import json_option, socket_option
from shoptwin.cli.printing import as_json as print_json
from shoptwin.cli.printing import below, counted, pick, some, table, title, wrapped
from shoptwin.cli.words import learning, outlook
from shoptwin.cli.zone import PlantTime

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shoptwin.serve.client import Client

_COUNTED = {
    "requests": ("request", "requests"), "timeouts": ("time-out", "time-outs"),
    "garbled": ("garbled reply", "garbled replies"), "retries": ("retry", "retries"),
}  # fmt: skip
MOST_NAMED = 12
"""Addresses or units that are named in one line."""


@click.command(short_help="How the gateway, its devices and its machines are.")
@click.option("--tags", is_flag=True, help="Every tag too, with value, quality and age.")
@click.option("--devices", is_flag=True, help="The talk with each device in figures: requests, bytes, time-outs.")
@click.option("--follow", is_flag=True, help="A live view until Ctrl-C: machines, tags, health, alarms, outbox.")
@socket_option
@json_option
def status(client: Client, tags: bool, devices: bool, follow: bool, as_json: bool) -> None:
    """Show how the gateway, its devices and its machines are.

    \b
    Examples:
      shoptwin status
      shoptwin status --tags
      shoptwin status --devices
      shoptwin status --follow
      shoptwin status --json
    """  # noqa: D301 - click's mark
    if follow:
        if as_json or not sys.stdout.isatty():
            raise click.UsageError(
                "--follow is a live view and needs a terminal. For programs: shoptwin status --json; to repeat it: "
                "watch shoptwin status."
            )
        from shoptwin.cli.view import watch  # noqa: PLC0415 - rich, for the live view alone

        watch(client)
        return
    found = client.get("/v1/status")
    if as_json:
        print_json(found)
        return
    zone = PlantTime(found.get("timezone"))
    _head(found, zone)
    _devices(found["devices"], found["degraded"])
    if devices:
        _talks(found["devices"], zone)
    _machines(found["machines"], zone)
    if tags:
        title("tags")
        headings = ("tag", "value", "unit", "quality", "age s")
        rows = (tag for machine in found["machines"] for tag in machine["tags"])
        table(headings, ((t["id"], _named(t), t["unit"], t["quality"], t["age_s"]) for t in rows))


def _named(tag: dict[str, Any]) -> Any:  # noqa: ANN401 - a value of any tag
    """Return the value, with the name of it where it is one of an enumeration."""
    return f"{tag['value']} {tag['text']}" if tag.get("text") else tag["value"]


def _clock(clock: dict[str, Any]) -> str:
    """Return what is to be said of the box's clock; nothing where it is set and kept, or nobody knows."""
    if clock.get("set") is False:
        return "not set since the box started: times are provisional"
    return "nothing keeps it (no NTP): it drifts" if clock.get("synchronised") is False else ""


def _head(found: dict[str, Any], zone: PlantTime) -> None:
    now = zone.day(found["now"])
    click.echo(f"{found['site']}/{found['gateway']}: shoptwin {found['version']}, up {found['uptime']}, {now}")
    if (rate := found.get("clock_rate", 1)) != 1:
        click.echo(f"clock     plant clock {rate:g} times real time")
    elif words := _clock(found.get("clock", {})):
        click.echo(f"clock     {words}")
    standing = {priority: count for priority, count in found["alarms"].items() if count}
    told = ", ".join(f"{count} {priority}" for priority, count in standing.items())
    click.echo(f"alarms    {told or 'none'}")
    outbox = found["outbox"]
    if "connected" not in outbox:
        broker = "no [mqtt]: nothing is published"
    elif outbox["connected"]:
        broker = "connected"
    elif (error := outbox.get("error")) and any(error in line for line in found["degraded"]):
        broker = "away"  # why stands below
    else:
        broker = f"away: {error or 'not reached yet'}"
    click.echo(f"broker    {broker}, {outbox.get('messages', 0)} messages in the outbox")
    for line in found["degraded"]:
        first, *rest = wrapped(zone.text(line), 10)
        click.echo(f"{click.style('degraded', fg='yellow')}  {first}")
        for part in rest:
            click.echo(f"          {part}")


def _devices(devices: list[dict[str, Any]], degraded: list[str]) -> None:
    title("devices")
    headings = ("device", "driver", "health", "tags", "polls", "missed", "bad", "p50 ms")
    keys = ("device", "driver", "health", "tags", "polls", "missed_polls", "bad_samples", "latency_p50_ms")
    table(headings, ([device.get(key) for key in keys] for device in devices))
    for device in devices:
        reason = device.get("reason")
        if reason and not any(reason in line for line in degraded):
            below(f"{device['device']}: {reason}")
        for line in _troubles(device):
            below(f"{device['device']}: {line}")


def _troubles(device: dict[str, Any]) -> Iterator[str]:
    """Say what does not answer behind a device that does, and what it refuses."""
    silent = [part for part, answers in device.get("parts", {}).items() if not answers]
    if silent and device["health"] == "connected":
        yield f"no answer from {some(silent, MOST_NAMED)}: asked now and then"
    by_status: dict[str, list[str]] = {}
    for hole in device.get("holes", ()):
        by_status.setdefault(hole["status"], []).append(hole["address"])
    for status_, addresses in by_status.items():
        yield f"refuses {some(addresses, MOST_NAMED)} ({status_}): left out, and tried again now and then"


def _talks(devices: list[dict[str, Any]], zone: PlantTime) -> None:
    title("talk with the devices")
    for device in devices:
        for n, line in enumerate(_talk(device, zone)):
            click.echo(f"{device['device'] if not n else '':<18}  {line}")


def _talk(device: dict[str, Any], zone: PlantTime) -> Iterator[str]:
    """Say in figures how the talk with a device goes; what its driver does not tell is left out."""
    if since := device.get("counted_since"):  # of a reload that touched it, where that was later than the start
        yield f"counted since {zone.day(since)}"
    if "requests" in device:
        yield ", ".join(counted(device[key], *words) for key, words in _COUNTED.items())
        yield f"{device['bytes_sent']:,} bytes sent, {device['bytes_received']:,} received"
        if refused := device["exceptions"]:
            yield "exceptions: " + ", ".join(f"code {code} {_often(count)}" for code, count in refused.items())
    yield from (f"{what}: {how}" for what, how in device.get("notes", {}).items())
    if torn := device.get("torn_waveforms"):
        yield f"{counted(torn, 'waveform', 'waveforms')} dropped: changed while being read"
    if device["polls"] or not device.get("samples"):
        yield f"{device['polls']:,} polls, {device.get('late_polls', 0):,} late, {device['missed_polls']:,} missed"
    else:
        yield f"{device['samples']:,} values, sent by the device itself"
    if device["latency_p50_ms"] is not None:
        yield f"a poll takes {device['latency_p50_ms']:g} ms (p50), {device['latency_p99_ms']:g} ms (p99)"
    if (p50 := device.get("request_p50_ms")) is not None:
        yield f"a request takes {p50:g} ms (p50), {device['request_p99_ms']:g} ms (p99)"
    if (skew := device.get("skew_s")) is not None:
        yield f"its clock is {abs(skew):g} s {'behind' if skew > 0 else 'ahead'}"
    if certificates := device.get("certificates"):
        yield "certificates valid until " + ", ".join(f"{last[:10]} ({whose})" for whose, last in certificates.items())
    yield f"breaker {device['breaker']}"


def _often(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _machines(machines: list[dict[str, Any]], zone: PlantTime) -> None:
    title("machines")
    table(("machine", "state", "health", "score", "index", "learned", "alarms"), map(_machine, machines))
    for machine in machines:
        if window := machine["maintenance"]:
            until = f"until {zone.day(window['until'])}" if window["until"] else "until switched off"
            below(f"{machine['name']}: in maintenance {until}: {window['reason']}")
        for line in _evidence(machine):
            below(f"{machine['name']}: {zone.text(line)}")


def _machine(machine: dict[str, Any]) -> tuple[Any, ...]:
    return (
        machine["name"], machine["state"], pick(machine, "health", "state"), pick(machine, "health", "score"),
        pick(machine, "health", "index"),
        learning(machine) if pick(machine, "health", "progress") is not None else None, machine["alarms"],
    )  # fmt: skip


def _evidence(machine: dict[str, Any]) -> Iterator[str]:
    """Say how long is left, what moved where the health is not normal, and why where it abstains."""
    if pick(machine, "health", "remaining"):
        yield f"health {outlook(machine)}"
    if pick(machine, "health", "state") == "abnormal":
        yield from machine["health"]["evidence"]
        if since := pick(machine, "health", "since"):
            yield f"out of its usual range since {since}"
    for hypothesis in pick(machine, "health", "hypotheses") or ():
        grounds = "; ".join(hypothesis["grounds"])
        yield f"may be {hypothesis['fault']} ({hypothesis['support']:.0%} of what it would show): {grounds}"
    if note := pick(machine, "health", "note"):
        yield note
