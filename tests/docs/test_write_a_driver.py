"""The page on writing a driver, done step by step in a virtual environment of its own, without a network.

The page's comments say what happens to a block: `<!-- run: file NAME -->`, `<!-- run: exit 1 -->` and
`<!-- run: background until TEXT -->`. Each line of a text block occurs in what the block before it printed, in this
order; spaces count as one.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shoptwin.acquire.registry import plugins
from shoptwin.testing import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/how-to/write-a-driver.md"
STEP = re.compile(
    r"(?:^<!-- run: (?P<how>[^\n]*?) -->\n+)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)
PORT, CHECKOUT = "5025", "../shoptwin"
PATIENCE = 120


class Walk:
    """A reader who does what the page says, in an empty folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said = ""
        self.background: list[subprocess.Popen[str]] = []
        self._port = str(free_port())

    def go(self, kind: str, text: str, how: str) -> None:
        """Do one step."""
        verb, _, rest = how.partition(" ")
        if verb == "file":
            (self.folder / rest).write_text(self._here(text))
        elif kind == "text":
            self._expect(text)
        elif kind == "sh":
            self._run(text, int(rest) if verb == "exit" else 0) if verb != "background" else self._begin(text)
            self._lend()

    def end(self) -> None:
        """End what runs in the background."""
        for process in self.background:
            process.send_signal(signal.SIGINT)
            process.wait(10)

    def _run(self, text: str, code: int) -> None:
        done = subprocess.run(
            ["bash", "-e", "-c", self._here(text)], cwd=self.folder, env=_environment(), text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=PATIENCE,
        )  # fmt: skip
        self.said = done.stdout.replace(self._port, PORT)
        assert done.returncode == code, f"{text}\nended with {done.returncode}:\n{self.said}"

    def _begin(self, text: str) -> None:
        process = subprocess.Popen(
            shlex.split(self._here(text)), cwd=self.folder, env=_environment(), text=True, stdout=subprocess.PIPE
        )
        self.background.append(process)
        assert process.stdout is not None
        assert "listening" in process.stdout.readline()

    def _expect(self, text: str) -> None:
        said, at = " ".join(self.said.split()), 0
        for line in map(" ".join, map(str.split, filter(str.strip, text.splitlines()))):
            at = said.find(line, at)
            assert at >= 0, f"{line!r} is not in what was printed, or not there:\n{self.said}"
            at += len(line)

    def _lend(self) -> None:
        """Show a new environment what is installed here: there may be no network to fetch it again."""
        for packages in self.folder.glob("env/lib/python*/site-packages"):
            here = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
            lines = [f"import site; site.addsitedir({place!r})" for place in sorted(here)]
            (packages / "zz_lent.pth").write_text("\n".join(lines) + "\n")

    def _here(self, text: str) -> str:
        offline = text.replace("pip install", "pip install --no-index --no-build-isolation")
        return offline.replace(PORT, self._port).replace(CHECKOUT, str(ROOT))


def _environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SHOPTWIN_", "PIP_", "PYTEST_", "VIRTUAL_ENV"))}
    return kept | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "COLUMNS": "120",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


def _steps() -> list[re.Match[str]]:
    return list(STEP.finditer(PAGE.read_text("utf-8")))


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Walk]:
    """Give a reader in an empty folder."""
    reader = Walk(tmp_path)
    yield reader
    with contextlib.suppress(subprocess.TimeoutExpired):
        reader.end()
    for process in reader.background:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.mark.timeout(300)
def test_the_page(walk: Walk) -> None:
    """Who does what the page says has a driver that is installed, reads, and keeps the contract."""
    assert "linemeter" not in plugins()
    for step in _steps():
        walk.go(step["kind"], step["text"], step["how"] or "")
    assert "linemeter" not in plugins()


def test_the_page_has_every_step() -> None:
    """The page shows files, commands, an expected failure and what is printed: none of them got lost in its markup."""
    ways = [f"{step['kind']} {(step['how'] or '').partition(' ')[0]}".strip() for step in _steps()]
    assert {"toml file", "python file", "sh", "sh exit", "sh background", "text"} == set(ways)


def test_expectations_can_fail(walk: Walk) -> None:
    """What was not printed, another order and another end of a command are failures."""
    walk.go("sh", "echo b; echo a; exit 3", "exit 3")
    walk.go("text", "b\na\n", "")
    for kind, text in (("text", "a\nb\n"), ("text", "c"), ("sh", "exit 3")):
        with pytest.raises(AssertionError):
            walk.go(kind, text, "")
        walk.said = "b\na"
