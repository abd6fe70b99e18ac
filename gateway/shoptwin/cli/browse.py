"""`shoptwin browse`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from shoptwin.cli.browse_tree import WORDS, kind
from shoptwin.cli.browse_view import Json, Out, Tables, Toml
from shoptwin.cli.keeping import as_given, settle, state_dir_option
from shoptwin.cli.lookup import find, settings_option, ways
from shoptwin.cli.options import Name, config_option, json_option

if TYPE_CHECKING:
    from pathlib import Path

    from shoptwin.cli.lookup import Target
    from shoptwin.domain.device import TagCandidate
    from shoptwin.domain.discovery import FoundMachine
    from shoptwin.domain.ports import Walkable

__all__ = ["WORDS", "browse"]
_CONNECT = 60.0
"""Seconds that connecting may take, and listing what a device has that is no tree."""


@dataclass
class _Wish:
    at: str | None
    words: tuple[str, ...]
    depth: int
    values: bool

    def wanted(self, candidate: TagCandidate) -> bool:
        """Tell whether all words occur in what is known of a value."""
        known = (*candidate.path, candidate.name, kind(candidate), candidate.unit, candidate.type, candidate.role or "",
                 candidate.address)  # fmt: skip
        text = "\n".join(known).lower()
        return all(word in text for word in self.words)


@click.command(short_help="What a device has to offer.")
@click.argument("url", metavar="URL|DEVICE")
@click.option("--at", default=None, metavar="NODE", help="List what is below this; else the top.")
@click.option("--filter", "text", default="", metavar="TEXT",
              help="Only values in whose name, path, type, unit, role or address all its words occur.")  # fmt: skip
@click.option("--depth", type=click.IntRange(0), default=0, metavar="N", help="Levels; else all.")
@click.option("--values/--no-values", default=True, help="Read the values now; on by default.")
@click.option("--toml", "as_toml", is_flag=True, help="Print [[machine.tag]] for the configuration, roles guessed.")
@click.option("--device", type=Name(), default=None, metavar="NAME",
              help="The device that --toml names; else that of the configuration, or plc-1.")  # fmt: skip
@click.option(
    "--machine",
    type=Name(),
    default="machine-1",
    show_default=True,
    metavar="NAME",
    help="The machine that --toml names.",
)
@settings_option
@config_option
@state_dir_option
@json_option
@click.pass_context
def browse(
    ctx: click.Context, /, *, url: str, at: str | None, text: str, depth: int, values: bool, as_toml: bool,
    device: str | None, machine: str, settings: tuple[str, ...], config_path: Path, state_dir: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """List what the device at URL has to offer; the driver is found by the URL's scheme.

    A DEVICE of the configuration goes by its name, and has its settings.

    What stands under "address" goes into the configuration as it is. Certificates are those of the gateway that the
    configuration is of: see `shoptwin trust`. Nothing is written to the device. Ctrl-C ends it.

    \b
    Examples:
      shoptwin browse opc.tcp://192.0.2.20:4840
      shoptwin browse cell-4 --config shoptwin.toml
      shoptwin browse opc.tcp://192.0.2.20:4840 --at "ns=2;s=Press3" --depth 2
      shoptwin browse opc.tcp://192.0.2.20:4840 --filter "spindle degC"
      shoptwin browse opc.tcp://192.0.2.20:4840 --filter spindle --toml --device cell-4 --machine mill-7
    """  # noqa: D301 - click's mark
    from shoptwin.acquire.registry import plugins  # noqa: PLC0415 - `--help` needs none of it

    if as_json and as_toml:
        raise click.UsageError("--json and --toml are two ways to print: name one")
    drivers = plugins()
    known = settle(drivers, config_path, state_dir)
    target = find(url, drivers, known, settings, where=as_given(ctx))
    wish = _Wish(at, tuple(text.lower().split()), depth, values)
    command = ["shoptwin", "browse", *target.words]
    sparse = bool(wish.words)
    tables = Tables(command, sparse=sparse)
    out: Out = (
        Json(sparse=sparse)
        if as_json
        else Toml(target.url, machine, device or target.device or "plc-1")
        if as_toml
        else tables
    )
    try:
        asyncio.run(_browse(target, wish, out))
    except KeyboardInterrupt:
        out.end(stopped=True)
    else:
        out.end(stopped=False)


async def _browse(target: Target, wish: _Wish, out: Out) -> None:
    from shoptwin.domain.errors import ShoptwinError, Timeout  # noqa: PLC0415
    from shoptwin.domain.ports import Browsable, Walkable  # noqa: PLC0415 - numpy comes with it

    connection = target.plugin.open(target.settings)
    if not isinstance(connection, Browsable):
        what = f"A device of the driver {target.plugin.name} cannot be browsed"
        raise ShoptwinError(what, ways(target), code="not-browsable")
    try:
        try:
            async with asyncio.timeout(_CONNECT):
                await connection.connect()
                listed = None if isinstance(connection, Walkable) else await connection.browse(wish.at)
        except TimeoutError as error:
            raise Timeout("The device does not answer", "Check the address, the port and the firewall") from error
        if listed is not None:
            out.flat([each for each in listed if wish.wanted(each)])
        elif isinstance(connection, Walkable):
            await _walk(connection, wish, out)
    finally:
        await connection.aclose()


async def _walk(connection: Walkable, wish: _Wish, out: Out) -> None:
    from shoptwin.domain.discovery import BrowseWish  # noqa: PLC0415

    if wish.at is None and not wish.words:
        out.machines([(each, await _measured(connection, each)) for each in await connection.machines()])

    def wanted(candidate: TagCandidate) -> bool:
        out.progress.seen += 1
        return wish.wanted(candidate)

    whole = BrowseWish(wish.at, wish.depth, wish.values, wanted)
    async for some in connection.walk(whole):
        out.progress.count(some)
        out.tree(some)


async def _measured(connection: Walkable, machine: FoundMachine) -> list[TagCandidate]:
    """Return the first measurements of a machine, where its specification says where they are."""
    from shoptwin.domain.discovery import BrowseWish  # noqa: PLC0415

    if not machine.monitoring:
        return []
    walk = connection.walk(BrowseWish(machine.monitoring))
    return [each async for some in walk for each in some if each.is_value and not each.describes]
