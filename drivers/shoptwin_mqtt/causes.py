"""Why a broker cannot be reached, and what to do about it: for people."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

from shoptwin.sdk import AuthFailed, NotConnected, Timeout

if TYPE_CHECKING:
    from shoptwin.sdk import DriverError
    from shoptwin_mqtt.settings import Settings

_CLOCK = frozenset({9, 10})
"""OpenSSL's verify codes for a certificate that is not valid yet, or not any more."""
_UNTRUSTED = frozenset({2, 18, 19, 20, 21})
"""... for one that nobody signed whom we trust."""
_OTHER_NAME = frozenset({62, 64})
"""... for one of another host or address."""
_REFUSALS = ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED", "HANDSHAKE_FAILURE", "DECRYPT_ERROR")
_LOGIN = "check user and password_file, and that the broker's own list has this user"
_FINAL = {
    0x84: "the broker speaks another version of MQTT: set version = {other}",
    0x85: "set client_id to one that the broker takes",
    0x86: _LOGIN,
    0x87: _LOGIN,
    0x8A: "the broker has banned this client; its log says why",
    0x8C: "set user and password_file",
}
"""CONNACK reason codes (MQTT 5, 3.2.2.2) that trying again does not cure; paho tells those of 3.1.1 by these too."""
_LATER = {
    0x88: "the broker is not available; it is tried again",
    0x89: "the broker is busy; it is tried again",
    0x8E: "another client has the same client_id: give each its own, or leave client_id out",
    0x95: "a packet was larger than the broker takes: subscribe to fewer topics",
    0x97: "the broker's quota is used up: look into its log",
    0x9C: "use the broker that it names, in url",
    0x9D: "use the broker that it names, in url",
    0x9F: "the broker takes no more connections for now; it is tried again",
}


def refused(settings: Settings, code: int, name: str, *, inside: bool = False) -> DriverError:
    """Return the error for a broker that does not let us in, or puts us out when we were `inside`."""
    who = f" (user {settings.user!r})" if settings.user and code in {0x86, 0x87} else ""
    told = f"{settings.where} {'has put us out' if inside else 'refuses us'}{who}: {name}"
    if code in {0x86, 0x87} and not settings.user:
        code = 0x8C  # mosquitto says "not authorized" of whoever comes without a name
    if code in _FINAL:
        return AuthFailed(told, _FINAL[code].format(other=4 if settings.version == 5 else 5))  # noqa: PLR2004 - MQTT 5
    return NotConnected(told, _LATER.get(code, "its log says why; it is tried again"))


def why_not(settings: Settings, cause: BaseException) -> DriverError:
    """Return the error that says why the broker cannot be reached, and what to do."""
    where = settings.where
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _distrusted(settings, cause)
    if isinstance(cause, ssl.SSLError):
        return no_tls(settings, cause)
    if isinstance(cause, TimeoutError):
        return Timeout(f"{where} does not answer", "check its power, the network, firewalls and url")
    what, cure = f"{where} cannot be reached: {cause}", "check url and the network"
    if isinstance(cause, socket.gaierror):
        what, cure = f"the name {settings.host!r} is unknown", "check url and this box's DNS, or write the IP"
    elif isinstance(cause, ConnectionRefusedError):
        what, cure = f"nobody listens at {where}", "check that it runs, and the port in url (1883, TLS 8883)"
    elif settings.tls and isinstance(cause, ConnectionResetError):
        what, cure = f"{where} broke off TLS", "is this its TLS port? mqtts:// is usually 8883, mqtt:// 1883"
    return NotConnected(what, cure)


def no_tls(settings: Settings, cause: ssl.SSLError) -> DriverError:
    """Return the error for a TLS connection that was not made, or was ended by the broker."""
    reason = cause.reason or str(cause)
    told = reason.lower().replace("_", " ")
    if "ALERT" in reason and any(word in reason for word in _REFUSALS):
        trust = "let the broker trust the certificate in cert_file, or its authority"
        cure = trust if settings.cert_file else "it wants a certificate of ours: set cert_file and key_file"
        return AuthFailed(f"{settings.where} refuses us ({told})", cure)
    return NotConnected(
        f"no TLS with {settings.where} ({told})", "is this its TLS port? mqtts:// is usually 8883, mqtt:// 1883"
    )


def _distrusted(settings: Settings, cause: ssl.SSLCertVerificationError) -> DriverError:
    whose = f"the certificate of {settings.where}"
    said = cause.verify_message
    if cause.verify_code in _CLOCK:  # a box without a battery for its clock wakes up in 1970: it is tried again
        return NotConnected(
            f"{whose} is not valid now: {said}", "check this box's clock (timedatectl), then have it renewed"
        )
    if cause.verify_code in _OTHER_NAME:
        return AuthFailed(f"{whose} is for another name: {said}", "write the name in the certificate into url")
    if cause.verify_code in _UNTRUSTED:
        cure = "ca_file must hold the authority that signed it" if settings.ca_file else "set ca_file to the plant's CA"
        return AuthFailed(f"{whose} is not trusted: {said}", cure)
    return AuthFailed(f"{whose} is refused: {said}", "have it made anew")
