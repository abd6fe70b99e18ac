"""What real servers tell everybody: endpoints, certificates, names that lead nowhere, paths."""

from __future__ import annotations

import asyncio

import pytest

from shoptwin.sdk import Discovering, NotConnected, Standing
from shoptwin.testing.watch_opcua import OpcUaWatch


async def asked(gateway, url, **settings):
    """Discover a server."""
    assert isinstance(gateway, Discovering)
    return await gateway.discover(gateway.Settings(url=url, timeout="2s", **settings))


async def test_a_secured_server(serve, gateway):
    """Endpoints, logins and certificate are told without a login; the default security needs no setting."""
    server = serve(secure=True)
    async with OpcUaWatch(server.port) as watch:
        found = await asked(gateway, f"opc.tcp://127.0.0.1:{watch.port}")
        assert set(watch.services) <= {
            "Hello", "OpenSecureChannel", "CloseSecureChannel", "GetEndpoints", "FindServers"
        }  # fmt: skip
    assert {(each.policy, each.mode) for each in found.endpoints} == {
        ("none", "None"), ("Basic256Sha256", "SignAndEncrypt")
    }  # fmt: skip
    assert all(each.usable for each in found.endpoints)
    assert "anonymous" in found.endpoints[0].logins
    assert found.settings == {}
    assert found.name
    assert found.uri == found.certificate.uri
    assert len(found.certificate.thumbprint) == 40
    assert len(found.certificate.sha256) == 64


async def test_trust_is_told(serve, gateway):
    """A certificate that nobody has accepted is kept for it, and told as trusted once somebody has."""
    server = serve(secure=True)
    found = await asked(gateway, server.url)
    assert found.certificate.standing is Standing.REJECTED
    kept = next(each for each in gateway.certificates() if each.thumbprint == found.certificate.thumbprint)
    gateway.accept(kept)
    assert (await asked(gateway, server.url)).certificate.standing is Standing.TRUSTED


async def test_what_is_offered_becomes_settings(serve, gateway):
    """The best of what there is stands in the settings, and what it lacks in a note."""
    bare = await asked(gateway, serve().url)
    assert bare.settings == {"security": "none"}
    assert any("anybody on the network" in note for note in bare.notes)
    assert not list(gateway.certificates())
    signed = await asked(gateway, serve(policies="Aes128_Sha256_RsaOaep", modes="Sign").url)
    assert signed.settings == {"security": "Aes128Sha256RsaOaep", "sign_only": True}
    users = await asked(gateway, serve(secure=True, user="operator", password="secret").url)
    assert users.settings.keys() == {"user", "password_file"}
    broken = await asked(gateway, serve(policies="Basic128Rsa15", modes="SignAndEncrypt").url)
    assert not any(each.usable for each in broken.endpoints)
    assert any("broken" in note for note in broken.notes)


async def test_a_name_that_nobody_knows(serve, gateway):
    """A server that gives itself a name that this box cannot resolve is told, and nothing is to be done."""
    found = await asked(gateway, serve(alias="plc-7.invalid").url)
    assert "plc-7.invalid" in found.endpoints[0].url
    note = next(note for note in found.notes if "plc-7.invalid" in note)
    assert "cannot resolve" in note
    assert "plc-7" not in found.url


async def test_a_path(serve, gateway):
    """A path that belongs into the URL is told."""
    server = serve(path="/Line1")
    found = await asked(gateway, f"opc.tcp://127.0.0.1:{server.port}")
    assert found.url == f"opc.tcp://127.0.0.1:{server.port}/Line1"
    assert any("/Line1" in note for note in found.notes)


async def test_nobody_is_there(gateway, unused_tcp_port):
    """A URL that leads nowhere is an error that says what to check."""
    with pytest.raises(NotConnected, match="refused") as caught:
        await asked(gateway, f"opc.tcp://127.0.0.1:{unused_tcp_port}")
    assert "port" in caught.value.hint


async def test_something_else_answers(gateway):
    """What answers and is no OPC UA server is an error too, in time."""

    async def talk(_reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        with pytest.raises(NotConnected):
            await asked(gateway, f"opc.tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}")
