"""Our sessions at one server: opened, closed, and never piled up, however often the connection is cut.

A session whose connection was lost lives on at the server until its time-out, and small PLCs have few. So account is
kept of each from before it is asked for until the server has closed it, and what was left behind is taken over by the
next connection and closed (Part 4, 5.7.3: ActivateSession moves a session to another secure channel of the same
client). A server that does not allow that never gets more than two: the gateway waits until it has dropped one.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from asyncua import ua
from asyncua.ua.ua_binary import struct_from_binary
from asyncua.ua.uaerrors import BadSessionClosed, BadSessionIdInvalid, UaStatusCodeError

from shoptwin.sdk import AuthFailed, DriverError, NotConnected

if TYPE_CHECKING:
    from asyncua.client.client import Client

    from shoptwin_opcua.security.security import Security

TIMEOUT = 30_000
"""Milliseconds after which a server should drop a session of ours that fell silent (a gateway without power)."""
MOST = 2
"""Sessions that a server may hold of one device, with the one that is in use."""
_TRIES = 3
"""How often it is tried to take over a session."""


@dataclass(slots=True, eq=False)
class _Session:
    """One that the server may hold."""

    user: Client | None
    """Who talks by it; None where it was left behind."""
    until: float = math.inf
    """When the server has dropped it if nobody uses it, on the monotonic clock."""
    lasts: float = TIMEOUT / 1000
    tries: int = 0
    created: ua.CreateSessionResult | None = None
    """None while its creation was not answered: then it can neither be taken over nor closed."""
    nonce: bytes | None = None
    """What the next login to it must sign."""
    peer: bytes | None = None
    policies: Any = None


@dataclass(slots=True)
class Sessions:
    """Those of one device; outlives its connections."""

    _all: list[_Session] = field(default_factory=list)

    async def open(self, client: Client, security: Security) -> None:
        """Close what was left behind, create a session and log in.

        Raises:
            NotConnected: the server does not let go of former sessions. Else what asyncua and `Security.login` raise.
        """
        await self._clear(client, security)
        session = _Session(client)
        self._all.append(session)  # until there is an answer nobody knows whether the server holds it
        try:
            with security.refusals():
                session.created = await client.create_session()
        except UaStatusCodeError:
            self._all.remove(session)
            raise
        session.lasts = client.session_timeout / 1000
        session.peer = client.security_policy.peer_certificate
        session.policies = client._policy_ids  # noqa: SLF001 - asyncua takes over sessions of its own clients alone
        session.nonce = client._server_nonce  # noqa: SLF001
        await security.login(client, session.created)
        session.nonce = client._server_nonce  # noqa: SLF001

    def leave(self, client: Client) -> _Session | None:
        """Take note that this client talks no longer; return its session, which the server may still hold."""
        session = next((each for each in self._all if each.user is client), None)
        if session is not None:
            session.user, session.until = None, time.monotonic() + session.lasts
        return session

    async def close(self, client: Client, session: _Session) -> None:
        """Close a session that was left, with its subscriptions. Raises what asyncua raises: then it is left."""
        if session.created is not None:
            await _close(client)
            self._all.remove(session)

    async def _clear(self, client: Client, security: Security) -> None:
        now = time.monotonic()
        self._all = [session for session in self._all if session.until > now]
        left = [session for session in self._all if session.user is None]
        for session in left:
            if session.created is not None and session.tries < _TRIES:
                session.tries += 1
                if await _take_over(client, security, session, session.created):
                    self._all.remove(session)
                    left = [each for each in left if each is not session]
        if len(left) >= MOST:
            seconds = sorted(session.until for session in left)[-MOST] - now
            raise NotConnected(
                f"{security.url} holds {len(left)} sessions of this gateway whose connections were lost, "
                "and does not let them be taken over",
                f"there is nothing to do: it drops one within {seconds:.0f} s, and is connected again then",
            )


async def _take_over(client: Client, security: Security, session: _Session, created: ua.CreateSessionResult) -> bool:
    """Log in to a session of a former connection and close it; tell whether it is gone.

    Raises:
        AuthFailed: the login is refused. OSError, TimeoutError and the like: the connection is lost.
    """
    peer = client.security_policy.peer_certificate
    client.uaclient.session.restore_authentication_token(created.AuthenticationToken)
    client.security_policy.peer_certificate = session.peer
    client._policy_ids = session.policies  # noqa: SLF001 - as above
    client._server_nonce = session.nonce  # type: ignore[assignment]  # noqa: SLF001 - asyncua types it as None alone
    try:
        await security.login(client, created)
        await _close(client)
    except (BadSessionIdInvalid, BadSessionClosed):
        return True
    except AuthFailed:
        raise
    except (UaStatusCodeError, DriverError):
        return False
    finally:
        client.uaclient.session.reset_authentication_token()
        client.security_policy.peer_certificate = peer
    return True


async def _close(client: Client) -> None:
    protocol = client.uaclient.protocol
    if protocol is None or protocol.is_closed:
        raise ConnectionError("the connection is closed")
    body = await protocol.send_request(ua.CloseSessionRequest(DeleteSubscriptions=True))
    struct_from_binary(ua.CloseSessionResponse, body).ResponseHeader.ServiceResult.check()
