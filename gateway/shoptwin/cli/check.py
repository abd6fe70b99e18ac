"""`shoptwin check`."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import click

from shoptwin.cli.options import config_option, json_option
from shoptwin.cli.printing import as_json as print_json
from shoptwin.cli.printing import below, sentence, some, table, title
from shoptwin.domain.timing import format_duration

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from shoptwin.config import Config
    from shoptwin.domain.ports import Plugin
    from shoptwin.domain.tag import Tag

MOST_NAMED = 5
"""Tags that are named where many have the same trouble."""


@click.command(short_help="Is the configuration right, and what does it switch on?")
@config_option
@click.option("--probe", is_flag=True, help="Connect to each device too, and read each tag once.")
@json_option
@click.pass_context
def check(ctx: click.Context, config_path: Path, probe: bool, as_json: bool) -> None:
    """Check the configuration; print what it switches on, what it does not, and which tag would.

    Nothing is changed and no daemon is needed. Exit code 78 says that the configuration is wrong, 1 that a probed tag
    could not be read.

    \b
    Examples:
      shoptwin check --config shoptwin.toml
      shoptwin check --config shoptwin.toml --probe
    """  # noqa: D301 - click's mark
    from shoptwin import config  # noqa: PLC0415 - `--help` needs none of it
    from shoptwin.acquire.registry import keep_certificates, plugins  # noqa: PLC0415
    from shoptwin.cli.keeping import as_given, usual_state  # noqa: PLC0415
    from shoptwin.cli.probe import probe_all  # noqa: PLC0415

    drivers = plugins()
    loaded = config.load(config_path, drivers, state_dir=usual_state(config_path), secrets=False)
    keep_certificates(drivers, loaded.store.directory, loaded.gateway.site, loaded.gateway.name)
    doubts = [*_doubts(loaded, drivers), *_models(loaded)]
    readings = asyncio.run(probe_all(loaded, drivers, as_given(ctx))) if probe else {}
    if as_json:
        print_json(_told(loaded, readings, doubts))
    else:
        _print(loaded, readings, doubts)
    if not all(reading["good"] for reading in readings.values()):
        ctx.exit(1)


def _doubts(loaded: Config, drivers: Mapping[str, Plugin]) -> list[str]:
    """Say what is odd about the gateway's own certificates, as far as this user may look at them."""
    from shoptwin.domain.errors import DriverError  # noqa: PLC0415 - `--help` needs none of it
    from shoptwin.domain.ports import Trusting  # noqa: PLC0415 - numpy comes with it

    found = []
    for name in dict.fromkeys(device.driver for device in loaded.devices):
        driver = drivers[name]
        with contextlib.suppress(DriverError, PermissionError):
            if isinstance(driver, Trusting):
                own = [each for each in driver.certificates() if each.standing == "own"]
                found += [f"the gateway's certificate {note}" for each in own for note in each.notes]
    return found


def _models(loaded: Config) -> list[str]:
    """Say what is wrong with the shipped models, where they must be signed."""
    from importlib import resources  # noqa: PLC0415 - as above

    from shoptwin.assess.seal import problem  # noqa: PLC0415
    from shoptwin.assess.shelf import PACKAGE  # noqa: PLC0415

    wrong = "" if loaded.unsigned_models else problem(resources.files(PACKAGE))
    return [f"no shipped model that is refused judges a machine: {wrong}"] if wrong else []


def _told(loaded: Config, readings: dict[str, dict[str, Any]], doubts: list[str]) -> dict[str, Any]:
    from shoptwin.config import explain, notes  # noqa: PLC0415

    return {
        "file": str(loaded.path),
        "tag_lists": [{"file": str(t.path), "machine": t.machine, "tags": t.tags} for t in loaded.tag_lists],
        "devices": [{"name": d.name, "driver": d.driver, "period_s": d.period / 1e9} for d in loaded.devices],
        "tags": [
            {
                "id": tag.id, "machine": tag.machine, "name": tag.name, "role": tag.role.value, "unit": tag.unit,
                "device": tag.device, "address": tag.address, "scale": tag.scale, "offset": tag.offset,
                "current_loop": [tag.loop.low, tag.loop.high] if tag.loop else None, "missing": list(tag.missing),
                "labels": {str(number): text for number, text in tag.labels}, "report": _report(tag),
                **readings.get(tag.id, {}),
            }
            for tag in loaded.tags
        ],
        "features": [
            {"machine": f.machine, "feature": f.name, "on": f.on, "detail": f.detail} for f in explain(loaded)
        ],
        "notes": [*notes(loaded), *doubts],
    }  # fmt: skip


def _print(loaded: Config, readings: dict[str, dict[str, Any]], doubts: list[str]) -> None:
    from shoptwin.config import explain, notes  # noqa: PLC0415

    bad = [tag for tag in loaded.tags if tag.id in readings and not readings[tag.id]["good"]]
    if bad:
        told = f"{loaded.path} can be used, but {len(bad)} of {len(readings)} tags cannot be read"
        click.echo(click.style(told, fg="red", bold=True))
    else:
        click.echo(f"{loaded.path} is right" + (f", and all {len(readings)} tags can be read" if readings else ""))
    title("devices")
    counts = {d.name: sum(tag.device == d.name for tag in loaded.tags) for d in loaded.devices}
    rows = ((d.name, d.driver, getattr(d.settings, "url", ""), format_duration(d.period), counts[d.name])
            for d in loaded.devices)  # fmt: skip
    table(("device", "driver", "url", "period", "tags"), rows)
    if loaded.tag_lists:
        title("tag lists")
        table(("list", "machine", "tags"), ((each.path, each.machine, each.tags) for each in loaded.tag_lists))
    title("tags")
    headings = ["tag", "role", "unit", "device", "address"] + (["now", "quality"] if readings else [])
    cells = ([t.id, t.role.value, t.unit, t.device, t.address, *_now(t, readings.get(t.id))] for t in loaded.tags)
    table(headings, cells, spare=("address", "device", "role"))
    if bad:
        _cures(bad, readings)
    title("what is on")
    for feature in explain(loaded):
        sign = click.style("on ", fg="green") if feature.on else click.style("off", fg="yellow")
        where = feature.machine or "gateway"
        sentence(
            f"{sign}  ", f"{where}: {feature.name}{' - ' if feature.on else ' - to switch it on, '}{feature.detail}"
        )
    for note in (*notes(loaded), *doubts):
        sentence(f"{click.style('note', fg='yellow')} ", note)


def _cures(bad: list[Tag], readings: dict[str, dict[str, Any]]) -> None:
    """Say once for each trouble which tags have it, and what to do."""
    title("what to do")
    troubles: dict[tuple[str, str, str], list[str]] = {}
    for tag in bad:
        reading = readings[tag.id]
        troubles.setdefault((tag.device, reading["status"], reading["cure"]), []).append(tag.id)
    for (device, status, cure), tags in troubles.items():
        click.echo(f"{device}: {status}")
        below(some(tags, MOST_NAMED))
        below(cure)


def _now(tag: Tag, reading: dict[str, Any] | None) -> list[Any]:
    if not reading:
        return []
    label = tag.label(reading["value"])
    return [f"{reading['value']} {label}" if label else reading["value"], reading["status"]]


def _report(tag: Tag) -> dict[str, Any]:
    report = tag.report
    if report.each:
        return {"each": True}
    return {
        "each": False, "deadband": report.deadband, "percent": report.percent, "heartbeat_s": report.heartbeat / 1e9,
    }  # fmt: skip
