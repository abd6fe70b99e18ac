"""`shoptwin profiles`."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from shoptwin.cli.options import Name, config_option, json_option
from shoptwin.cli.printing import as_json as print_json
from shoptwin.cli.printing import below, table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from shoptwin.domain.device import ProfileInfo, ProfileTag
    from shoptwin.domain.errors import ConfigError

COLUMNS = ("name", "role", "unit", "device", "address")
"""Of a tag list."""
OTHER = "other"


class Found(NamedTuple):
    """A profile, and the driver that knows it."""

    driver: str
    info: ProfileInfo


@click.group(invoke_without_command=True, short_help="Maps of devices: names, units and meaning of registers.")
@config_option
@json_option
@click.pass_context
def profiles(ctx: click.Context, config_path: Path, as_json: bool) -> None:
    """List the device profiles: those that come with the drivers, and a plant's own.

    With a profile a tag's address is a name (sdm630/voltage_l1), and unit, scale and role come along. A plant's own
    profiles lie in the folder profiles/<driver> beside the configuration.

    \b
    Examples:
      shoptwin profiles
      shoptwin profiles show sdm630
      shoptwin profiles show sdm630 --toml --device meter1 --machine press-3
    """  # noqa: D301 - click's mark
    if ctx.invoked_subcommand is not None:
        return
    found, broken = _all(config_path)
    if as_json:
        print_json([_told(each) for each in found])
    else:
        _list(found)
    _refuse(broken)


def _list(found: Sequence[Found]) -> None:
    headings = ("profile", "device", "models", "registers", "driver", "from")
    rows = (
        (i.id, f"{i.vendor}: {i.name}", i.models, len(i.tags), driver, _origin(i)) for driver, i in found
    )  # fmt: skip
    table(headings, rows, ("models",))


@profiles.command(short_help="The registers of one profile, also as tags to paste.")
@click.argument("profile")
@click.argument("register", nargs=-1)
@click.option("--toml", "as_toml", is_flag=True, help="Print [[machine.tag]] blocks.")
@click.option("--csv", "as_csv", is_flag=True, help="Print a tag list.")
@click.option("--device", type=Name(), default=None, metavar="NAME", help="The tags' device; else the profile's name.")
@click.option(
    "--machine", type=Name(), default=None, metavar="NAME", help="Begin with the [[machine]] that the tags are of."
)
@click.option("--prefix", default="", metavar="TEXT", help="What each tag's name begins with: a second meter's.")
@config_option
@json_option
def show(
    profile: str, register: tuple[str, ...], *, as_toml: bool, as_csv: bool, device: str | None, machine: str | None,
    prefix: str, config_path: Path, as_json: bool,
) -> None:  # fmt: skip
    """Show what is known of PROFILE: where it comes from, and its registers; only the REGISTERs where they are named.

    \b
    Examples:
      shoptwin profiles show sdm630
      shoptwin profiles show sdm630 power import_energy --toml --device meter1 --machine press-3
      shoptwin profiles show sdm630 --csv --device meter1 > meter1.csv
    """  # noqa: D301 - click's mark
    if as_json + as_toml + as_csv > 1:
        raise click.UsageError("--json, --toml and --csv are three ways to print: name one.")
    every, broken = _all(config_path)
    if profile.lower() not in [each.info.id for each in every]:
        _refuse(broken)
    found = _of(profile, every)
    tags = _picked(found.info, register)
    if as_json:
        print_json(_told(found) | {"tags": [asdict(tag) for tag in tags]})
    elif as_toml:
        click.echo(_toml(found, tags, device or found.info.id, machine, prefix))
    elif as_csv:
        click.echo(_csv(found.info, tags, device or found.info.id, prefix), nl=False)
    else:
        _print(found.info, tags)


def _all(config_path: Path) -> tuple[list[Found], list[ConfigError]]:
    """Return every profile that can be used, and what is wrong with the others."""
    from shoptwin.acquire.registry import plugins  # noqa: PLC0415 - `--help` needs none of it
    from shoptwin.domain.ports import Profiled  # noqa: PLC0415 - numpy comes with it

    found: list[Found] = []
    broken: list[ConfigError] = []
    for name, plugin in plugins().items():
        if isinstance(plugin, Profiled):
            broken += plugin.look_in(config_path.parent / "profiles" / name)
            found += [Found(name, info) for info in plugin.profiles()]
    return found, broken


def _refuse(broken: Sequence[ConfigError]) -> None:
    """Raise what is wrong with profiles, where anything is."""
    from shoptwin.domain.errors import ConfigError  # noqa: PLC0415 - as above

    if len(broken) == 1:
        raise broken[0]
    if broken:
        raise ConfigError("\n".join(f"{error.message}; {error.hint}" for error in broken), "Correct them one by one")


def _of(profile: str, found: Sequence[Found]) -> Found:
    for each in found:
        if each.info.id == profile.lower():
            return each
    raise click.BadParameter(_unknown(profile, [each.info.id for each in found]), param_hint="PROFILE")


def _picked(info: ProfileInfo, names: Sequence[str]) -> tuple[ProfileTag, ...]:
    known = {_name(info, tag): tag for tag in info.tags}
    for name in names:
        if name.lower() not in known:
            raise click.BadParameter(_unknown(name, list(known)), param_hint="REGISTER")
    return tuple(known[name.lower()] for name in names) or info.tags


def _unknown(word: str, known: Sequence[str]) -> str:
    from shoptwin.config.problems import did_you_mean  # noqa: PLC0415 - msgspec comes with it

    return f"{word!r} is not known; {did_you_mean(word, known)}"


def _name(info: ProfileInfo, tag: ProfileTag) -> str:
    return tag.address.removeprefix(f"{info.id}/")


def _told(found: Found) -> dict[str, Any]:
    return {"driver": found.driver} | asdict(found.info)


def _origin(info: ProfileInfo) -> str:
    if not info.origin:
        return "the driver"
    return f"{info.origin} (in the place of the driver's)" if info.replaces else info.origin


def _print(info: ProfileInfo, tags: Sequence[ProfileTag]) -> None:
    click.echo(f"{click.style(info.id, bold=True)}: {info.vendor}, {info.name} ({', '.join(info.models)})")
    below(info.source, "source: ")
    below(_origin(info), "from: ")
    if info.notes:
        below(info.notes, "notes: ")
    if info.settings:
        below(_settings(info), "settings of [[device]]: ")
    click.echo()
    rows = (
        (_name(info, tag), tag.place, tag.defaults.unit, tag.defaults.role, _raw(tag), tag.defaults.text)
        for tag in tags
    )  # fmt: skip
    table(("register", "stands at", "unit", "role", "value", "meaning"), rows)


def _raw(tag: ProfileTag) -> str:
    """Write how the value is made of the raw one, nothing where it is the raw one."""
    known = tag.defaults
    scaled = f"raw * {known.scale:g}" if known.scale != 1.0 else "raw"
    if known.offset:
        scaled += f" {'-' if known.offset < 0 else '+'} {abs(known.offset):g}"
    missing = "".join(f", none at {raw:g}" for raw in known.missing)
    return "" if scaled + missing == "raw" else scaled + missing


def _settings(info: ProfileInfo) -> str:
    return ", ".join(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in info.settings.items())


def _toml(found: Found, tags: Sequence[ProfileTag], device: str, machine: str | None, prefix: str) -> str:
    info = found.info
    blocks = [f"# {info.vendor}, {info.name}. Unit and scale come from the profile; what is written here counts more."]
    if info.settings:
        blocks[0] += f"\n# These settings suit its [[device]]: {_settings(info)}"
    if machine is not None:
        blocks.append(f"[[machine]]\nname = {_text(machine)}")
    for tag in tags:
        lines = ["[[machine.tag]]", f"name = {_text(prefix + _name(info, tag))}"]
        lines += [f"role = {_text(tag.defaults.role or OTHER)}", f"device = {_text(device)}"]
        meaning = ", ".join(part for part in (tag.defaults.text, tag.defaults.unit) if part)
        lines += [f"address = {_text(tag.address)}  # {' '.join(meaning.split())}"]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # of what JSON escapes TOML understands all


def _csv(info: ProfileInfo, tags: Sequence[ProfileTag], device: str, prefix: str) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for tag in tags:
        known = tag.defaults
        writer.writerow((prefix + _name(info, tag), known.role or OTHER, known.unit, device, tag.address))
    return out.getvalue()
