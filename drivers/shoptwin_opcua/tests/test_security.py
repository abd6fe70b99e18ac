"""Policies, logins, certificates and clocks against node-opcua: who is refused is told what to do."""

from __future__ import annotations

import datetime as dt
import logging
import re

import pytest
from asyncua import ua
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from shoptwin.sdk import AuthFailed, NotConnected, StatusCode, Timeout
from shoptwin_opcua.errors import NotTrusted, Refused, refused, translated
from shoptwin_opcua.plugin import OpcUaPlugin
from shoptwin_opcua.security import certificates
from shoptwin_opcua.security.identity import made, new_key
from shoptwin_opcua.space.limits import Limits
from shoptwin_opcua.space.services import Reading, value_of

NOW = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
POLICIES = ("Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss")
SECRET = "geheim-7c1f"


@pytest.fixture(scope="session")
def key():
    """Give one key for all certificates of these tests: making one takes its time."""
    return new_key()


@pytest.fixture
def make(tmp_path, key):
    """Give a factory of certificate and key as files: `make(first=…, days=…, uri=…)` -> their paths."""

    def certificate(name="own", first=None, days=365, uri="urn:shoptwin:test"):
        first = first or dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
        model = made("plant", name, key, NOW)
        builder = x509.CertificateBuilder(
            model.issuer, model.subject, model.public_key(), model.serial_number, first,
            first + dt.timedelta(days=days),
        )  # fmt: skip
        for extension in model.extensions:
            if not isinstance(extension.value, x509.SubjectAlternativeName):
                builder = builder.add_extension(extension.value, extension.critical)
        if uri:
            names = [x509.UniformResourceIdentifier(uri), x509.DNSName("localhost")]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        found = builder.sign(key, hashes.SHA256())
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        public, private = tmp_path / f"{name}.crt", tmp_path / f"{name}.key"
        public.write_bytes(found.public_bytes(serialization.Encoding.PEM))
        private.write_bytes(secret)
        return str(public), str(private)

    return certificate


class Bench:
    """A gateway that keeps certificates, and what tests do with it."""

    def __init__(self, gateway, connected, names):
        self.gateway, self.connected, self.names = gateway, connected, names

    def open(self, server, **settings):
        return self.connected(server, by=self.gateway, **{"security": "Basic256Sha256"} | settings)

    async def look(self, server):
        return await self.gateway.seen(self.gateway.Settings(url=server.url))

    async def accept(self, server):
        return self.gateway.accept(await self.look(server))

    async def fails(self, server, error, **settings):
        with pytest.raises(error) as caught:
            async with self.open(server, **settings):
                pass
        assert caught.value.hint
        assert SECRET not in str(caught.value)
        return caught.value

    async def reads(self, server, **settings):
        """Read a value, and tell what the server saw of the session."""
        async with self.open(server, mode="poll", **settings) as connection:
            (batch,) = await connection.read(self.names("Double"))
            assert batch.values.tolist() == [21.25]
            return server.do("session")


@pytest.fixture
def bench(gateway, connected, names):
    """Give a gateway of this test's own."""
    return Bench(gateway, connected, names)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("sign_only", [False, True])
async def test_every_policy(serve, bench, policy, sign_only):
    """With each policy, signed or encrypted too, values are read, and the server sees just this policy and mode."""
    server = serve(policies=",".join(("None", *POLICIES)), modes="None,Sign,SignAndEncrypt")
    security = policy.replace("_", "")
    await bench.accept(server)
    seen = await bench.reads(server, security=security, sign_only=sign_only)
    assert seen["policy"].endswith(f"#{policy}")
    assert seen["mode"] == ("Sign" if sign_only else "SignAndEncrypt")


async def test_subscription_over_an_encrypted_channel(serve, bench):
    """Signed and encrypted, values come by subscription too."""
    server = serve(secure=True)
    await bench.accept(server)
    async with bench.open(server) as connection:
        async for batch in connection.batches([bench.names("Double")]):
            assert batch.values.tolist() == [21.25]
            break


async def test_the_fast_path_over_an_encrypted_channel(serve, bench):
    """An encoded request goes signed and encrypted too, and in several chunks where it is longer than one."""
    server = serve(secure=True)
    await bench.accept(server)
    index = server.ready["namespace"]
    nodes = [ua.NodeId("Double", index), *(ua.NodeId("missing" * 15 + str(i), index) for i in range(700))]
    reading = Reading([value_of(node) for node in nodes])
    async with bench.open(server, mode="poll") as connection:
        for _ in range(2):
            (values,) = await reading.values(connection._channel, Limits())
            first, *others = values.in_rows()
            assert first.value == 21.25
            assert {row.status for row in others} == {StatusCode.BAD_NODE_ID_UNKNOWN}
    assert reading.path == "fast"


@pytest.mark.parametrize(
    ("offers", "settings", "cure"),
    [
        ({}, {}, 'security = "none"'),
        ({"policies": "Aes256_Sha256_RsaPss", "modes": "SignAndEncrypt"}, {}, 'security = "Aes256Sha256RsaPss"'),
        ({"policies": "Basic256Sha256", "modes": "Sign"}, {}, "sign_only = true"),
        ({"policies": "Basic256Sha256", "modes": "SignAndEncrypt"}, {"sign_only": True}, "Basic256Sha256"),
    ],
)
async def test_security_is_never_given_up(serve, bench, offers, settings, cure):
    """A server that does not offer what is asked for is not connected, and the error says what to write instead."""
    server = serve(**offers)
    error = await bench.fails(server, NotConnected, **settings)
    assert "it offers" in error.message
    assert cure in error.hint
    assert server.do("counts")["sessions"] == 0


async def test_users(serve, bench, tmp_path, caplog):
    """The right password lets in, from a file with a line's end; the wrong one, and none, is AuthFailed with a cure."""
    caplog.set_level(logging.DEBUG)
    server = serve(user="operator", password=SECRET, secure=True)
    await bench.accept(server)
    (tmp_path / "right").write_text(f"{SECRET}\n")
    (tmp_path / "wrong").write_text("falsch")
    await bench.reads(server, user="operator", password_file=str(tmp_path / "right"))
    error = await bench.fails(server, AuthFailed, user="operator", password_file=str(tmp_path / "wrong"))
    assert "password_file" in error.hint
    error = await bench.fails(server, AuthFailed)
    assert "user and password_file" in error.hint
    error = await bench.fails(server, AuthFailed, user="operator", password_file=str(tmp_path / "none"))
    assert "none" in error.message
    assert server.do("counts")["sessions"] == 0
    assert SECRET not in caplog.text


async def test_password_over_no_security_must_be_said(serve, bench, tmp_path):
    """A password goes over a channel without security only where allow_plain_password says so."""
    server = serve(user="operator", password=SECRET, secure=True)
    (tmp_path / "right").write_text(SECRET)
    login = {"user": "operator", "password_file": str(tmp_path / "right")}
    with pytest.raises(ValueError, match="allow_plain_password"):
        bench.gateway.Settings(url=server.url, security="none", **login)
    await bench.reads(server, security="none", allow_plain_password=True, **login)


async def test_user_certificates(serve, bench, make, tmp_path):
    """A user logs in by a certificate once the server accepts it; before that the error says which, and is retried."""
    server = serve("users", secure=True, user_pki=str(tmp_path / "users"))
    await bench.accept(server)
    public, private = make("operator")
    user = {"user_certificate": public, "user_private_key": private}
    error = await bench.fails(server, NotTrusted, **user)
    shown = certificates.of_file(public, "user_certificate")
    assert certificates.thumbprint(shown) in error.hint
    assert server.do("trust", user=True)["trusted"]
    await bench.reads(server, **user)
    async with bench.open(server, mode="poll", **user) as connection:
        assert set(connection._channel.expires) == {"gateway", "server", "user"}
        assert connection._channel.expires["user"] == certificates.last_ns(shown)
    error = await bench.fails(server, AuthFailed)
    assert "user_certificate" in error.hint


async def test_server_that_does_not_trust_us(serve, bench):
    """A server that refuses our certificate is told with where to accept it; after that the same gateway connects."""
    server = serve("strict", secure=True, strict=True)
    await bench.accept(server)
    error = await bench.fails(server, NotTrusted)
    own = bench.gateway.certificates()[0]
    assert "rejected to trusted/certs" in error.hint
    for told in (own.thumbprint, own.subject, own.uri, own.file):
        assert told in error.hint
    assert server.do("trust")["trusted"]
    await bench.reads(server)
    assert bench.gateway.certificates()[0].thumbprint == own.thumbprint


async def test_unknown_server(serve, bench):
    """A server whose certificate nobody has accepted is not talked to; the error has the very command that cures it."""
    server = serve(secure=True)
    error = await bench.fails(server, NotTrusted)
    command = re.search(r"shoptwin trust accept (\w{40}) --state-dir (\S+)", error.hint)
    (waiting,) = [each for each in bench.gateway.certificates() if each.standing == "rejected"]
    assert command is not None
    assert command[1] == waiting.thumbprint
    assert waiting.file.startswith(command[2])
    assert waiting.server == server.url
    bench.gateway.accept(waiting)
    await bench.reads(server)


async def test_changed_server(serve, bench, tmp_path):
    """A server that shows another certificate than the accepted one is not talked to, and the error names both."""
    server = serve("changing", secure=True, pki=str(tmp_path / "first"))
    before = await bench.accept(server)
    await bench.reads(server)
    server.start(pki=str(tmp_path / "second"))
    error = await bench.fails(server, NotTrusted)
    after = await bench.look(server)
    assert "changed" in error.message
    assert before.thumbprint in error.message
    assert f"accept {after.thumbprint}" in error.hint
    bench.gateway.accept(after)
    await bench.reads(server)


async def test_trust_that_is_withdrawn(serve, bench, monkeypatch):
    """A connection ends when its server's certificate is rejected while it runs."""
    monkeypatch.setattr("shoptwin_opcua.session.channel.TIMEOUT", 3000)
    server = serve(secure=True)
    certificate = await bench.accept(server)
    async with bench.open(server) as connection:
        bench.gateway.reject(certificate)
        await connection._channel._keeper
        with pytest.raises(NotConnected):
            await connection.browse()
    await bench.fails(server, NotTrusted)


async def test_pinned_by_file(serve, bench, make):
    """server_certificate pins by file, with certificate and key of the settings: nothing is kept, nobody is asked."""
    server = serve(secure=True)
    shown = await bench.accept(server)
    public, private = make()
    own = {"certificate": public, "private_key": private}
    await bench.reads(server, **own, server_certificate=shown.file)
    error = await bench.fails(server, NotTrusted, **own, server_certificate=public)
    assert shown.thumbprint in error.message
    assert "server_certificate" in error.hint


@pytest.mark.parametrize("when", [(1, 30, "not valid yet"), (-30, 10, "has expired")])
@pytest.mark.parametrize("whose", ["gateway", "server", "user"])
async def test_certificates_out_of_time(serve, bench, make, whose, when):
    """A certificate of either side that is not valid now is NotConnected, which tells what this box's clock says."""
    first, days, says = when
    public, private = make(whose, dt.datetime.now(dt.UTC) + dt.timedelta(days=first), days)
    settings = {}
    if whose == "server":
        server = serve(f"time {first}", secure=True, certificate=public, key=private)
    else:
        server = serve(secure=True)
        prefix = {"gateway": "", "user": "user_"}[whose]
        settings |= {f"{prefix}certificate": public, f"{prefix}private_key": private}
    await bench.accept(server)
    error = await bench.fails(server, NotConnected, **settings)
    assert f"clock says {dt.datetime.now(dt.UTC):%Y-%m-%d}" in error.message
    assert says in error.message


async def test_certificate_without_uri(serve, bench, make):
    """A certificate that names no application is refused before the server is asked."""
    public, private = make(uri="")
    error = await bench.fails(serve(secure=True), AuthFailed, certificate=public, private_key=private)
    assert "SubjectAltName" in error.hint


async def test_server_with_another_uri(serve, bench, make):
    """A server whose certificate names another application than it says to be is accepted by hand alone."""
    public, private = make(uri="urn:somebody:else")
    server = serve("uri", secure=True, certificate=public, key=private)
    shown = await bench.look(server)
    assert any("urn:somebody:else" in note for note in shown.notes)
    await bench.fails(server, NotTrusted)
    bench.gateway.accept(shown)
    await bench.reads(server)


@pytest.mark.parametrize("wrong", ["missing.der", __file__])
@pytest.mark.parametrize("which", ["certificate", "private_key"])
async def test_files_that_cannot_be_used(serve, bench, make, which, wrong):
    """A certificate or key that is not there, or is none, is named."""
    public, private = make()
    own = {"certificate": public, "private_key": private} | {which: wrong}
    error = await bench.fails(serve(secure=True), AuthFailed, **own)
    assert which in str(error)


async def test_nowhere_to_keep_certificates(serve, bench):
    """A driver that was told no folder says so."""
    bench.gateway = OpcUaPlugin()
    error = await bench.fails(serve(secure=True), AuthFailed)
    assert "state directory" in error.hint


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("BadUserAccessDenied", Refused), ("BadCertificateUntrusted", NotTrusted), ("BadTimeout", Timeout),
        ("BadTooManySessions", Refused), ("BadCertificateTimeInvalid", Refused), ("BadInternalError", Refused),
    ],
)  # fmt: skip
def test_status_codes_have_policies(name, error):
    """Each status of a refused service is an error with its policy, its name, and a cure."""
    made = refused("opc.tcp://plc", getattr(ua.StatusCodes, name))
    assert type(made) is error
    assert name in made.message
    assert made.hint


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (TimeoutError(), Timeout), (ConnectionRefusedError(), NotConnected), (OSError("no route"), NotConnected),
        (AssertionError(), NotConnected), (ValueError("breaks off"), NotConnected),
        (ua.UaError("No matching endpoints"), NotConnected), (ua.uaerrors.BadIdentityTokenRejected(), Refused),
    ],
)  # fmt: skip
def test_whatever_is_raised_has_a_policy(raised, error):
    """Errors of the network, of asyncua and of decoding become errors of the driver that name the server."""
    with pytest.raises(error, match=r"opc\.tcp://plc") as caught, translated("opc.tcp://plc"):
        raise raised
    assert caught.value.hint
    assert caught.value.__cause__ is raised
