"""Against node-opcua: sessions whose connections were cut are taken over and closed, and never pile up."""

from __future__ import annotations

import time

import pytest
from asyncua.client.client import Client
from asyncua.ua.uaerrors import BadSecureChannelIdInvalid

from shoptwin.sdk import NotConnected, Timeout
from shoptwin.testing.streams import values
from shoptwin_opcua.plugin import OpcUaPlugin
from shoptwin_opcua.session import sessions


def pull(connection):
    """Cut the connection as a pulled cable does: the server is told nothing."""
    connection._channel._client.uaclient.protocol.transport.abort()


@pytest.mark.parametrize(("mode", "most"), [("subscribe", 1), ("poll", 3)])
async def test_fifty_pulls_leave_no_session(serve, connected, names, mode, most):
    """A server of one session, or three, is found ready after each of fifty pulled cables, with no session but ours."""
    server = serve(max_sessions=most)
    held = []
    for _ in range(50):
        async with connected(server, mode=mode) as connection:
            held.append(server.do("counts")["sessions"])
            await values(connection, names("Double"))
            pull(connection)
    assert set(held) == {1}
    assert server.do("counts")["sessions"] == 1
    async with connected(server, mode=mode):
        pass
    counts = server.do("counts")
    assert (counts["sessions"], counts["subscriptions"]) == (0, 0)


async def test_a_session_with_a_login_is_taken_over(serve, connected, gateway):
    """An encrypted session of a user is taken over too: the login is signed with what the server said last."""
    server = serve(secure=True, user="operator", password="secret", max_sessions=1)
    secret = gateway._keeping[0].parent / "secret"
    secret.parent.mkdir(parents=True)
    secret.write_text("secret")
    how = {"by": gateway, "security": "Basic256Sha256", "user": "operator", "password_file": str(secret)}
    with pytest.raises(NotConnected):
        async with connected(server, **how):
            pass
    (theirs,) = [each for each in gateway.certificates() if each.server]
    gateway.accept(theirs)
    for _ in range(3):
        async with connected(server, **how) as connection:
            assert server.do("counts")["sessions"] == 1
            pull(connection)
    async with connected(server, **how):
        pass
    assert server.do("counts")["sessions"] == 0


async def test_a_server_that_lets_none_be_taken_over_gets_no_third(serve, connected, monkeypatch):
    """Where sessions cannot be taken over, the server holds two of ours at most, and the error says how long."""
    server = serve(own="stubborn")

    async def refuses(*_):
        raise BadSecureChannelIdInvalid

    monkeypatch.setattr(sessions, "_TRIES", 9)
    with monkeypatch.context() as stubborn:
        stubborn.setattr(sessions, "_close", refuses)
        for _ in range(2):
            async with connected(server):
                pass
        for _ in range(3):
            with pytest.raises(NotConnected, match="2 sessions of this gateway") as caught:
                async with connected(server):
                    pass
            assert "within" in caught.value.hint
            assert server.do("counts")["sessions"] == 2
    async with connected(server):
        assert server.do("counts")["sessions"] == 1


async def test_a_session_that_is_gone_is_forgotten(serve, connected):
    """A server that was restarted knows no session of before, and is connected to as if there were none."""
    server = serve(own="restarted")
    async with connected(server) as connection:
        pull(connection)
    server.start()
    async with connected(server):
        assert server.do("counts")["sessions"] == 1


async def test_an_answer_that_never_came_counts(serve, connected, monkeypatch):
    """A session whose creation was not answered may be there: it counts until the server must have dropped it."""
    server, own = serve(own="unanswered"), OpcUaPlugin()
    asked = Client.create_session

    async def unheard(client):
        await asked(client)
        client.uaclient.protocol.transport.abort()
        raise TimeoutError

    monkeypatch.setattr(Client, "create_session", unheard)
    for error, match in ((Timeout, "in time"), (Timeout, "in time"), (NotConnected, "2 sessions of this gateway")):
        with pytest.raises(error, match=match):
            async with connected(server, by=own):
                pass
    monkeypatch.undo()
    for session in own._sessions.popitem()[1]._all:
        assert 25 < session.until - time.monotonic() <= 30
        session.until = 0
    async with connected(server, by=own):
        pass
