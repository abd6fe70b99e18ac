"""Opening asyncua's secure channel, and letting go of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from asyncua.ua.uaerrors import UaStatusCodeError

if TYPE_CHECKING:
    from asyncua.client.client import Client


async def open_channel(client: Client) -> None:
    """Open the secure channel, and raise the status by which a server refuses it: asyncua drops it and asserts."""
    refusals: list[UaStatusCodeError] = []
    protocol: Any = client.uaclient.protocol
    answered = getattr(protocol, "_call_callback", None)

    def note(request: int, body: Any) -> None:  # noqa: ANN401 - asyncua's Buffer
        try:
            protocol.check_answer(body, "")
        except UaStatusCodeError as error:
            refusals.append(error)
        if answered is not None:
            answered(request, body)

    if answered is not None:
        protocol._call_callback = note  # noqa: SLF001 - there is no other way to learn it
    try:
        await client.open_secure_channel()
    except AssertionError:
        if refusals:
            raise refusals[0] from None
        raise
    finally:
        if answered is not None:
            protocol._call_callback = answered  # noqa: SLF001


async def hang_up(client: Client) -> None:
    """Close the socket, whatever the server takes of it."""
    protocol = client.uaclient.protocol
    transport = protocol.transport if protocol is not None else None
    client.disconnect_socket()
    if transport is not None:
        # What a stopped server never takes must not keep the socket open.
        await asyncio.sleep(0)
        transport.abort()
    await asyncio.sleep(0)
