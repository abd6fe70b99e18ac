"""What asyncua and the network raise, as the errors that the runtime has policies for, each with its cure."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from asyncua import ua
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaError, UaStatusCodeError
from cryptography.exceptions import InvalidSignature

from shoptwin.sdk import AuthFailed, DriverError, NotConnected, Timeout

if TYPE_CHECKING:
    from collections.abc import Iterator

_USER = "check user and password_file, and that the account may log in at the server"
_TRUST = (
    "accept this gateway's certificate at the server (`shoptwin trust show` tells which it is); it usually lies in a "
    "folder or page for rejected certificates"
)
DISTRUST = frozenset({
    "BadCertificateUntrusted", "BadSecurityChecksFailed", "BadCertificateInvalid", "BadCertificateUriInvalid",
    "BadCertificateUseNotAllowed", "BadCertificateRevoked", "BadCertificateRevocationUnknown",
    "BadCertificateIssuerRevocationUnknown", "BadCertificateIssuerRevoked", "BadCertificateIssuerUseNotAllowed",
    "BadCertificateChainIncomplete", "BadCertificatePolicyCheckFailed", "BadCertificateHostNameInvalid",
    "BadApplicationSignatureInvalid",
})  # fmt: skip
"""What a server says that does not accept a certificate (Part 4, 6.1.3 and 7.38)."""
DISTRUST_USER = frozenset({
    "BadIdentityTokenInvalid", "BadIdentityTokenRejected", "BadUserAccessDenied", "BadUserSignatureInvalid",
})  # fmt: skip
"""What it says beside, that does not accept the certificate of a user (Part 4, 5.7.3)."""
_LOGIN = {
    "BadUserAccessDenied": _USER,
    "BadIdentityTokenInvalid": f"{_USER}; or the server takes such a login over an encrypted channel alone",
    "BadIdentityTokenRejected": "the server does not take this kind of login: set user and password_file, or none",
    "BadUserSignatureInvalid": _USER,
}
"""What it says that refuses a login, and what to do."""
NOT_OFFERED = frozenset({"BadSecurityPolicyRejected", "BadSecurityModeRejected", "BadSecurityModeInsufficient"})
"""What it says that wants another security."""
_OTHER_SECURITY = "set security as the PLC's project says: `shoptwin discover` shows what the server offers"
_LATER = {
    **dict.fromkeys(NOT_OFFERED, _OTHER_SECURITY),
    "BadUserAccessDenied": "let this user read, browse and subscribe at the server, or log in as one that may",
    "BadTooManySessions": "the server has no session left: close other clients, or wait until it drops dead ones",
    "BadTcpEndpointUrlInvalid": "check the path at the end of url",
    "BadTcpServerTooBusy": "the server is busy",
    "BadServerHalted": "the server is halted",
    "BadShutdown": "the server shuts down",
    "BadTooManySubscriptions": 'the server has no subscription left: use fewer periods, or mode = "auto"',
    "BadTooManyMonitoredItems": 'the server cannot watch so many nodes: use mode = "auto"',
    "BadServiceUnsupported": 'the server cannot do this: use mode = "auto"',
    "BadCertificateTimeInvalid": "a certificate is not valid at the time that the server's clock or this box's shows: "
    "set both clocks, then renew the certificate if it has expired",
    "BadCertificateIssuerTimeInvalid": "an issuer's certificate is not valid now: set the clocks, or renew it",
}
TOO_MUCH = frozenset({
    StatusCodes.BadTooManyOperations, StatusCodes.BadRequestTooLarge, StatusCodes.BadResponseTooLarge,
    StatusCodes.BadEncodingLimitsExceeded, StatusCodes.BadTcpMessageTooLarge,
})  # fmt: skip
"""What a server says that was asked for too much at a time."""


class NotTrusted(NotConnected):
    """One of the two does not accept the other's certificate. Tried again: nothing can be locked by it."""

    code = "not-trusted"


class Refused(NotConnected):
    """The server answered a whole service with a Bad status, kept in `status`."""

    def __init__(self, message: str, hint: str, status: int) -> None:
        super().__init__(message, hint)
        self.status = status


def code_name(status: int) -> str:
    """Return a status code's name as the standard has it."""
    name: str = ua.StatusCode(ua.UInt32(status)).name
    return name


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Raise what comes out of the block as a DriverError that names the server, `where`."""
    try:
        yield
    except DriverError:
        raise
    except TimeoutError as error:
        raise Timeout(f"{where} did not answer in time", "check that it runs, or raise timeout") from error
    except UaStatusCodeError as error:
        raise refused(where, error.code) from error
    except InvalidSignature as error:
        hint = "somebody may stand between; or the server was given a new certificate and still shows the old one"
        raise NotTrusted(f"{where} cannot prove that its certificate is its own", hint) from error
    except socket.gaierror as error:
        raise NotConnected(f"the name in {where} is unknown", "check the name in url, and this box's DNS") from error
    except ConnectionRefusedError as error:
        hint = "check host and port, and that the OPC UA server is switched on"
        raise NotConnected(f"{where} refused the connection", hint) from error
    except (OSError, AssertionError) as error:  # asyncua asserts where a server hangs up instead of answering
        raise NotConnected(
            f"lost {where}: {str(error) or 'it hung up'}", "it is connected again as soon as it answers"
        ) from error
    except (UaError, ValueError, LookupError, TypeError) as error:
        raise NotConnected(f"{where}: {error}", "the server's answer cannot be used; it is asked again") from error


@contextmanager
def logging_in(where: str) -> Iterator[None]:
    """Raise what refuses a login as AuthFailed: tried again and again it could lock the account."""
    try:
        yield
    except UaStatusCodeError as error:
        if (name := code_name(error.code)) not in _LOGIN:
            raise
        raise AuthFailed(f"{where} refuses us: {name}", _LOGIN[name]) from error


def refused(where: str, code: int) -> DriverError:
    """Return the error for a service that the server refused with this status code."""
    name = code_name(code)
    if name in DISTRUST:
        return NotTrusted(f"{where} refuses us: {name}", _TRUST)
    if name == "BadTimeout":
        return Timeout(f"{where} did not answer in time: {name}", "raise timeout, or ask it for less")
    return Refused(f"{where} answers {name}", _LATER.get(name, "it is tried again"), code)
