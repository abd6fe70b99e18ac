"""What a server offers: its endpoints, asked for without any security as the standard has it (Part 4, 5.4.4)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from asyncua import ua
from asyncua.client.client import Client

from shoptwin.sdk import NotConnected
from shoptwin_opcua.security import certificates
from shoptwin_opcua.security.dialing import hang_up, open_channel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography import x509

    from shoptwin_opcua.settings import Settings

POLICY = "http://opcfoundation.org/UA/SecurityPolicy#"
STRONG = ("Aes256Sha256RsaPss", "Basic256Sha256", "Aes128Sha256RsaOaep")
"""The policies that are not broken, the strongest first (Part 7, 6.6)."""
_MODES = {
    ua.MessageSecurityMode.SignAndEncrypt: "sign and encrypt",
    ua.MessageSecurityMode.Sign: "sign only",
    ua.MessageSecurityMode.None_: "no security",
}
_NO_SECURITY = "anybody on the network can then read what is measured, and put in what was not"


async def ask_endpoints(url: str, wait: float) -> list[ua.EndpointDescription]:
    """Return the server's endpoints; `wait` in seconds for each answer. Raises what asyncua and the network raise."""
    client = Client(url, timeout=wait)
    try:
        async with asyncio.timeout(3 * wait):
            await client.connect_socket()
            await client.send_hello()
            await open_channel(client)
            return list(await client.get_endpoints())
    finally:
        await hang_up(client)


def wanted(endpoints: Sequence[ua.EndpointDescription], settings: Settings) -> ua.EndpointDescription | None:
    """Return the endpoint that has just the security of the settings, None where the server does not offer it."""
    for endpoint in endpoints:
        if policy(endpoint) == settings.security and endpoint.SecurityMode == mode(settings):
            return endpoint
    return None


def mode(settings: Settings) -> ua.MessageSecurityMode:
    """Return the mode that the settings ask for (Part 4, 7.20)."""
    if settings.security == "none":
        return ua.MessageSecurityMode.None_
    return ua.MessageSecurityMode.Sign if settings.sign_only else ua.MessageSecurityMode.SignAndEncrypt


def policy(endpoint: ua.EndpointDescription) -> str:
    """Return the policy's name as the configuration writes it: that of its URI, without underscores (Part 7, 6.6)."""
    name = str(endpoint.SecurityPolicyUri or "").removeprefix(POLICY).replace("_", "")
    return "none" if name == "None" else name


def certificate_of(url: str, endpoint: ua.EndpointDescription) -> x509.Certificate:
    """Return the certificate that the server at `url` shows there.

    Raises:
        NotConnected: none, or nothing that can be read.
    """
    try:
        return certificates.of_bytes(bytes(endpoint.ServerCertificate or b""))
    except ValueError as error:
        hint = "give it one, RSA of 2048 bits, in its project or tool"
        raise NotConnected(f"{url} shows no certificate that can be read: {error}", hint) from error


def offered(endpoints: Sequence[ua.EndpointDescription]) -> str:
    """Write which security a server offers."""
    found = dict.fromkeys(f"{policy(each)} ({_MODES.get(each.SecurityMode, '?')})" for each in endpoints)
    return ", ".join(found).replace("none (no security)", "no security") or "nothing"


def advice(endpoints: Sequence[ua.EndpointDescription]) -> str:
    """Say which settings the best of what a server offers needs."""
    there = {(policy(each), each.SecurityMode) for each in endpoints}
    for name in STRONG:
        if (name, ua.MessageSecurityMode.SignAndEncrypt) in there:
            return f'write security = "{name}"'
    for name in STRONG:
        if (name, ua.MessageSecurityMode.Sign) in there:
            return f'write security = "{name}" and sign_only = true, if it matters not that anybody can read along'
    on = "switch Basic256Sha256 on at the server"
    if ("none", ua.MessageSecurityMode.None_) in there:
        return f'{on}; or write security = "none": {_NO_SECURITY}'
    return f"{on}: what it offers is broken and not supported here"
