"""X.509 certificates as OPC UA uses them (Part 6, 6.2.2): reading them, and what they tell people."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from shoptwin.sdk import AuthFailed, Certificate, NotConnected, Standing

if TYPE_CHECKING:
    from collections.abc import Sequence

SHORTEST_KEY = 2048
"""Bits of an RSA key, by every security policy that is not broken (Part 7, 6.6)."""


def find(text: str) -> Path:
    """Return the path of a secret or certificate: as it is, or a systemd credential of that name."""
    path = Path(text)
    if not path.is_absolute() and (credentials := os.environ.get("CREDENTIALS_DIRECTORY")):
        credential = Path(credentials) / text
        if credential.exists():
            return credential
    return path


def of_bytes(data: bytes) -> x509.Certificate:
    """Return the first certificate of a DER chain, or of PEM. Raises ValueError."""
    if data.lstrip().startswith(b"-----BEGIN"):
        return x509.load_pem_x509_certificate(data)
    if data[:2] == b"\x30\x82":  # Part 6, 6.2.3: others may follow, one after the other; the lengths are of two bytes
        data = data[: 4 + int.from_bytes(data[2:4])]
    return x509.load_der_x509_certificate(data)


def of_file(text: str, setting: str) -> x509.Certificate:
    """Return the certificate that a setting names.

    Raises:
        AuthFailed: it cannot be read, or is none.
    """
    return _certificate(_data(text, setting), text, setting)


def pair_of_file(text: str, whose: str) -> tuple[x509.Certificate, rsa.RSAPrivateKey]:
    """Return the certificate and key that lie in one file: read once, so that both are of one and the same pair.

    Raises:
        AuthFailed: it cannot be read, or holds no such pair.
    """
    data = _data(text, whose)
    certificate = _certificate(data, text, whose)
    return certificate, _key(data, text, whose, certificate)


def key_of_file(text: str, setting: str, certificate: x509.Certificate) -> rsa.RSAPrivateKey:
    """Return the private key that a setting names, and that belongs to the certificate.

    Raises:
        AuthFailed: it cannot be read, is no RSA key, or another's.
    """
    return _key(_data(text, setting), text, setting, certificate)


def _data(text: str, setting: str) -> bytes:
    try:
        return find(text).read_bytes()
    except OSError as error:
        raise AuthFailed(f"{setting} cannot be read: {error}", f"check {setting}") from error


def _certificate(data: bytes, text: str, setting: str) -> x509.Certificate:
    try:
        return of_bytes(data)
    except ValueError as error:
        raise AuthFailed(f"{text} holds no certificate: {error}", f"{setting} must name a .der or .pem file") from error


def _key(data: bytes, text: str, setting: str, certificate: x509.Certificate) -> rsa.RSAPrivateKey:
    try:
        key = key_of_bytes(data)
    except (ValueError, TypeError) as error:
        hint = f"{setting} must name a .pem or .der file with an RSA key and without a password"
        raise AuthFailed(f"{text} holds no RSA private key", hint) from error
    if key.public_key() != certificate.public_key():
        raise AuthFailed(f"{text} is not the key of the certificate", f"{setting} must name the key it was made with")
    return key


def key_of_bytes(data: bytes) -> rsa.RSAPrivateKey:
    """Return a private key from PEM or DER. Raises ValueError or TypeError, whose text is not for people."""
    is_pem = data.lstrip().startswith(b"-----BEGIN")
    load = serialization.load_pem_private_key if is_pem else serialization.load_der_private_key
    key = load(data, None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("not an RSA key")
    return key


def der(certificate: x509.Certificate) -> bytes:
    """Return the DER encoding: what is compared, and goes over the wire."""
    return certificate.public_bytes(serialization.Encoding.DER)


def thumbprint(certificate: x509.Certificate) -> str:
    """Return the SHA-1 thumbprint, by which OPC UA and its tools name a certificate (Part 6, 6.2.2)."""
    return certificate.fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303 - a name; what is compared are all bytes


def uri(certificate: x509.Certificate) -> str:
    """Return the application URI that the certificate is made out to, empty where it names none."""
    names = _names(certificate)
    found = names.get_values_for_type(x509.UniformResourceIdentifier) if names is not None else []
    return str(found[0]) if found else ""


def _names(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return None


def hosts(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the host names and addresses that the certificate is made out to."""
    names = _names(certificate)
    if names is None:
        return ()
    return (*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress)))


def described(
    certificate: x509.Certificate,
    standing: Standing,
    *,
    server: str = "",
    file: Path | None = None,
    notes: Sequence[str] = (),
) -> Certificate:
    """Return what the command line shows of a certificate."""
    return Certificate(
        standing,
        thumbprint=thumbprint(certificate),
        sha256=certificate.fingerprint(hashes.SHA256()).hex().upper(),
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        uri=uri(certificate),
        hosts=hosts(certificate),
        first=_ns(certificate.not_valid_before_utc),
        last=last_ns(certificate),
        server=server,
        file=str(file or ""),
        notes=(*_doubts(certificate, datetime.now(UTC)), *notes),
    )


def told(certificate: x509.Certificate) -> str:
    """Write in a line which certificate it is."""
    name = certificate.subject.rfc4514_string() or "without a name"
    return f"{thumbprint(certificate)} ({name}, valid until {certificate.not_valid_after_utc:%Y-%m-%d})"


def last_ns(certificate: x509.Certificate) -> int:
    """Return until when it is valid, ns UTC."""
    return _ns(certificate.not_valid_after_utc)


def _ns(moment: datetime) -> int:
    return int(moment.timestamp()) * 10**9


def _doubts(certificate: x509.Certificate, now: datetime) -> list[str]:
    """Say what one should know before trusting it."""
    found = []
    if now < certificate.not_valid_before_utc:
        found.append(f"is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC")
    if now > certificate.not_valid_after_utc:
        found.append(f"has expired on {certificate.not_valid_after_utc:%Y-%m-%d}")
    if not uri(certificate):
        found.append("names no application URI, which OPC UA asks for (Part 6, 6.2.2)")
    if why := weak(certificate):
        found.append(why)
    return found


def weak(certificate: x509.Certificate) -> str:
    """Say why no policy here may be used with the certificate's key; empty where it may."""
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        return "has no RSA key, which every policy here asks for"
    if key.key_size < SHORTEST_KEY:
        return f"has an RSA key of {key.key_size} bits, and {SHORTEST_KEY} are the least"
    return ""


def check_time(certificate: x509.Certificate, whose: str, now: datetime, cure: str = "renew the certificate") -> None:
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
        raise NotConnected(f"{whose} has expired on {last:%Y-%m-%d}: {clock}", f"{cure}, or set the clock")
