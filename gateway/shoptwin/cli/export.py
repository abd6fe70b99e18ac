"""`shoptwin export`: what tags were, in a file for other programs, from a store that no daemon need be beside."""

from __future__ import annotations

import sys
import time
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shoptwin.cli.keeping import state_dir_option
from shoptwin.cli.options import Ago, Duration, config_option

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shoptwin.cli.sheets import Columns
    from shoptwin.store.sample_reader import KnownTag, SampleReader

_SOME = 5
_FIGURES = ("count", "good", "minimum", "mean", "maximum", "last")


@click.command(short_help="Write what tags were into a CSV or Parquet file.")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--tag", "tags", multiple=True, metavar="TAG",
              help="Only this tag, by id or as machine.name; may be repeated. A * stands for anything.")  # fmt: skip
@click.option("--since", type=Ago(), default=None, metavar="TIME",
              help="From when on: how long ago (1h, 7d), or a time (2026-11-22T06:00:00Z). Else all.")  # fmt: skip
@click.option("--until", type=Ago(), default=None, metavar="TIME", help="Until when, in the same way; else the end.")
@click.option("--step", type=Duration(), default=None, metavar="TIME",
              help="Figures (minimum, mean, maximum …) over steps of 1m, 1h, instead of the samples.")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@config_option
@state_dir_option
def export(
    file: Path, *, tags: tuple[str, ...], since: int | None, until: int | None, step: int | None, force: bool,
    config_path: Path, state_dir: Path | None,
) -> None:  # fmt: skip
    """Write what tags were into FILE, `.csv`, `.csv.gz` or `.parquet`, one row a sample. Times are UTC.

    It reads the files in the state directory itself: beside a running daemon, or from a copy on another computer.
    Nothing is written to them.

    \b
    Examples:
      shoptwin export press-3.csv --tag "press-3.*" --since 7d
      shoptwin export all.parquet --state-dir /mnt/card/shoptwin
      shoptwin export hours.csv --step 1h --since 365d
    """  # noqa: D301 - click's mark
    from shoptwin.cli.keeping import known_state  # noqa: PLC0415 - `--help` needs none of it
    from shoptwin.cli.sheets import open_sheet  # noqa: PLC0415
    from shoptwin.store.sample_reader import SampleReader  # noqa: PLC0415

    if file.exists() and not force:
        raise click.UsageError(f"{file} is there already: give another name, or --force.")
    reader = SampleReader(known_state(config_path, state_dir) / "twin.db")
    wanted = _chosen(reader.tags(), tags)
    start, stop = _range(since, until)
    rows = 0
    with open_sheet(file) as write, click.progressbar(wanted, label=file.name, file=sys.stderr) as bar:
        for tag in bar:
            for columns in _figures(reader, tag, start, stop, step) if step else _samples(reader, tag, start, stop):
                write(columns)
                rows += len(columns["time"])
    click.echo(f"{file}: {rows:,} rows of {len(wanted)} {'tag' if len(wanted) == 1 else 'tags'}", err=True)


def _chosen(known: Sequence[KnownTag], wanted: Sequence[str]) -> list[KnownTag]:
    """Return the tags that were asked for; each pattern must find one."""
    found: dict[str, KnownTag] = {}
    for pattern in wanted or ("*",):
        mine = [
            tag for tag in known if fnmatchcase(tag.id, pattern) or fnmatchcase(f"{tag.machine}.{tag.name}", pattern)
        ]
        if not mine:
            there = ", ".join(f"{tag.machine}.{tag.name}" for tag in known[:_SOME]) or "nothing yet"
            more = f" and {len(known) - _SOME} more" if len(known) > _SOME else ""
            raise click.UsageError(f"no tag is {pattern!r}; the store holds {there}{more}")
        found |= {tag.id: tag for tag in mine}
    return list(found.values())


def _range(since: int | None, until: int | None) -> tuple[int, int]:
    now = time.time_ns()
    start = -(2**63) if since is None else now + since if since < 0 else since
    stop = 2**63 - 1 if until is None else now + until if until < 0 else until
    if start >= stop:
        raise click.UsageError("The range ends before it begins: --until must be after --since.")
    return start, stop


def _samples(reader: SampleReader, tag: KnownTag, start: int, stop: int) -> Iterator[Columns]:
    from shoptwin.domain import quality  # noqa: PLC0415 - as above

    for part in reader.recorded(tag.id, start, stop):
        names = {code: quality.name(code) for code in set(part.status.tolist())}
        yield {
            "time": part.time, "tag": [tag.id] * len(part), "value": part.values,
            "quality": [names[code] for code in part.status.tolist()], "bad": quality.is_bad(part.status),
            "server": part.server, "received": part.received,
        }  # fmt: skip


def _figures(reader: SampleReader, tag: KnownTag, start: int, stop: int, step: int) -> Iterator[Columns]:
    rollup = reader.rollup(tag.id, start, stop, step)
    yield {"time": rollup.time, "tag": [tag.id] * len(rollup)} | {name: getattr(rollup, name) for name in _FIGURES}
