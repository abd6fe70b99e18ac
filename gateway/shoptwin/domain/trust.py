"""Certificates by which the gateway and its devices know one another."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Standing(StrEnum):
    """What the gateway makes of a certificate."""

    OWN = "own"
    """The gateway's."""
    FORMER = "former"
    """The gateway's, before it was renewed."""
    TRUSTED = "trusted"
    """Somebody has accepted it: the device is talked to while it shows this one."""
    REJECTED = "rejected"
    """A device has shown it, and nobody has accepted it, or somebody has rejected it."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What people are told of one certificate (X.509)."""

    standing: Standing
    thumbprint: str
    """SHA-1 of all of it, in hexadecimal, as OPC UA tools show it."""
    sha256: str
    subject: str
    issuer: str
    uri: str
    """The application URI that it is made out to."""
    hosts: tuple[str, ...]
    first: int
    """When it begins to be valid, ns UTC."""
    last: int
    """When it ends to be valid, ns UTC."""
    server: str = ""
    """The URL of the device that has shown it."""
    file: str = ""
    notes: tuple[str, ...] = ()
    """What one should know before trusting it."""
