"""How `shoptwin browse` shows what a device has on a terminal: a tree whose lines come one by one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from shoptwin.cli.printing import columns, room

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shoptwin.domain.device import TagCandidate

WORDS = {"f4": "float32", "f8": "float64", "i8": "int64", "u8": "uint64", "str": "text"}
"""Kinds of values as the configuration of a driver and a PLC's program call them."""
_WIDE, _NARROW = (34, 10, 22, 14), (28, 9, 18)
"""Widths of name, type, value and range; what is longer moves the rest of its line. A narrow terminal has no range."""
_ROOM = 120
"""Columns from which on a terminal is wide."""
_OF_FOLDER = 3
_HEADINGS = ("name", "type", "now", "range", "address")


def kind(candidate: TagCandidate) -> str:
    """Return what is read there, for people."""
    if not candidate.is_value:
        return "folder"
    return WORDS.get(candidate.kind, str(candidate.kind)) if candidate.kind else ""


class Tree:
    """Prints things as they come; of what lies nowhere in particular, the folders above first."""

    def __init__(self, *, sparse: bool) -> None:
        """`sparse`: print those folders alone that have something in them."""
        self._sparse = sparse
        self._widths = _WIDE if not sys.stdout.isatty() or columns() >= _ROOM else _NARROW
        self._folders: list[TagCandidate] = []
        """Those above the last thing."""
        self._told: tuple[str, ...] = ()
        """Folders that the next line may stand below."""
        self._begun = False

    def show(self, candidate: TagCandidate) -> None:
        """Print a line, or keep a folder until something in it is printed."""
        del self._folders[len(candidate.path) :]
        if candidate.is_value or not self._sparse:
            self._above(candidate.path)
            self._line(candidate)
            self._told = (*candidate.path, candidate.name)
        self._folders.append(candidate)

    def _above(self, path: tuple[str, ...]) -> None:
        same = 0
        while same < min(len(path), len(self._told)) and path[same] == self._told[same]:
            same += 1
        for depth in range(same, len(path)):
            folder = self._folders[depth] if depth < len(self._folders) else None
            if folder is not None and folder.name == path[depth]:
                self._line(folder)
            else:
                self._cells(depth, path[depth])

    def _line(self, candidate: TagCandidate) -> None:
        depth, name, address = len(candidate.path), candidate.name, candidate.address
        if not candidate.is_value:
            what = " ".join([candidate.type, *(["as above"] if candidate.again else [])])
            self._cells(depth, name, what, address, bold=not candidate.again)
            return
        span = f"{candidate.span[0]:g} to {candidate.span[1]:g}" if candidate.span else ""
        self._cells(depth, name, kind(candidate) or candidate.type or "?", now(candidate), span, address)

    def _cells(self, depth: int, name: str, *cells: str, bold: bool = False) -> None:
        if not self._begun:
            self._begun = True
            click.echo(_row(_HEADINGS, self._widths))
        lead, name = "  " * depth, plain(name)
        shown = [lead + name, *map(plain, cells)]
        text, address = _row(shown, self._widths), ""
        if len(text) > room() and cells:  # the address gets a line of its own
            address, shown[-1] = shown[-1], ""
            text = _row(shown, self._widths)
        click.echo(lead + click.style(name, bold=True) + text[len(lead + name) :] if bold else text)
        if address:
            click.echo(f"{lead}    {address}")


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Align cells; those of a folder are its name, one over the widths of all others, and the address."""
    cells = list(cells)
    if len(cells) == len(_HEADINGS):
        del cells[len(widths) : -1]
    elif len(cells) == _OF_FOLDER:
        widths = (widths[0], sum(widths[1:]) + 2 * len(widths[2:]))
    padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=False)]
    return "  ".join([*padded, *cells[len(widths) :]]).rstrip()


def now(candidate: TagCandidate) -> str:
    """Write the value with its unit."""
    sample, unit = candidate.sample, candidate.unit
    if candidate.kind == "waveform":
        rate = f"{candidate.rate:g} Hz" if candidate.rate else ""
        return ", ".join(part for part in (sample, unit, rate, candidate.doubt) if part)
    if not sample:
        return f"in {unit}" if unit else ""
    return " ".join(part for part in (sample, unit, candidate.doubt and f"({candidate.doubt})") if part)


def plain(text: str) -> str:
    """Keep a line a line, and the terminal as it is: names come from the device."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
