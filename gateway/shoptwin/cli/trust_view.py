"""How `shoptwin trust` shows a certificate."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from shoptwin.cli.printing import below

if TYPE_CHECKING:
    from shoptwin.domain.trust import Certificate


def show_certificate(certificate: Certificate) -> None:
    """Print all that people should know of a certificate."""
    title = {"own": "the gateway's own", "former": "the gateway's former"}.get(certificate.standing, certificate.server)
    click.echo(f"{click.style(title, bold=True)}{f': {certificate.standing}' if certificate.server else ''}")
    below(certificate.thumbprint, "thumbprint       ")
    below(certificate.sha256, "SHA-256          ")
    below(certificate.subject, "name             ")
    if certificate.issuer != certificate.subject:
        below(certificate.issuer, "issued by        ")
    below(certificate.uri or "none", "application URI  ")
    below(", ".join(certificate.hosts) or "none", "hosts            ")
    below(f"{day(certificate.first)} to {day(certificate.last)}", "valid            ")
    if certificate.file:
        below(certificate.file, "file             ")
    for note in certificate.notes:
        below(note, f"{click.style('note', fg='yellow')}             ")


def told(certificate: Certificate) -> dict[str, Any]:
    """Return it as JSON has it."""
    from shoptwin.domain.timing import iso  # noqa: PLC0415 - `--help` needs none of it

    found = asdict(certificate) | {"first": iso(certificate.first), "last": iso(certificate.last)}
    return found | {"standing": certificate.standing.value}


def day(time: int) -> str:
    """Write the day of a time, UTC."""
    from shoptwin.domain.timing import iso  # noqa: PLC0415 - `--help` needs none of it

    return iso(time)[:10]
