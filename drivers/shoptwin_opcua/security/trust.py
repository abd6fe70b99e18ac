"""Whom we trust and who trusts us, as errors that say what is wrong and the very command that cures it.

All of them are tried again: whoever acts, here or at the server, finds the connection made a minute later.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from shoptwin.sdk import NotConnected, Standing
from shoptwin_opcua.errors import NotTrusted, translated
from shoptwin_opcua.security import certificates
from shoptwin_opcua.security.acceptance import way
from shoptwin_opcua.security.endpoints import ask_endpoints, certificate_of, wanted
from shoptwin_opcua.security.pki import server_of
from shoptwin_opcua.settings import full_url, host_and_port

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from asyncua import ua
    from cryptography import x509

    from shoptwin.sdk import Certificate
    from shoptwin_opcua.security.pki import Pki
    from shoptwin_opcua.settings import Settings


def check_pinned(url: str, shown: x509.Certificate, pinned: x509.Certificate) -> None:
    """Check that a server shows the certificate that the setting server_certificate names.

    Raises:
        NotTrusted: it shows another one.
    """
    if shown != pinned:
        raise NotTrusted(
            f"{url} shows the certificate {certificates.told(shown)}, and server_certificate names "
            f"{certificates.told(pinned)}",
            "if the server was given a new one, put it into the file that server_certificate names; if nobody knows of "
            "that, somebody may stand between",
        )


def check_trusted(pki: Pki, url: str, shown: x509.Certificate) -> None:
    """Check that a server shows the certificate that somebody has accepted.

    Raises:
        NotTrusted: nobody has, or it shows another one; what it shows is kept for `shoptwin trust accept`.
    """
    pinned = pki.trusted(url)
    if pinned == shown:
        return
    pki.seen(url, shown)
    accept = _command(pki.directory, "accept", certificates.thumbprint(shown))
    if pinned is None:
        raise NotTrusted(
            f"{url} shows the certificate {certificates.told(shown)}, which nobody has accepted yet",
            f"compare the thumbprint with the one that the server's own tool shows, then type: {accept}",
        )
    raise NotTrusted(
        f"the certificate of {url} has changed: accepted was {certificates.told(pinned)}, and it shows "
        f"{certificates.told(shown)}",
        f"ask who has renewed it: if nobody has, somebody may stand between; if it is right, type: {accept}",
    )


def refuses_us(
    url: str, why: str, ours: x509.Certificate, file: Path, said: Sequence[str], *, certain: bool
) -> NotTrusted:
    """Return the error for a server that does not accept the gateway's certificate; `said`: what it says of itself.

    `certain`: it has named the reason. Many just hang up, so as not to help whoever tries certificates out.
    """
    there = way(*said)
    at = f"at the server (it seems to be {there.server})" if there.server else "at the server"
    told = "does not accept" if certain else "most likely does not accept"
    return NotTrusted(
        f"{url} {told} this gateway's certificate: {why}",
        f"{at} {there.do}. The certificate is {certificates.told(ours)}, its application URI "
        f"{certificates.uri(ours) or 'is missing'}, its file {file}",
    )


def refuses_user(url: str, why: str, ours: x509.Certificate) -> NotTrusted:
    """Return the error for a server that does not accept the certificate of the user."""
    return NotTrusted(
        f"{url} does not accept user_certificate: {why}",
        f"accept it at the server as that of a user (many keep users' certificates apart from applications'), and give "
        f"the user the right to read. It is {certificates.told(ours)}",
    )


def _command(directory: Path, what: str, thumbprint: str) -> str:
    return f"shoptwin trust {what} {thumbprint} --state-dir {shlex.quote(str(directory.parent))}"


async def look(pki: Pki, settings: Settings) -> Certificate:
    """Return the certificate that a server shows now, and keep it for people where nobody has accepted it.

    Raises:
        NotConnected, Timeout: the server cannot be asked, or shows none.
    """
    url = full_url(settings.url)
    with translated(url):
        found = await ask_endpoints(url, settings.wait)
    endpoint = wanted(found, settings) or next((each for each in found if each.ServerCertificate), None)
    if endpoint is None:
        raise NotConnected(
            f"{url} shows no certificate", 'it offers no security: write security = "none", or switch it on'
        )
    shown = certificate_of(url, endpoint)
    standing = Standing.TRUSTED if pki.trusted(url) == shown else Standing.REJECTED
    if standing is Standing.REJECTED:
        pki.seen(url, shown)
    return certificates.described(shown, standing, server=server_of(url), notes=_mismatches(settings, endpoint, shown))


def _mismatches(settings: Settings, endpoint: ua.EndpointDescription, shown: x509.Certificate) -> list[str]:
    """Say where a certificate is made out to another server than this one: whoever accepts it should know."""
    found = []
    says, uri = str(endpoint.Server.ApplicationUri or ""), certificates.uri(shown)
    if uri and says and uri != says:
        found.append(f"is made out to {uri}, and the server calls itself {says}")
    host, names = host_and_port(settings.url)[0], certificates.hosts(shown)
    if host not in {name.lower() for name in names}:
        found.append(f"is not made out to the host {host}, but to {', '.join(names) or 'none'}")
    return found
