"""Who we are and whom we talk to: certificates, keys, the password."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from asyncua import ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from cryptography import x509

from shoptwin.sdk import AuthFailed, NotConnected

if TYPE_CHECKING:
    from asyncua.client.client import Client

    from shoptwin_opcua.settings import Settings


def find(text: str) -> Path:
    """Return the path of a secret or certificate: as it is, or a systemd credential of that name."""
    path = Path(text)
    if not path.is_absolute() and (credentials := os.environ.get("CREDENTIALS_DIRECTORY")):
        credential = Path(credentials) / text
        if credential.exists():
            return credential
    return path


def password(settings: Settings) -> str:
    """Return the password, without the line's end.

    Raises:
        AuthFailed: the file cannot be read.
    """
    if not settings.password_file:
        return ""
    try:
        return find(settings.password_file).read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        hint = "put the password, and nothing else, into the file that password_file names; the daemon must read it"
        raise AuthFailed(f"password_file cannot be read: {error}", hint) from error


async def secure(client: Client, settings: Settings) -> None:
    """Make the client sign and encrypt, as the settings say.

    Raises:
        AuthFailed: a file cannot be read or is no certificate.
        NotConnected: a certificate is not valid at the time that this box's clock shows.
    """
    ours = _certificate(settings.certificate, "certificate")
    check_time(ours, "the gateway's certificate", datetime.now(UTC))
    if settings.server_certificate:
        theirs = _certificate(settings.server_certificate, "server_certificate")
        check_time(theirs, "the server's certificate", datetime.now(UTC))
    client.application_uri = _application_uri(ours)
    try:
        await client.set_security(
            SecurityPolicyBasic256Sha256,
            certificate=str(find(settings.certificate)),
            private_key=str(find(settings.private_key)),
            server_certificate=str(find(settings.server_certificate)) if settings.server_certificate else None,
            mode=ua.MessageSecurityMode.SignAndEncrypt,
        )
    except (FileNotFoundError, PermissionError) as error:
        raise AuthFailed(f"the private key cannot be read: {error}", "check private_key") from error


def _certificate(text: str, setting: str) -> x509.Certificate:
    try:
        data = find(text).read_bytes()
        is_pem = data.lstrip().startswith(b"-----BEGIN")
        return x509.load_pem_x509_certificate(data) if is_pem else x509.load_der_x509_certificate(data)
    except OSError as error:
        raise AuthFailed(f"{setting} cannot be read: {error}", f"check {setting}") from error
    except ValueError as error:
        raise AuthFailed(f"{text} holds no certificate: {error}", f"{setting} must name a .der or .pem file") from error


def check_time(certificate: x509.Certificate, whose: str, now: datetime) -> None:
    """Check the time of validity by this box's own clock, whichever time the samples carry.

    Raises:
        NotConnected: it is not valid now; a box without a battery for its clock wakes up in 1970, so it is tried again.
    """
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    clock = f"this box's clock says {now:%Y-%m-%d %H:%M} UTC"
    if now < first:
        raise NotConnected(
            f"{whose} is not valid yet: {clock}, and it is valid from {first:%Y-%m-%d %H:%M} UTC on",
            "set the clock (NTP); the connection is tried again by itself",
        )
    if now > last:
        raise NotConnected(
            f"{whose} has expired on {last:%Y-%m-%d}: {clock}", "renew the certificate, or set the clock"
        )


def _application_uri(certificate: x509.Certificate) -> str:
    """Return the URI that the certificate is made out to: servers compare it with the client's."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return str(names.get_values_for_type(x509.UniformResourceIdentifier)[0])
    except (x509.ExtensionNotFound, IndexError) as error:
        hint = "make one whose SubjectAltName holds the application's URI, as OPC UA Part 6, 6.2.2 asks for"
        raise AuthFailed("the gateway's certificate names no application URI", hint) from error
