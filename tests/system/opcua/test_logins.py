"""Each login over each policy, signed and encrypted, against one node-opcua that offers them all and wants a login."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest
from cryptography.hazmat.primitives import serialization

from shoptwin.sdk import AuthFailed, NotConnected
from shoptwin.testing import group_of
from shoptwin.testing.node_opcua import NodeOpcua, missing
from shoptwin.testing.streams import values
from shoptwin_opcua.plugin import OpcUaPlugin
from shoptwin_opcua.security.identity import made, new_key

POLICIES = ("Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss")
_NODE_OPCUA = "None,Basic256Sha256,Aes128_Sha256_RsaOaep,Aes256_Sha256_RsaPss"
PASSWORD = "geheim-7c1f"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Give a folder for as long as the server lives."""
    return tmp_path_factory.mktemp("logins")


@pytest.fixture(scope="module")
def server(folder, request):
    """Give the server."""
    if why := missing(request.config.rootpath):
        pytest.skip(why)
    server = NodeOpcua(
        request.config.rootpath, policies=_NODE_OPCUA, modes="None,Sign,SignAndEncrypt",
        user="operator", password=PASSWORD, user_pki=str(folder / "users"),
    )  # fmt: skip
    yield server.start()
    server.kill()


@pytest.fixture(scope="module")
def logins(folder):
    """Give the settings of each login, right and wrong."""
    (folder / "password").write_text(PASSWORD)
    (folder / "wrong").write_text("falsch")
    key = new_key()
    certificate = made("plant", "operator", key, dt.datetime.now(dt.UTC))
    (folder / "user.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "user.key").write_bytes(key.private_bytes(*kind))
    return {
        "password": {"user": "operator", "password_file": str(folder / "password")},
        "certificate": {
            "user_certificate": str(folder / "user.pem"), "user_private_key": str(folder / "user.key"),
        },
        "wrong": {"user": "operator", "password_file": str(folder / "wrong")},
    }  # fmt: skip


@pytest.fixture(scope="module")
def gateway(folder, server):
    """Give a gateway that keeps its certificates for all of these tests, and has accepted the server's."""
    gateway = OpcUaPlugin()
    gateway.keep_in(folder / "gateway", "plant", "gw-1")
    gateway.accept(asyncio.run(gateway.seen(gateway.Settings(url=server.url, timeout="20s"))))
    return gateway


@pytest.fixture
def reads(server, gateway, logins):
    """Give what logs in and reads a value, and how the server says that the session is secured."""

    async def reads(login, mode="poll", **security):
        settings = gateway.Settings(url=server.url, mode=mode, timeout="10s", **logins[login], **security)
        connection = gateway.open(settings)
        try:
            await connection.connect()
            secured = server.do("session")
            found = await values(connection, group_of(gateway, ["nsu=urn:shoptwin:test;s=Double"], period=10**8))
            return found[0].value, secured
        finally:
            await connection.aclose()

    return reads


@pytest.mark.parametrize("sign_only", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("policy", POLICIES)
async def test_each_login_over_each_policy(server, reads, policy, sign_only):
    """By password values are subscribed to, by certificate they are read, and by a wrong password nobody gets in."""
    security = {"security": policy, "sign_only": sign_only}
    try:
        await reads("certificate", **security)
    except NotConnected:
        assert server.do("trust", user=True)["trusted"], "the first time the server's operator accepts it"
    for login, mode in (("password", "auto"), ("certificate", "poll")):
        value, secured = await reads(login, mode, **security)
        assert value == 21.25
        assert secured["policy"].split("#")[1].replace("_", "") == policy
        assert secured["mode"] == ("Sign" if sign_only else "SignAndEncrypt")
    with pytest.raises(AuthFailed):
        await reads("wrong", **security)
    assert server.do("counts")["sessions"] == 0
