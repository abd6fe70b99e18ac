"""The command `shoptwin`: its groups, and how a foreseen error becomes a message and an exit code."""

from __future__ import annotations

import click

from shoptwin.cli.alarms import ack, alarms
from shoptwin.cli.browse import browse
from shoptwin.cli.check import check
from shoptwin.cli.discover import discover
from shoptwin.cli.failure import OUTPUT, Failure, of_file, of_output
from shoptwin.cli.history import history
from shoptwin.cli.learn import learn
from shoptwin.cli.learned import learned, relearn, rollback
from shoptwin.cli.machines import maintenance, sensor_replaced
from shoptwin.cli.marks import mark, thresholds
from shoptwin.cli.peek import peek
from shoptwin.cli.profiles import profiles
from shoptwin.cli.replay import replay
from shoptwin.cli.run import reload, run
from shoptwin.cli.scan import scan
from shoptwin.cli.schema import schema
from shoptwin.cli.simulate import simulate
from shoptwin.cli.status import status
from shoptwin.cli.trust import trust
from shoptwin.domain.errors import ShoptwinError


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
        """List the commands in the order in which one comes to need them."""
        del ctx
        return list(self.commands)


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


for command in (
    check, run, status, alarms, ack, mark, thresholds, maintenance, sensor_replaced, learned, relearn, rollback, learn,
    reload, history, discover, browse, scan, peek, profiles, trust, replay, simulate, schema,
):  # fmt: skip
    cli.add_command(command)
