"""`shoptwin replay`."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command(short_help="The same pipeline over a recording.")
@click.argument("recording", type=click.Path(path_type=Path))
@click.option("--out", "-o", required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="EVENTS.jsonl",
              help="Where assessments and alarms go, one JSON object a line.")  # fmt: skip
@click.option("--unsigned-models", is_flag=True, help="Run shipped models that were changed, to try them.")
def replay(recording: Path, out: Path, *, unsigned_models: bool) -> None:
    """Run the daemon's own pipeline (twin, models, alarms) over RECORDING, a folder, on a virtual clock.

    A recording that is cut off or damaged is replayed as far as it goes; the exit code is then 65.

    \b
    Example:
      shoptwin replay my-recording --out events.jsonl
    """  # noqa: D301 - click's mark
    from shoptwin.replay import replay as run  # noqa: PLC0415 - it imports everything

    if not sys.stderr.isatty():
        run(recording, out, unsigned=unsigned_models)
        return
    with click.progressbar(length=1000, label=recording.name, file=sys.stderr, show_eta=True) as bar:
        run(recording, out, lambda share: bar.update(round(share * 1000) - bar.pos), unsigned=unsigned_models)
