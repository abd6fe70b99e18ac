"""Who talks on a converter: one program of this box at a time, as the kernel sees to it for a serial port."""

from __future__ import annotations

import errno
import hashlib
import socket
from typing import TYPE_CHECKING

from shoptwin_modbus.wire.causes import why_not

if TYPE_CHECKING:
    from shoptwin_modbus.target import Target

NAME = "\0shoptwin-modbus-{}"


class Claim:
    """A claim to the converter at one host and port, advisory: whoever else on this box talks there is to ask too.

    Many converters show a reply to all their clients, and RTU does not say which request it answers. The claim is a
    name among Linux' abstract sockets: it is seen by every user, takes no file, and goes with the process, however
    that ends. Another box, a container with a network of its own, or another spelling of the host is not seen.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._held: socket.socket | None = None

    def take(self) -> None:
        """Take the converter, unless it is held or the target is none.

        Raises:
            NotConnected: another program, or another part of this one, holds it.
        """
        target = self._target
        if self._held is not None or target.checked or target.serial:
            return
        place = hashlib.sha256(f"{target.host}:{target.port}".encode()).hexdigest()
        held = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            held.bind(NAME.format(place))
        except OSError as error:
            held.close()
            if error.errno == errno.EADDRINUSE:
                raise why_not(target, OSError(errno.EBUSY, "in use"), 0.0) from error
            return  # no such names here: then it is for whoever starts two programs to know
        self._held = held

    def release(self) -> None:
        """Let others have it."""
        held, self._held = self._held, None
        if held is not None:
            held.close()
