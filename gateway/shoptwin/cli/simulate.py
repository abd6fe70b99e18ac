"""`shoptwin simulate`: the practice plant alone; it is found by an entry point, never imported by name."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shoptwin.cli.options import Moment, json_option
from shoptwin.cli.printing import as_json as print_json
from shoptwin.cli.printing import table, title

if TYPE_CHECKING:
    from collections.abc import Iterator

control_option = click.option(
    "--control", required=True, metavar="HOST:PORT", help="The control port, as `shoptwin simulate` printed it."
)
_port = {"type": click.IntRange(0, 65535), "default": 0, "metavar": "PORT"}


@click.group(invoke_without_command=True, short_help="The practice plant: machines to try it all on.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same plant.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), default=1.0, metavar="N",
              help="Plant time runs N times as fast; give the daemon the same with --clock-rate.")  # fmt: skip
@click.option("--epoch", type=Moment(), metavar="TIME", help="Plant time at the start. Else now, or the first row's.")
@click.option("--calendar", is_flag=True, help="Days differ: weekends, orders for products, seasons, cold starts.")
@click.option("--recording", "recordings", multiple=True, metavar="DIR",
              type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="Serve this recording instead of the simulated machines. May be repeated.")  # fmt: skip
@click.option("--modbus-port", help="Port of Modbus TCP; 0 for any free one.", **_port)  # type: ignore[arg-type]
@click.option("--opcua-port", help="Port of OPC UA; 0 for any free one.", **_port)  # type: ignore[arg-type]
@click.option("--rtu", is_flag=True, help="Serve Modbus RTU on a pseudo terminal too.")
@click.option("--write-config", "directory", type=click.Path(path_type=Path), metavar="PATH",
              help="Write a ready-made shoptwin.toml here (a folder, or a .toml file).")  # fmt: skip
@click.option("--delay", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS",
              help="Wait so long before plant time starts to run.")  # fmt: skip
@click.option("--exit-at-end", is_flag=True, help="End once all recordings have ended.")
@json_option
@click.pass_context
def simulate(ctx: click.Context, /, *, as_json: bool, **options: Any) -> None:  # noqa: ANN401 - of many types
    """Serve the practice plant on loopback: three machines of physics, over Modbus TCP and OPC UA, until Ctrl-C.

    \b
    Examples:
      shoptwin simulate --write-config practice
      shoptwin simulate --recording my-recording --rate 60 --write-config practice
      shoptwin simulate inject bearing-outer press-3 --over 40m --control 127.0.0.1:41000
    """  # noqa: D301 - click's mark
    if ctx.invoked_subcommand is not None:
        return
    plant, kind = _plant()
    # Options of the command are fields of the plant's own options, by name.
    asyncio.run(_serve(plant, kind(**options), as_json))


async def _serve(plant: Any, options: Any, as_json: bool) -> None:  # noqa: ANN401 - another distribution's types
    """Serve until the end, Ctrl-C or SIGTERM; both signals are the normal way to end it."""
    loop = asyncio.get_running_loop()
    serving = asyncio.ensure_future(plant.serve(options, lambda info: _ready(info.as_dict(), as_json)))
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, serving.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await serving


def _ready(info: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(info)
        return
    for key in ("modbus", "rtu", "opcua", "control", "config"):
        if info.get(key):
            click.echo(f"{key:8} {info[key]}")
    clock = info["clock"]
    if clock["rate"] != 1:
        click.echo(
            f"clock    --clock-rate {clock['rate']:g} --clock-epoch {clock['epoch']} --clock-origin {clock['origin']}"
        )
    for machine in info["machines"]:
        title(machine["name"])
        rows = ((t["name"], t["role"], t["unit"], t["modbus"], t["opcua"]) for t in machine["tags"])
        table(("tag", "role", "unit", "modbus", "opcua"), rows)


@simulate.command(short_help="Let something go wrong in a running plant.")
@click.argument("fault")
@click.argument("machine")
@click.option("--over", default="", metavar="TIME", help="How long (in plant time) it takes to grow to its full: 40m.")
@click.option(
    "--growth", type=click.Choice(["linear", "exponential"]), help="How it grows; each fault has its own way."
)
@click.option("--tag", default="", metavar="NAME", help="Which sensor, for a fault of a sensor.")
@control_option
def inject(fault: str, machine: str, *, over: str, growth: str | None, tag: str, control: str) -> None:
    """Let FAULT befall MACHINE in a plant that is running.

    \b
    Example:
      shoptwin simulate inject fan mill-5 --over 30m --control 127.0.0.1:41000
    """  # noqa: D301 - click's mark
    with _asking(control):
        found = _plant()[0].inject(control, fault, machine, over, growth=growth or "", tag=tag)
    took = (found or {}).get("tag") or tag
    click.echo(f"{fault} befalls {machine}{f'.{took}' if took else ''}")
    if took and not tag:
        click.echo(f"no --tag was given: the plant took {took}", err=True)


@simulate.command(short_help="Repair a machine of a running plant.")
@click.argument("machine")
@click.option("--fault", default="", metavar="NAME", help="This fault alone; else all of them.")
@control_option
def repair(machine: str, fault: str, control: str) -> None:
    """Repair MACHINE in a plant that is running.

    \b
    Example:
      shoptwin simulate repair mill-5 --control 127.0.0.1:41000
    """  # noqa: D301 - click's mark
    with _asking(control):
        _plant()[0].clear(control, machine, fault)
    click.echo(f"{machine} is repaired")


@simulate.command(short_help="What can go wrong.")
@json_option
def faults(as_json: bool) -> None:
    """List the faults that can befall the machines of the practice plant.

    \b
    Example:
      shoptwin simulate faults
    """  # noqa: D301 - click's mark
    found = _plant()[0].faults()
    if as_json:
        print_json([{"fault": name, "description": description} for name, description in found])
    else:
        table(("fault", "what happens"), found)


@contextlib.contextmanager
def _asking(control: str) -> Iterator[None]:
    """Say what a plant's refusal means on the command line: what it does not know was typed wrongly."""
    from shoptwin.domain.errors import ConfigError, NotConnected, ShoptwinError  # noqa: PLC0415 - as below

    try:
        yield
    except NotConnected as error:
        raise ShoptwinError(f"No plant answers at {control}", "Start one with: shoptwin simulate") from error
    except ConfigError as error:
        error.exit_code = click.UsageError.exit_code
        raise


def _plant() -> tuple[Any, Any]:
    """Return the installed plant, and the class of its options (PlantOptions in the module of its entry point).

    Raises:
        ShoptwinError: none is installed.
    """
    from importlib import import_module  # noqa: PLC0415 - `--help` needs none of it
    from importlib.metadata import entry_points  # noqa: PLC0415

    from shoptwin.domain.errors import ShoptwinError  # noqa: PLC0415

    for point in entry_points(group="shoptwin.plants"):
        return point.load(), import_module(point.module).PlantOptions
    raise ShoptwinError("No practice plant is installed", "Install shoptwin as a whole: pip install shoptwin")
