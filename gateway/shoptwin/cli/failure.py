"""Foreseen errors on the command line."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from typing import IO, Any

import click

from shoptwin.domain.errors import ShoptwinError

_CURES = {
    errno.ENOENT: "Create the folder first, or name another",
    errno.ENOTDIR: "A part of the path is a file: name another",
    errno.EISDIR: "It is a folder: name a file within it",
    errno.EACCES: "Your user may not: name another place, or ask who may",
    errno.EPERM: "Your user may not: name another place, or ask who may",
    errno.EROFS: "The disk is mounted read-only: name another place",
    errno.ENOSPC: "The disk is full: make room (`df -h`), or name another place",
}
OUTPUT = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""What the system says where a disk takes no more of what is printed to a file on it."""


def of_file(error: OSError) -> ShoptwinError:
    """Return what the system says of a file as an error with its cure."""
    message = f"{os.fsdecode(error.filename)}: {error.strerror or error}"
    return ShoptwinError(message, _CURES.get(error.errno or 0, "Check the path, and the disk"), code="file")


def of_output(error: OSError) -> ShoptwinError:
    """Return what the system says where nothing more can be printed as an error; what still waits is let go of."""
    with contextlib.suppress(OSError, ValueError):  # else it is tried again at exit, and fails again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    hint = _CURES.get(error.errno or 0, "Print to somewhere else")
    return ShoptwinError(f"The output cannot be written: {error.strerror}", hint, code="file")


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
