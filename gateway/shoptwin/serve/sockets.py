"""Sockets to listen on: a Unix socket that only the right users may open, and a stale one out of the way."""

from __future__ import annotations

import os
import socket
import stat
from typing import TYPE_CHECKING

from shoptwin.domain.errors import ShoptwinError

if TYPE_CHECKING:
    from pathlib import Path

MODE = 0o660
"""The user and the group of the daemon, and nobody else."""


def listen_unix(path: Path) -> socket.socket:
    """Return a socket that listens at `path`, readable and writable for owner and group alone.

    Raises:
        ShoptwinError: another daemon answers there, something else is in the way, or the folder cannot be written.
    """
    _clear(path)
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The mode is set before the name exists: at no moment may anybody else open it.
        os.fchmod(found.fileno(), MODE)
        found.bind(str(path))
        path.chmod(MODE)
        found.setblocking(False)
        found.listen(64)
    except OSError as error:
        found.close()
        raise ShoptwinError(
            f"Cannot listen on {path}: {error.strerror or error}",
            "Name another path in [serve] socket, or let the daemon write there", code="socket",
        ) from error  # fmt: skip
    return found


def listen_tcp(where: str) -> socket.socket:
    """Return a socket that listens at `host:port`.

    Raises:
        ShoptwinError: the address is taken or is not one of this box.
    """
    host, _, port = where.rpartition(":")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _taken(where, error) from error
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.setblocking(False)
        found.listen(16)
    except OSError as error:
        found.close()
        raise _taken(where, error) from error
    return found


def release(path: Path, own: int) -> None:
    """Remove the socket file, unless another daemon has put its own (with another inode) there meanwhile."""
    try:
        if path.lstat().st_ino == own:
            path.unlink()
    except OSError:
        return


def _taken(where: str, error: OSError) -> ShoptwinError:
    hint = "Name another port in [serve] metrics"
    return ShoptwinError(f"Cannot listen on {where}: {error.strerror or error}", hint, code="socket")


def _clear(path: Path) -> None:
    """Remove a socket file that a daemon left behind when it was killed."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return
    if not stat.S_ISSOCK(mode):
        raise ShoptwinError(f"{path} is in the way, and is not a socket", "Move it away", code="socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise ShoptwinError(
                f"Cannot tell whether a daemon answers at {path}: {error.strerror or error}",
                "Run it as the user who owns the socket", code="socket",
            ) from error  # fmt: skip
        else:
            raise ShoptwinError(
                f"Another daemon is running: it answers at {path}",
                "Stop it (systemctl stop shoptwin), or name another path in [serve] socket", code="already-running",
            )  # fmt: skip
