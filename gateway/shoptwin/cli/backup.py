"""`shoptwin backup` and `shoptwin restore`."""

from __future__ import annotations

from pathlib import Path

import click

from shoptwin.cli.keeping import state_dir_option
from shoptwin.cli.options import config_option


@click.command(short_help="Copy all that the gateway knows into one archive.")
@click.argument("archive", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--without-samples", is_flag=True, help="Leave twin.db out: alarms and what was learned alone.")
@click.option("--force", is_flag=True, help="Replace the archive if it is there.")
@config_option
@state_dir_option
def backup(archive: Path, *, without_samples: bool, force: bool, config_path: Path, state_dir: Path | None) -> None:
    """Copy alarms, samples, what was learned and the configuration into ARCHIVE (`.tar` or `.tar.gz`).

    The daemon may run: it is not kept waiting. Passwords and private keys are not in it.

    \b
    Examples:
      shoptwin backup /mnt/usb/press-hall.tar.gz
      shoptwin backup alarms.tar.gz --without-samples
    """  # noqa: D301 - click's mark
    from shoptwin.cli.keeping import known_state  # noqa: PLC0415 - `--help` needs none of it
    from shoptwin.store.backup import back_up  # noqa: PLC0415

    if not archive.name.endswith((".tar", ".tar.gz", ".tgz")):
        raise click.UsageError(f"{archive.name} is no kind of archive that is known: name it .tar or .tar.gz.")
    if archive.exists() and not force:
        raise click.UsageError(f"{archive} is there already: give another name, or --force.")
    state = known_state(config_path, state_dir)
    files = back_up(state, config_path, archive, samples=not without_samples, told=_copying)
    click.echo(f"{archive}: {len(files)} files, {sum(files.values()) / 1e6:,.1f} MB; no passwords, no private keys")


@click.command(short_help="Put a backup back.")
@click.argument("archive", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Set what is there aside, instead of refusing.")
@config_option
@state_dir_option
def restore(archive: Path, *, replace: bool, config_path: Path, state_dir: Path | None) -> None:
    """Put the files of ARCHIVE into the state directory, where no daemon may run.

    All of it is checked before anything is touched. The configuration in it is put beside them, for you to look at.
    Messages that waited for the broker when it was made are sent again, and sequence numbers jump.

    \b
    Examples:
      shoptwin restore /mnt/usb/press-hall.tar.gz
      shoptwin restore press-hall.tar.gz --state-dir /var/lib/shoptwin --replace
    """  # noqa: D301 - click's mark
    from shoptwin.cli.keeping import known_state  # noqa: PLC0415 - as above
    from shoptwin.daemon.lock import alone  # noqa: PLC0415
    from shoptwin.store.backup import restore as put_back  # noqa: PLC0415

    state = known_state(config_path, state_dir)
    with alone(state):
        manifest, aside = put_back(archive, state, replace=replace, told=_copying)
    for path in aside:
        click.echo(f"what was there is now {path}")
    click.echo(f"{state}: {len(manifest['files'])} files as of {manifest['made']}, by Shoptwin {manifest['shoptwin']}")


def _copying(name: str) -> None:
    click.echo(f"  {name}", err=True)
