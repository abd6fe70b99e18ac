"""What a server tells everybody without a login: endpoints, certificate, names; and which settings follow from it."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from asyncua import ua
from asyncua.client.client import Client

from shoptwin.sdk import FoundEndpoint, FoundServer, NotConnected, Standing
from shoptwin_opcua.errors import Refused, translated
from shoptwin_opcua.security import certificates
from shoptwin_opcua.security.dialing import hang_up, open_channel
from shoptwin_opcua.security.endpoints import STRONG, certificate_of, policy
from shoptwin_opcua.settings import PORT, full_url, host_and_port

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shoptwin.sdk import Certificate
    from shoptwin_opcua.security.pki import Pki
    from shoptwin_opcua.settings import Settings

_MODES = {
    ua.MessageSecurityMode.SignAndEncrypt: "SignAndEncrypt",
    ua.MessageSecurityMode.Sign: "Sign",
    ua.MessageSecurityMode.None_: "None",
}
_LOGINS = {
    ua.UserTokenType.Anonymous: "anonymous",
    ua.UserTokenType.UserName: "user",
    ua.UserTokenType.Certificate: "user certificate",
    ua.UserTokenType.IssuedToken: "token",
}
_LOOKUP = 2.0
"""Seconds that the look-up of a host's name may take."""

Answer = tuple[list[ua.EndpointDescription], list[ua.ApplicationDescription]]


async def discover(settings: Settings, pki: Pki | None) -> FoundServer:
    """Ask a server for its endpoints and for the servers that it knows; a certificate nobody trusts is kept in `pki`.

    Raises:
        NotConnected, Timeout: it could not be asked.
    """
    url, notes = full_url(settings.url), list[str]()
    try:
        endpoints, servers = await _ask(url, settings.wait)
    except Refused as error:
        path = urlsplit(url).path
        if not path.strip("/"):
            raise
        notes.append(f"it does not know the path {path} ({error.message}): below is what it says without")
        url = url.removesuffix(path)
        endpoints, servers = await _ask(url, settings.wait)
    if not endpoints:
        raise NotConnected(f"{url} tells no endpoints", "switch an endpoint on in the PLC's project or tool")
    url = _with_path(url, endpoints, notes)
    found = [_endpoint(each) for each in endpoints if str(each.EndpointUrl or "").startswith("opc.tcp:")]
    best, hint = _best(found)
    notes += [*await _names(url, found), *hint]
    itself = endpoints[0].Server
    return FoundServer(
        url, itself.ApplicationName.Text or "", itself.ApplicationUri or "", itself.ProductUri or "", tuple(found),
        await _certificate(url, endpoints, best, pki),
        tuple(_others(servers, itself.ApplicationUri or "")),
        _settings(best), tuple(notes),
    )  # fmt: skip


async def _ask(url: str, wait: float) -> Answer:
    """Return endpoints (Part 4, 5.4.4) and servers (5.4.2), over one channel without security."""
    with translated(url):
        client = Client(url, timeout=wait)
        try:
            async with asyncio.timeout(3 * wait):
                await client.connect_socket()
                await client.send_hello()
                await open_channel(client)
                endpoints = list(await client.get_endpoints())
                servers: list[ua.ApplicationDescription] = []
                with suppress(ua.UaError):  # it tells what it is by its endpoints too
                    servers = list(await client.find_servers())
                return endpoints, servers
        finally:
            await hang_up(client)


def _endpoint(each: ua.EndpointDescription) -> FoundEndpoint:
    kinds = {token.TokenType for token in each.UserIdentityTokens or ()}
    logins = [name for kind, name in _LOGINS.items() if kind in kinds]
    name = policy(each)
    usable = name in STRONG or name == "none"
    return FoundEndpoint(
        str(each.EndpointUrl or ""), name, _MODES.get(each.SecurityMode, "?"), tuple(logins), usable=usable
    )


def _best(found: Iterable[FoundEndpoint]) -> tuple[FoundEndpoint | None, list[str]]:
    """Return the endpoint to use, and what is to be said of the choice.

    The strongest policy is taken where it is encrypted; but among encrypted ones the driver's default before others.
    """
    usable = [each for each in found if each.usable]
    order = {"SignAndEncrypt": 0, "Sign": 1, "None": 2}
    policies = {"Basic256Sha256": 0, **{name: n for n, name in enumerate(STRONG, 1) if name != "Basic256Sha256"}}
    best = min(usable, key=lambda each: (order.get(each.mode, 3), policies.get(each.policy, 9)), default=None)
    if best is None:
        return None, ["it offers no security that is not broken: switch Basic256Sha256 on at the server"]
    if best.mode == "None":
        danger = "anybody on the network can read what is measured, and put in what was not"
        return best, [f"it offers no security: {danger}; switch Basic256Sha256 on at the server if it can"]
    if best.mode == "Sign":
        return best, ["it signs and does not encrypt: anybody on the network can read what is measured"]
    return best, []


def _settings(best: FoundEndpoint | None) -> dict[str, str | bool]:
    """Return what differs from the driver's defaults."""
    settings: dict[str, str | bool] = {}
    if best is None:
        return settings
    if best.policy != "Basic256Sha256":
        settings["security"] = best.policy
    if best.mode == "Sign":
        settings["sign_only"] = True
    if "anonymous" not in best.logins:
        if "user" in best.logins:
            settings |= {"user": "NAME", "password_file": "PASSWORD FILE"}
            if best.mode == "None":
                settings["allow_plain_password"] = True
        elif "user certificate" in best.logins:
            settings |= {"user_certificate": "CERTIFICATE FILE", "user_private_key": "KEY FILE"}
    return settings


def _with_path(url: str, endpoints: Sequence[ua.EndpointDescription], notes: list[str]) -> str:
    """Return the URL with the path that the server's endpoints have."""
    paths = {urlsplit(str(each.EndpointUrl or "")).path.rstrip("/") for each in endpoints}
    path = urlsplit(url).path.rstrip("/")
    if path in paths or len(paths) != 1:
        return url
    wanted = url.removesuffix(urlsplit(url).path) + next(iter(paths))
    notes.append(f"its endpoints are at {wanted}: this is the url to write")
    return wanted


async def _names(url: str, found: Sequence[FoundEndpoint]) -> list[str]:
    """Say which hosts and ports the server names in its endpoints that lead nowhere, or elsewhere."""
    host, port = host_and_port(url)
    places = {_place(each.url) for each in found} - {("", 0)}
    notes = []
    for name in sorted({name for name, _ in places if name.lower() != host.lower()}):
        here, there = await _addresses(host), await _addresses(name)
        if not there:
            what = "a name that this box cannot resolve"
        elif here & there:
            continue
        else:
            what = f"which is {', '.join(sorted(there))} and not what you asked"
        notes.append(f"it calls itself {name}, {what}. Nothing to do: the host in url is used for everything")
    ports = {at for _, at in places}
    if ports and port not in ports:
        told = ", ".join(map(str, sorted(ports)))
        notes.append(f"its endpoints are at port {told}, and it was asked at {port}: if no session opens, write {told}")
    return notes


def _place(url: str) -> tuple[str, int]:
    with suppress(ValueError):  # whatever a server writes
        parts = urlsplit(url)
        return parts.hostname or "", parts.port or PORT
    return "", 0


async def _addresses(host: str) -> set[str]:
    """Return the addresses of a host, none where its name is not known."""
    try:
        async with asyncio.timeout(_LOOKUP):
            infos = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError):
        return set()
    return {str(info[4][0]) for info in infos}


async def _certificate(
    url: str, endpoints: Sequence[ua.EndpointDescription], best: FoundEndpoint | None, pki: Pki | None
) -> Certificate | None:
    """Return the certificate of the endpoint to use; where it secures and nobody trusts it, it is kept for people."""
    showing = [each for each in endpoints if each.ServerCertificate]
    if not showing:
        return None
    wanted = best.policy if best is not None else ""
    endpoint = next((each for each in showing if policy(each) == wanted), showing[0])
    secured = best is None or best.mode != "None"
    return await asyncio.to_thread(_kept, url, endpoint, pki if secured else None)


def _kept(url: str, endpoint: ua.EndpointDescription, pki: Pki | None) -> Certificate:
    shown = certificate_of(url, endpoint)
    if pki is not None and pki.trusted(url) == shown:
        return certificates.described(shown, Standing.TRUSTED, server=url)
    if pki is not None:
        pki.seen(url, shown)
    return certificates.described(shown, Standing.REJECTED, server=url)


def _others(servers: Iterable[ua.ApplicationDescription], itself: str) -> Iterable[tuple[str, str]]:
    """Yield servers that a discovery server knows beside itself."""
    for each in servers:
        if each.ApplicationUri != itself and each.ApplicationType != ua.ApplicationType.Client:
            for url in each.DiscoveryUrls or ():
                if str(url).startswith("opc.tcp:"):
                    yield each.ApplicationName.Text or each.ApplicationUri or "", str(url)
