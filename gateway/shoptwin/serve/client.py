"""A small HTTP client over the daemon's Unix socket, for the command line; nothing but the standard library."""

from __future__ import annotations

import http.client
import json
import os
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from shoptwin.domain.errors import NotRunning, ShoptwinError

SYSTEM_SOCKET = Path("/run/shoptwin/shoptwin.sock")
TIMEOUT_SECONDS = 30.0
_HINT = "Start it (systemctl start shoptwin, or shoptwin run --config FILE), or name its socket with --socket"


def find_socket(given: Path | None = None) -> Path:
    """Return where the daemon listens: as given, `$SHOPTWIN_SOCKET`, the system's, or ./state."""
    if given is not None:
        return given
    if named := os.environ.get("SHOPTWIN_SOCKET"):
        return Path(named)
    beside = Path("state/shoptwin.sock")
    return beside if beside.is_socket() and not SYSTEM_SOCKET.is_socket() else SYSTEM_SOCKET


class _Connection(http.client.HTTPConnection):
    """HTTP to a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Client:
    """Asks the daemon that listens at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def get(self, route: str, **query: object) -> Any:  # noqa: ANN401 - JSON
        """Return what GET gives; `query` goes into the URL, without what is None.

        Raises:
            NotRunning: no daemon answers. ShoptwinError: it refuses, with its own code, message and hint.
        """
        given = {key: value for key, value in query.items() if value is not None}
        return self._ask("GET", f"{route}?{urlencode(given)}" if given else route)

    def post(self, route: str, **body: object) -> Any:  # noqa: ANN401 - JSON
        """Return what POST gives. Raises as `get`."""
        return self._ask("POST", route, json.dumps(body).encode())

    def _ask(self, method: str, route: str, body: bytes | None = None) -> Any:  # noqa: ANN401 - JSON
        connection = _Connection(self.path)
        try:
            connection.request(method, route, body, {"content-type": "application/json"} if body else {})
            answer = connection.getresponse()
            text = answer.read()
        except PermissionError as error:
            hint = "Run it with sudo, or as a member of the daemon's group"
            raise ShoptwinError(f"You may not use {self.path}", hint, code="permission") from error
        except TimeoutError as error:
            hint = "See what it does: journalctl -u shoptwin"
            raise NotRunning(f"The daemon at {self.path} does not answer", hint) from error
        except (OSError, http.client.HTTPException) as error:
            raise NotRunning(f"No daemon answers at {self.path}", _HINT) from error
        finally:
            connection.close()
        try:
            found = json.loads(text)
        except ValueError as error:
            if answer.status >= http.client.INTERNAL_SERVER_ERROR:
                what = f"The daemon at {self.path} failed to answer ({answer.status})"
                raise ShoptwinError(what, "See its log: journalctl -u shoptwin", code="http") from error
            raise ShoptwinError(f"What answers at {self.path} is not a Shoptwin daemon", _HINT, code="http") from error
        if answer.status >= http.client.BAD_REQUEST:
            raise self._refusal(found)
        return found

    def _refusal(self, found: dict[str, str]) -> ShoptwinError:
        error = ShoptwinError(found.get("message", "refused"), found.get("hint", ""), code=found.get("error", "error"))
        error.exit_code = 78 if error.code == "config" else 1
        return error
