"""systemd's notify protocol (sd_notify(3)), in the few lines that it takes; silent where systemd is not there."""

from __future__ import annotations

import os
import socket


def notify(state: str) -> bool:
    """Send `READY=1`, `WATCHDOG=1`, `STATUS=…`, `RELOADING=1`, `STOPPING=1`; tell whether anyone listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):  # Linux's abstract namespace
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
        try:
            out.sendto(state.encode(), address)
        except OSError:
            return False  # systemd is restarting; the next one will arrive
    return True


def watchdog_interval() -> float | None:
    """Return the seconds between two pets: half of what systemd allows, or None where it does not watch us."""
    usec = os.environ.get("WATCHDOG_USEC", "")
    if not usec.isdigit() or os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(usec) / 2e6
