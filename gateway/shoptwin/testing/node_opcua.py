"""A real OPC UA server that nobody here wrote: node-opcua in a process of its own, started and commanded by tests."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import Self

STARTS_WITHIN = 120.0
"""Seconds until it must be ready; making its certificate takes most of them on a slow box."""


def missing(repository: Path) -> str:
    """Return why node-opcua cannot run here, naming the package; empty where it can."""
    if shutil.which("node") is None:
        return "node is not installed (apt install nodejs)"
    if _modules(repository) is None:
        return "node-opcua is not installed (npm install --prefix .node node-opcua-server)"
    return ""


def _modules(repository: Path) -> Path | None:
    """Return where node-opcua lies: in NODE_PATH, or in the repository's own folder for it."""
    folders = [Path(text) for text in os.environ.get("NODE_PATH", "").split(os.pathsep) if text]
    folders.append(repository / ".node" / "node_modules")
    return next((folder for folder in folders if (folder / "node-opcua-server").is_dir()), None)


class NodeOpcua:
    """A server in `tests/system/servers`; options as there, `max_sessions=2` for `--max-sessions 2`."""

    def __init__(self, repository: Path, *, script: str = "opcua.js", **options: object) -> None:
        self._repository = repository
        self._script = script
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self.ready: dict[str, Any] = {}
        """What it told when it was ready: url, port, namespace, uri, pki."""

    @property
    def url(self) -> str:
        """Where it is."""
        return str(self.ready["url"])

    @property
    def port(self) -> int:
        """Its TCP port, the same again after `start` follows `kill`."""
        return int(self.ready["port"])

    @property
    def running(self) -> bool:
        """Whether it is there."""
        return self._process is not None and self._process.poll() is None

    def start(self, **options: object) -> Self:
        """Start, with more or other options, at the port of last time; blocks until ready. Raises RuntimeError."""
        self.kill()
        self._options |= options
        modules = _modules(self._repository)
        program = shutil.which("node")
        if modules is None or program is None:
            raise RuntimeError(missing(self._repository))
        if self.ready:
            self._options["port"] = self.port
        script = self._repository / "tests" / "system" / "servers" / self._script
        arguments = [part for name, value in self._options.items() for part in _argument(name, value)]
        self._process = subprocess.Popen(  # noqa: S603 - a program of the tests
            [program, str(script), *arguments],
            env=os.environ | {"NODE_PATH": str(modules)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.ready = self._answer(STARTS_WITHIN)
        return self

    def do(self, what: str, **more: object) -> dict[str, Any]:
        """Give a command and return its answer; blocks for some milliseconds. Raises RuntimeError where it failed."""
        process = self._running()
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        process.stdin.write(json.dumps({"do": what, **more}).encode() + b"\n")
        process.stdin.flush()
        answer = self._answer(10)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def _answer(self, seconds: float) -> dict[str, Any]:
        stdout = self._running().stdout
        assert stdout is not None  # noqa: S101 - it is a pipe
        text = b""
        while select.select([stdout], [], [], seconds)[0] and (more := os.read(stdout.fileno(), 65536)):
            text += more
            for line in text.split(b"\n")[:-1]:  # it says other things too
                if line.startswith(b"{"):
                    answer: dict[str, Any] = json.loads(line)
                    return answer
        self.kill()
        raise RuntimeError("node-opcua ended, or did not answer")

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("node-opcua is not running")
        return self._process

    def pause(self) -> None:
        """SIGSTOP: it keeps its sockets and answers nothing."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._running().send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill -9; may be called twice."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


def _argument(name: str, value: object) -> list[str]:
    option = "--" + name.replace("_", "-")
    if isinstance(value, bool):
        return [option] if value else []
    return [option, str(value)]
