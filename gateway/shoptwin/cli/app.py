"""The command `shoptwin`: its groups, and how a foreseen error becomes a message and an exit code."""

from __future__ import annotations

from importlib import import_module

import click

from shoptwin.cli.failure import OUTPUT, Failure, of_file, of_output
from shoptwin.domain.errors import ShoptwinError

COMMANDS = {
    "check": "check", "run": "run", "status": "status", "alarms": "alarms", "ack": "alarms", "mark": "marks",
    "thresholds": "marks", "maintenance": "machines", "sensor-replaced": "machines", "learned": "learned",
    "relearn": "learned", "rollback": "learned", "learn": "learn", "reload": "run", "history": "history",
    "export": "export", "backup": "backup", "restore": "backup",
    "discover": "discover", "browse": "browse", "scan": "scan", "peek": "peek", "profiles": "profiles",
    "trust": "trust", "replay": "replay", "simulate": "simulate", "schema": "schema",
}  # fmt: skip
"""Each command, in the order in which one comes to need them, and the module that brings it: imported for it alone."""


class App(click.Group):
    """A group whose commands may raise ShoptwinError, or the OSError of a file or of what is printed to.

    The user sees what is wrong and the cure, never a traceback.
    """

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        try:
            found: object = super().invoke(ctx)
        except ShoptwinError as error:
            raise Failure(error) from error
        except OSError as error:
            if error.filename is not None:
                raise Failure(of_file(error)) from error
            if error.errno not in OUTPUT:
                raise  # a closed pipe, a network: not a file of the user's
            raise Failure(of_output(error)) from error
        return found

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, None where there is none of that name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"shoptwin.cli.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command


@click.group(cls=App, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="shoptwin")
def cli() -> None:
    """Watch over the machines of a shop floor, from a small box beside them.

    \b
    shoptwin check --config shoptwin.toml     is the configuration right, and what does it switch on?
    shoptwin run --config shoptwin.toml       start the daemon
    shoptwin status                           how it is, and the machines

    Shoptwin reads PLCs and never writes to one.
    """  # noqa: D301 - click's mark
