"""`shoptwin run` and `shoptwin reload`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from shoptwin.cli.options import Moment, config_option, json_option, socket_option
from shoptwin.cli.printing import as_json as print_json

if TYPE_CHECKING:
    from shoptwin.serve.client import Client


@click.command(short_help="Start the daemon.")
@config_option
@click.option(
    "--state-dir", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="Where twin.db and ledger.db live. Else $STATE_DIRECTORY (systemd), or ./state beside the configuration.",
)  # fmt: skip
@click.option(
    "--clock-rate", type=click.FloatRange(min=0, min_open=True), default=1.0, metavar="N",
    help="Let the daemon's time run N times as fast, for a practice plant on this box.",
)  # fmt: skip
@click.option("--clock-epoch", type=Moment(), metavar="TIME", help="The scaled clock shows this time …")
@click.option("--clock-origin", type=Moment(), metavar="TIME", help="… when the real clock shows this one.")
@click.option(
    "--log-format", type=click.Choice(["auto", "console", "json"]), default="auto", show_default=True,
    help="How to log; auto is console on a terminal, else JSON.",
)  # fmt: skip
@click.pass_context
def run(
    ctx: click.Context,
    *,
    config_path: Path,
    state_dir: Path | None,
    clock_rate: float,
    clock_epoch: int | None,
    clock_origin: int | None,
    log_format: str,
) -> None:
    """Start the daemon and keep it running until SIGTERM or Ctrl-C.

    SIGHUP reads the configuration again. A configuration that is wrong ends with exit code 78 and a list of what is.

    \b
    Example:
      shoptwin run --config /etc/shoptwin/shoptwin.toml
    """  # noqa: D301 - click's mark
    from shoptwin.runtime.lean import import_lean  # noqa: PLC0415 - for this command alone

    import_lean()
    from shoptwin import daemon  # noqa: PLC0415 - it imports everything

    code = daemon.main(
        config_path, state_dir=state_dir, clock_rate=clock_rate, clock_epoch=clock_epoch, clock_origin=clock_origin,
        log_format=log_format,
    )  # fmt: skip
    ctx.exit(code)


@click.command(short_help="Let the daemon read its configuration again.")
@socket_option
@json_option
def reload(client: Client, as_json: bool) -> None:
    """Let the daemon read its configuration again, without losing anything.

    What has not changed goes on undisturbed. Where the file is wrong the old configuration stays, this says what is
    wrong, and the exit code is 78.

    \b
    Example:
      shoptwin reload
    """  # noqa: D301 - click's mark
    found = client.post("/v1/reload")
    if as_json:
        print_json(found)
        return
    click.echo(f"reloaded: {', '.join(found['changes']) or 'nothing has changed'}")
