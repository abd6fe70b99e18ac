"""`shoptwin scan`."""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from shoptwin.cli.keeping import as_given, glance
from shoptwin.cli.lookup import by_name, find, settings_option, ways
from shoptwin.cli.options import config_option, json_option
from shoptwin.cli.printing import as_json as print_json
from shoptwin.cli.printing import below, columns, table, title

if TYPE_CHECKING:
    from pathlib import Path

    from shoptwin.cli.lookup import Target
    from shoptwin.domain.discovery import FoundRange, FoundUnit, ScanReport, ScanWish

LONG = 20.0
"""Seconds from which on it is said before how long a scan may take."""
IDENTITY = ("VendorName", "ProductCode", "ProductName", "ModelName", "MajorMinorRevision", "UserApplicationName")
"""What a device says of itself, in the order in which it is told."""
REGISTERS = ("holding", "input")
MOST_OF_A_RANGE = 1000
"""Numbers in one range: more units than any line has."""
SHOWN = 4
"""Raw values of a range in the table."""


class Numbers(click.ParamType):  # type: ignore[type-arg]  # generic to newer clicks alone
    """`1-20,247`: whole numbers and ranges of them, in the order given."""

    name = "numbers"

    def __init__(self, example: str) -> None:
        """`example`: what to write instead of what is wrong."""
        self._example = example

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Return the numbers, each once."""
        if isinstance(value, tuple):
            return value
        found: dict[int, None] = {}
        for part in str(value).split(","):
            low, dash, high = (word.strip() for word in part.partition("-"))
            if not low.isdecimal() or (dash and not (high.isdecimal() and int(low) <= int(high))):
                self.fail(f"{part.strip()!r} is no number and no range: write {self._example}", param, ctx)
            if int(high or low) > 10**7 or int(high or low) - int(low) > MOST_OF_A_RANGE:
                self.fail(f"{part.strip()!r} is too large", param, ctx)
            found |= dict.fromkeys(range(int(low), int(high or low) + 1))
        return tuple(found)


class Words(click.ParamType):  # type: ignore[type-arg]  # as above
    """`holding,input`: words."""

    name = "words"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Return the words."""
        del param, ctx
        return value if isinstance(value, tuple) else tuple(w.strip() for w in str(value).split(",") if w.strip())


@click.command(short_help="Which units answer at a URL, and what can be read of them.")
@click.argument("driver")
@click.argument("url", metavar="URL|DEVICE")
@click.option("--units", type=Numbers("1-20,247"), default=(), metavar="LIST",
              help="Units to ask: 1-20,247. Else 0-10 and 255 over TCP, 1-247 on a serial line.")  # fmt: skip
@click.option("--tables", type=Words(), default=(), metavar="LIST",
              help="holding, input, coil, discrete; else all four.")  # fmt: skip
@click.option("--from", "first", type=click.IntRange(0, 65535), default=None, metavar="N",
              help="Lowest address to ask for. Every address of a window is looked at, coarsely first.")  # fmt: skip
@click.option("--to", "last", type=click.IntRange(0, 65535), default=None, metavar="N",
              help="Highest address to ask for.")  # fmt: skip
@click.option("--rate", type=click.FloatRange(0.1, 1000), default=10.0, show_default=True, metavar="N",
              help="Requests a second, at most.")  # fmt: skip
@click.option("--budget", type=click.IntRange(1), default=2000, show_default=True, metavar="N",
              help="Requests in all, at most.")  # fmt: skip
@click.option("--timeout", default=None, metavar="TIME",
              help="How long to wait for a reply; else 1s, or as the configuration says of the device.")  # fmt: skip
@click.option("--baud", "bauds", type=Numbers("9600,19200"), default=(), metavar="LIST",
              help="Rates of a serial line to try in turn: 9600,19200.")  # fmt: skip
@click.option("--parity", "parities", type=Words(), default=(), metavar="LIST",
              help="Parities of a serial line to try in turn: N,E,O.")  # fmt: skip
@settings_option
@config_option
@json_option
@click.pass_context
def scan(ctx: click.Context, /, *, driver: str, url: str, timeout: str | None, settings: tuple[str, ...],
         config_path: Path, as_json: bool, **wishes: Any) -> None:  # noqa: ANN401 - of many types  # fmt: skip
    """Find out which units answer at URL, what they say they are, and which addresses they serve.

    A DEVICE of the configuration goes by its name, and has its settings.

    It reads and never writes, at no more than --rate requests a second and --budget in all. Ctrl-C shows what was
    found so far. Exit code 1 says that no unit answered.

    \b
    Examples:
      shoptwin scan modbus tcp://192.0.2.10
      shoptwin scan modbus tcp://192.0.2.10 --units 1-20 --tables holding --from 0 --to 999
      shoptwin scan modbus "rtu:///dev/ttyUSB0" --units 1-32 --baud 9600,19200 --parity N,E
    """  # noqa: D301 - click's mark
    from shoptwin.acquire.registry import plugins  # noqa: PLC0415 - `--help` needs none of it
    from shoptwin.domain.discovery import ScanWish  # noqa: PLC0415

    if wishes["first"] is not None and wishes["last"] is not None and wishes["first"] > wishes["last"]:
        raise click.BadParameter("--from is beyond --to", param_hint="--from")
    wish = ScanWish(**{**wishes, "parities": tuple(word.upper() for word in wishes["parities"])})
    drivers = plugins()
    plugin = by_name(driver, drivers)
    given = (*([f"timeout={timeout}"] if timeout else []), *settings)
    known = glance(drivers, config_path, url)
    target = find(url, drivers, known, given, of=plugin, where=as_given(ctx))
    report, stopped = _run(target, wish)
    if as_json:
        print_json(_document(report))
    elif report.units:
        _print(report, target, stopped=stopped)
    else:
        _nobody(report, stopped=stopped)
    ctx.exit(0 if report.units else 1)


def _run(target: Target, wish: ScanWish) -> tuple[ScanReport, bool]:
    """Scan until the end or Ctrl-C; return what was found, and whether it was Ctrl-C."""
    from shoptwin.domain.errors import ShoptwinError  # noqa: PLC0415
    from shoptwin.domain.ports import Scanning  # noqa: PLC0415 - numpy comes with it

    plugin = target.plugin
    if not isinstance(plugin, Scanning):
        what = f"Devices of the driver {plugin.name} cannot be scanned"
        raise ShoptwinError(what, ways(target), code="not-scannable")
    progress = _Progress()
    try:
        return asyncio.run(plugin.scan(target.settings, wish, progress.tell)), False
    except KeyboardInterrupt:
        if progress.last is None:
            raise
        return progress.last, True
    finally:
        progress.clear()


class _Progress:
    """One line on the terminal that says what is asked for; elsewhere only how long it may take."""

    def __init__(self) -> None:
        self.last: ScanReport | None = None
        self._lively = sys.stderr.isatty()
        self._drawn = 0.0

    def tell(self, report: ScanReport) -> None:
        """Hear how far the scan is."""
        if self.last is None and (report.left or 0) > LONG:
            told = f"this may take {_time(report.left)}, and longer once something is found; Ctrl-C shows what was"
            click.echo(f"{told} found so far", err=True)
        self.last = report
        now = time.monotonic()
        if not self._lively or now - self._drawn < 0.1:  # noqa: PLR2004 - as fast as an eye
            return
        self._drawn = now
        left = f", about {_time(report.left)} left" if report.left else ""
        units = f", {len(report.units)} unit{'s' * (len(report.units) > 1)}" if report.units else ""
        line = f"{report.doing:38} {report.requests} of {report.budget} requests, {_time(report.elapsed)}{left}{units}"
        click.echo(f"\r\x1b[2K{line[: columns() - 1]}", nl=False, err=True)

    def clear(self) -> None:
        """Take the line away."""
        if self._lively and self._drawn:
            click.echo("\r\x1b[2K", nl=False, err=True)


def _time(seconds: float | None) -> str:
    whole = round(seconds or 0)
    return f"{whole // 60}:{whole % 60:02} min" if whole >= 60 else f"{whole} s"  # noqa: PLR2004 - a minute


def _nobody(report: ScanReport, *, stopped: bool) -> None:
    told = "no unit answered so far" if stopped else "no unit answers"
    click.echo(f"{click.style('error:', fg='red', bold=True)} {told} at {report.url}", err=True)
    for note in report.notes:
        click.echo(f"{click.style('cure:', bold=True)} {note}", err=True)


def _print(report: ScanReport, target: Target, *, stopped: bool) -> None:
    waiting = [u for u in report.units if not (report.finished or u.identity or u.ranges or u.notes)]
    for unit in report.units:
        if unit not in waiting:
            _print_unit(unit)
    click.echo()
    if waiting:
        below(f"answered, but not looked at yet: units {', '.join(str(unit.unit) for unit in waiting)}", "! ")
    for note in report.notes:
        below(note, "! ")
    if stopped:
        below("the scan was stopped: there may be more", "! ")
    click.echo(f"{report.requests} requests in {_time(report.elapsed)}; nothing was written")
    if report.url != target.url:  # at another rate than was asked for
        target = target._replace(words=(report.url, *target.words[1:]))
    commands = [target.command("peek", after=unit.next) for unit in report.units if unit.next]
    if commands:
        click.echo(click.style("next, to see what the registers are:", bold=True))
    for command in commands:
        click.echo(f"  {command}")


def _print_unit(unit: FoundUnit) -> None:
    named = " ".join(unit.identity[key] for key in IDENTITY if unit.identity.get(key))
    title(f"unit {unit.unit}: {named or 'it does not say what it is'}")
    rows = [_row(found) for found in unit.ranges]
    if rows:
        noted = any(row[-1] for row in rows)
        headings = ("table", "addresses", "count", "not 0", "moving", "first values", "note")
        table(headings if noted else headings[:-1], (row if noted else row[:-1] for row in rows))
    else:
        click.echo("it answers, but nothing was found that can be read")
    for name, most in unit.largest.items():
        key = "max_block" if name in REGISTERS else "max_bits"
        below(f"{name}: one request may ask for {most} at most: {key} = {most}", "! ")
    for note in unit.notes:
        below(note, "! ")


def _row(found: FoundRange) -> tuple[object, ...]:
    notes = ["at least"] * (found.open_below or found.open_above) + ["sampled: there may be holes"] * found.sampled
    words = [f"{value:04X}" if found.table in REGISTERS else f"{value}" for value in found.values[:SHOWN]]
    span = f"{found.first}-{found.last}" if found.size > 1 else f"{found.first}"
    moving = len(found.moving) if found.table in REGISTERS else None
    return found.table, span, found.size, found.nonzero, moving, " ".join(words), "; ".join(notes)


def _document(report: ScanReport) -> dict[str, Any]:
    return {
        "url": report.url, "requests": report.requests, "budget": report.budget,
        "elapsed_s": round(report.elapsed, 3), "finished": report.finished,
        "units": [_unit(unit) for unit in report.units], "notes": list(report.notes),
    }  # fmt: skip


def _unit(unit: FoundUnit) -> dict[str, Any]:
    return {
        "unit": unit.unit, "identity": dict(unit.identity), "ranges": [asdict(found) for found in unit.ranges],
        "largest": dict(unit.largest), "notes": list(unit.notes), "next": unit.next,
    }  # fmt: skip
