"""`shoptwin schema`."""

from __future__ import annotations

import click

from shoptwin.cli.printing import as_json


@click.command(short_help="The JSON Schema of the configuration.")
def schema() -> None:
    """Print the JSON Schema of the configuration, with the settings of every installed driver.

    Editors complete and check shoptwin.toml with it.

    \b
    Example:
      shoptwin schema > shoptwin.schema.json
    """  # noqa: D301 - click's mark
    from shoptwin import config  # noqa: PLC0415 - `--help` needs none of it
    from shoptwin.acquire.registry import plugins  # noqa: PLC0415

    as_json(config.schema(plugins()))
