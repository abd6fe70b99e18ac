"""Foreseen errors on the command line."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from shoptwin.domain.errors import ShoptwinError


class Failure(click.ClickException):
    """Says what is wrong and the cure on stderr, and exits with the error's own code."""

    def __init__(self, error: ShoptwinError) -> None:
        super().__init__(error.message)
        self.hint = error.hint
        self.exit_code = error.exit_code  # type: ignore[misc]  # click reads it from the instance

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the message; where it is one of several lines, each keeps its own."""
        # Several problems stand one a line, each beginning with its place, as compilers tell them.
        space = "\n" if "\n" in self.message else " "
        click.echo(f"{click.style('error:', fg='red', bold=True)}{space}{self.message}", file=file, err=file is None)
        if self.hint:
            click.echo(f"{click.style('cure:', bold=True)} {self.hint}", file=file, err=file is None)
