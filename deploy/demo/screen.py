"""What is seen: the live view on a terminal, or plain lines without one."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from shoptwin.cli.view import render
from shoptwin.domain.errors import ShoptwinError
from shoptwin.serve.client import Client

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Answer = tuple[dict[str, Any] | None, list[dict[str, Any]]]


class Headless:
    """Prints each line once."""

    def __init__(self) -> None:
        self._said: set[str] = set()
        self._last = ""
        self._seen: tuple[dict[str, Any], list[dict[str, Any]], list[str]] | None = None

    def __enter__(self) -> Self:
        return self

    def picture(self, file: Path) -> None:
        """Save the view as it was last seen, as SVG."""
        if self._seen is None:
            return
        console = Console(record=True, width=118, file=io.StringIO(), force_terminal=True, legacy_windows=False)
        console.print(render(*self._seen, tags_most=6))
        svg = console.export_svg(title="make demo")
        # Without the fonts that it would load from the web: the picture must show on a box without internet.
        file.write_text(re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL))

    def __exit__(self, *_: object) -> None:
        """Nothing to put back."""

    def ask(self, socket: Path) -> Answer:
        """Return status and alarms of the gateway, or None while it does not answer yet."""
        try:
            client = Client(socket)
            return client.get("/v1/status"), client.get("/v1/alarms")
        except ShoptwinError:
            return None, []

    def say(self, line: str) -> None:
        """Tell what is going on."""
        print(line, flush=True)

    def show(self, status: dict[str, Any], alarms: list[dict[str, Any]], received: Iterable[str]) -> None:
        """Print how learning goes, and what was received over MQTT, each line once."""
        self._seen = status, alarms, list(received)
        learning = ", ".join(f"{m['name']} {_learning(m)}" for m in status["machines"])
        if learning != self._last:
            self._last = learning
            print(learning, flush=True)
        for line in list(received):
            if line not in self._said:
                self._said.add(line)
                print(f"MQTT: {line}", flush=True)


class Screen(Headless):
    """The live view."""

    def __init__(self) -> None:
        super().__init__()
        self._console = Console()
        self._live = Live(console=self._console, screen=True, auto_refresh=False)
        self._line = ""

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def say(self, line: str) -> None:
        """Tell what is going on, in the last line of the view."""
        self._line = line
        self._live.update(Text(line), refresh=True)

    def show(self, status: dict[str, Any], alarms: list[dict[str, Any]], received: Iterable[str]) -> None:
        """Draw the view."""
        self._seen = status, alarms, list(received)
        lines = self._seen[2] or ["nothing yet"]
        last = Text(f"{self._line}   (Ctrl-C ends it all)", "dim", no_wrap=True, overflow="ellipsis")
        view = render(status, alarms, lines, tags_most=6, height=self._console.size.height - 1)
        self._live.update(Group(view, last), refresh=True)


def _learning(machine: dict[str, Any]) -> str:
    health = machine["health"]
    if health is None:
        return "starting"
    return f"learning {health['progress'] // 0.25 * 0.25:.0%}" if health["state"] == "learning" else health["state"]
