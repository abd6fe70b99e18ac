"""Who the gateway is: its application instance certificate and key (OPC UA Part 6, 6.2.2)."""

from __future__ import annotations

import ipaddress
import socket
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from shoptwin.sdk import NotConnected
from shoptwin_opcua.security.certificates import uri

if TYPE_CHECKING:
    from pathlib import Path

VALID = timedelta(days=5 * 365)
BEFORE = timedelta(days=1)
"""By how much it is valid before it was made: the clock of a PLC may be behind."""
CLOCK_SET_AFTER = datetime(2024, 1, 1, tzinfo=UTC)
"""A clock before this has never been set; what is made by it would have expired before it is used."""
_NOWHERE = ("192.0.2.1", 9)
"""An address of no host (RFC 5737)."""
_LONGEST_NAME = 64
"""Characters of a common name (RFC 5280, ub-common-name)."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate with its key, and where the certificate lies."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey
    file: Path


def new_key() -> rsa.RSAPrivateKey:
    """Return a new key; takes a second on a small box."""
    return rsa.generate_private_key(65537, 2048)


def pem(key: rsa.RSAPrivateKey, certificate: x509.Certificate) -> bytes:
    """Return the pair as one file holds it; no password: the daemon starts with nobody there to type one."""
    encoding = serialization.Encoding.PEM
    secret = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return secret + certificate.public_bytes(encoding)


def made(
    site: str, gateway: str, key: rsa.RSAPrivateKey, now: datetime, former: x509.Certificate | None = None
) -> x509.Certificate:
    """Make a self-signed certificate; with the name and URI of a former one, as servers know the gateway by them.

    Raises:
        NotConnected: the clock of this box is not set.
    """
    if now < CLOCK_SET_AFTER:
        raise NotConnected(
            f"the gateway's certificate cannot be made: this box's clock says {now:%Y-%m-%d}",
            "set the clock (NTP); it is made as soon as the clock is right",
        )
    host = socket.gethostname()
    name = x509.Name([each for each in former.subject if each.value]) if former else _name(site, gateway)
    names: list[x509.GeneralName] = [
        x509.UniformResourceIdentifier((uri(former) if former else "") or _uri(host, site, gateway))
    ]
    with suppress(ValueError):  # a name that is not ASCII is none of DNS
        names.append(x509.DNSName(host))
    names += [x509.IPAddress(address) for address in _addresses()]
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=True, key_encipherment=True, data_encipherment=True,
        key_cert_sign=True,  # as a self-signed one shall
        key_agreement=False, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    serial = x509.random_serial_number()
    subject = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    issuer = x509.AuthorityKeyIdentifier(subject.digest, [x509.DirectoryName(name)], serial)
    roles = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - BEFORE)
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(roles, critical=False)
        .add_extension(subject, critical=False)
        .add_extension(issuer, critical=False)
        .sign(key, hashes.SHA256())
    )


def _name(site: str, gateway: str) -> x509.Name:
    return x509.Name([
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, site[:_LONGEST_NAME]),
        x509.NameAttribute(NameOID.COMMON_NAME, f"Shoptwin {gateway}"[:_LONGEST_NAME]),
    ])  # fmt: skip


def is_of(certificate: x509.Certificate, site: str, gateway: str) -> bool:
    """Tell whether a certificate is made out to the gateway of this name, on whichever host it was made."""
    return certificate.subject == _name(site, gateway) and uri(certificate).split(":")[-2:] == [
        quote(site, safe=""), quote(gateway, safe=""),
    ]  # fmt: skip


def _uri(host: str, site: str, gateway: str) -> str:
    """Return an application URI that no other gateway has (Part 4, 7.2: globally unique)."""
    return ":".join(("urn", "shoptwin", *(quote(part, safe="") for part in (host, site, gateway))))


def _addresses() -> list[ipaddress.IPv4Address]:
    """Return the address that this box has towards its network; none where it has no network yet."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(_NOWHERE)  # looks up the route; nothing is sent
        return [ipaddress.IPv4Address(probe.getsockname()[0])]
    return []
