"""Why a device cannot be reached, and what to do about it: for people."""

from __future__ import annotations

import errno
import re
import socket
import ssl
import termios
from typing import TYPE_CHECKING

from shoptwin.sdk import AuthFailed, NotConnected
from shoptwin_modbus.wire.replies import HungUp

if TYPE_CHECKING:
    from shoptwin_modbus.target import Target

_IN_USE = (
    "is in use",
    "end the daemon (systemctl stop shoptwin) or other program that talks there, or write it alike in each url",
)

CURES: dict[int, tuple[str, str]] = {
    errno.ECONNREFUSED: ("refused the connection", "check the port ({port} is usual) and that its Modbus server is on"),
    errno.EHOSTUNREACH: ("cannot be reached", "check its address, the cable and the route to its network"),
    errno.ENETUNREACH: ("cannot be reached", "this box has no route there: check its own address and gateway"),
    errno.ECONNRESET: ("broke off the connection", "it may have no free connection left: close other Modbus clients"),
    errno.ENOENT: ("does not exist", "plug the adapter in and look it up with: ls /dev/serial/by-id"),
    errno.ENODEV: ("does not exist", "plug the adapter in and look it up with: ls /dev/serial/by-id"),
    errno.ENXIO: ("does not exist", "plug the adapter in and look it up with: ls /dev/serial/by-id"),
    errno.EIO: ("is gone", "plug the adapter in and look it up with: ls /dev/serial/by-id"),
    errno.EACCES: ("may not be opened", "let the daemon's user into the port's group: usermod -aG dialout shoptwin"),
    errno.EBUSY: _IN_USE,
    errno.EAGAIN: _IN_USE,
}

CLOCK = frozenset({9, 10})
"""OpenSSL's verify codes for a certificate that is not valid yet, or not any more."""
UNTRUSTED = frozenset({18, 19, 20, 21})
"""... for one that nobody signed whom we trust."""
OTHER_NAME = frozenset({62, 64})
"""... for one of another host or address."""
_WANTS_ONE = "it may want a certificate of ours: set cert_file and key_file"
_NO_TLS = "check the port (802 is usual), or write tcp:// where the device has no TLS"
_REFUSALS = ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED", "HANDSHAKE_FAILURE", "DECRYPT_ERROR")


def why_not(target: Target, cause: BaseException | None, timeout: float) -> NotConnected | AuthFailed:
    """Return the error that says why a target cannot be reached, and what to do."""
    if isinstance(cause, ssl.SSLError):
        return _tls(target, cause)
    if isinstance(cause, socket.gaierror):
        return NotConnected(
            f"the name {target.host!r} is unknown", "check the spelling and the box's DNS, or write the IP"
        )
    if isinstance(cause, termios.error):  # which is no OSError
        return NotConnected(
            f"the port of {target} cannot do this",
            "it refuses the baud rate, the parity or the stop bits: check them in the url, or take another adapter "
            "(a pseudo terminal takes parity=N alone)",
        )
    return _refused(target, cause, timeout)


def _refused(target: Target, cause: BaseException | None, timeout: float) -> NotConnected:
    """Return the error for what the system said."""
    if target.scheme == "tls" and isinstance(cause, ConnectionError) and not isinstance(cause, ConnectionRefusedError):
        return NotConnected(
            f"{target} closed the connection as TLS began: most likely it does not speak TLS there",
            f"{_NO_TLS}; or it has no free connection left: close other Modbus clients",
        )
    number = cause.errno if isinstance(cause, OSError) else None
    if number is None and (found := re.search(r"\[Errno (\d+)\]", str(cause))):
        number = int(found[1])  # a name with several addresses: asyncio joins what each was refused with
    if number in CURES:
        what, cure = CURES[number]
        return NotConnected(f"{target} {what}", cure.format(port=802 if target.scheme == "tls" else 502))
    if cause is None or isinstance(cause, TimeoutError):
        return NotConnected(
            f"{target} did not answer within {timeout:g} s", "check its power, its address and firewalls"
        )
    return NotConnected(
        f"{target} cannot be opened: {str(cause) or type(cause).__name__}", "check the url of this device"
    )


def broken_off(target: Target, cause: BaseException | None, *, heard: bool) -> NotConnected | AuthFailed:
    """Return the error for a connection that ended; `heard`: after something had come.

    TLS 1.3 refuses a client's certificate only then.
    """
    if isinstance(cause, ssl.SSLError):
        return _tls(target, cause)
    if target.serial:
        what, cure = CURES[errno.EIO]
        return NotConnected(f"{target} {what}", cure)
    if target.scheme == "tls" and not heard:
        cure = "it may not trust the certificate in cert_file" if target.cert_file else _WANTS_ONE
        return HungUp(f"{target} closed the connection before any reply", cure, used=False)
    return HungUp(f"{target} closed the connection", "it is made anew", used=heard)


def no_modbus(target: Target) -> NotConnected:
    """Return the error for what answers, but never with a proper reply."""
    if target.serial:
        return NotConnected(
            f"what comes on {target} is no Modbus",
            "check baud, parity and stop bits, the polarity of the two wires, termination and bias",
        )
    return NotConnected(
        f"{target} answers, but not in Modbus",
        "check the port (502 is usual): another kind of server may be there; and the url: tcp:// for Modbus TCP, "
        "rtu+tcp:// for a converter that passes RTU frames on",
    )


def _tls(target: Target, cause: ssl.SSLError) -> NotConnected | AuthFailed:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _untrusted(target, cause)
    reason = cause.reason or str(cause)
    if "PROTOCOL_VERSION" in reason or "UNSUPPORTED_PROTOCOL" in reason:
        return NotConnected(f"{target} knows no TLS 1.2 or later", "update the device's firmware")
    if "ALERT" in reason and any(word in reason for word in _REFUSALS):
        trust = "let the device trust the certificate in cert_file, or its authority"
        cure = trust if target.cert_file else _WANTS_ONE
        return AuthFailed(f"{target} refused us ({reason.lower().replace('_', ' ')})", cure)
    return NotConnected(
        f"{target} does not speak TLS as it should ({reason.lower().replace('_', ' ')})",
        _NO_TLS,
    )


def _untrusted(target: Target, cause: ssl.SSLCertVerificationError) -> NotConnected | AuthFailed:
    code = cause.verify_code
    if code in CLOCK:  # after a start without a network this box's own clock may be wrong: it is tried again
        return NotConnected(
            f"the certificate of {target} is not valid now: {cause.verify_message}",
            "check this box's clock (timedatectl), then have the device's certificate renewed",
        )
    if code in OTHER_NAME:
        return AuthFailed(
            f"the certificate of {target} is for another name: {cause.verify_message}",
            "set server_name to the name in the certificate",
        )
    if code in UNTRUSTED:
        cure = (
            "ca_file must hold the authority that signed it, or the certificate itself"
            if target.ca_file
            else "set ca_file to the authority that signed it, or to the certificate itself"
        )
        return AuthFailed(f"the certificate of {target} is not trusted: {cause.verify_message}", cure)
    return AuthFailed(f"the certificate of {target} is refused: {cause.verify_message}", "have it made anew")
