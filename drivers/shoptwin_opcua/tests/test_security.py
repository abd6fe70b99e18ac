"""Users, passwords, certificates, clocks: who is refused is told what to do."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from asyncua import ua
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from shoptwin.sdk import AuthFailed, NotConnected, Timeout
from shoptwin_opcua.errors import Refused, refused, translated
from shoptwin_opcua.security import check_time

NOW = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
URI = "urn:shoptwin:test-gateway"


@pytest.fixture(scope="session")
def make(tmp_path_factory):
    """Give a factory of an application's certificate and key: `make(not_before)` -> their paths."""
    key = rsa.generate_private_key(65537, 2048)

    def certificate(not_before=None, days=365, uri=URI):
        first = not_before or dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Shoptwin")])
        usage = x509.KeyUsage(
            digital_signature=True, content_commitment=True, key_encipherment=True, data_encipherment=True,
            key_agreement=False, key_cert_sign=True, crl_sign=False, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        names = [x509.DNSName("localhost")] + ([x509.UniformResourceIdentifier(uri)] if uri else [])
        made = (
            x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(first)
            .not_valid_after(first + dt.timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
            .add_extension(usage, critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]),
                critical=False,
            )
            .sign(key, hashes.SHA256())
        )  # fmt: skip
        folder = tmp_path_factory.mktemp("certificates")
        (folder / "own.der").write_bytes(made.public_bytes(serialization.Encoding.DER))
        (folder / "own.pem").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return {"certificate": str(folder / "own.der"), "private_key": str(folder / "own.pem")}

    return certificate


async def fails(connected, server, error, **settings):
    with pytest.raises(error) as caught:
        async with connected(server, **settings):
            pass
    assert caught.value.hint
    return caught.value


async def test_users(serve, connected, names, tmp_path):
    """The right password lets in, from a file with a line's end; the wrong one, and none, is AuthFailed with a cure."""
    server = serve(user="operator", password="geheim", secure=True)
    (tmp_path / "right").write_text("geheim\n")
    (tmp_path / "wrong").write_text("falsch")
    right, wrong = str(tmp_path / "right"), str(tmp_path / "wrong")
    async with connected(server, mode="poll", user="operator", password_file=right) as connection:
        (batch,) = await connection.read(names("Double"))
        assert batch.values.tolist() == [21.25]
    error = await fails(connected, server, AuthFailed, user="operator", password_file=wrong)
    assert "password_file" in error.hint
    await fails(connected, server, AuthFailed)
    error = await fails(connected, server, AuthFailed, user="operator", password_file=str(tmp_path / "none"))
    assert "none" in error.message
    assert server.do("counts")["sessions"] == 0


async def test_encrypted(serve, connected, names, make):
    """Signed and encrypted, values are read in both modes."""
    server = serve(secure=True)
    secure = {"security": "Basic256Sha256", **make()}
    async with connected(server, mode="poll", **secure) as connection:
        (batch,) = await connection.read(names("Double"))
        assert batch.values.tolist() == [21.25]
    async with connected(server, **secure) as connection:
        async for batch in connection.batches([names("Double")]):
            assert batch.values.tolist() == [21.25]
            break


async def test_encryption_is_never_given_up(serve, connected, make):
    """A server that does not offer the security that is asked for is not connected."""
    await fails(connected, serve(), NotConnected, security="Basic256Sha256", **make())


async def test_unknown_certificate(serve, connected, make):
    """A server that does not trust this gateway's certificate is AuthFailed, with where to accept it."""
    error = await fails(connected, serve(secure=True, strict=True), AuthFailed, security="Basic256Sha256", **make())
    assert "accept" in error.hint


async def test_pinned_server_certificate(serve, connected, make):
    """A server with another certificate than the pinned one is not talked to."""
    own = make()
    pinned = {"server_certificate": own["certificate"]}
    error = await fails(connected, serve(secure=True), (NotConnected, AuthFailed, Timeout),
                        security="Basic256Sha256", **own, **pinned)  # fmt: skip
    assert error.message


async def test_clock_in_1970(serve, connected, make):
    """A certificate that is not valid yet is NotConnected, which tells what this box's clock says."""
    tomorrow = make(dt.datetime.now(dt.UTC) + dt.timedelta(days=1))
    error = await fails(connected, serve(secure=True), NotConnected, security="Basic256Sha256", **tomorrow)
    assert f"clock says {dt.datetime.now(dt.UTC):%Y-%m-%d}" in error.message
    assert "valid yet" in error.message


@pytest.mark.parametrize(
    ("now", "says"),
    [(dt.datetime(1970, 1, 1, 0, 3, tzinfo=dt.UTC), "1970-01-01 00:03"), (NOW + dt.timedelta(days=999), "expired")],
)
def test_time_of_a_certificate(make, now, says):
    """Before its first and after its last day a certificate is refused by the clock; in between it is not."""
    der = Path(make(NOW)["certificate"]).read_bytes()
    certificate = x509.load_der_x509_certificate(der)
    check_time(certificate, "it", NOW + dt.timedelta(days=1))
    with pytest.raises(NotConnected, match=says):
        check_time(certificate, "it", now)


@pytest.mark.parametrize("wrong", ["missing.der", __file__])
async def test_files_that_are_no_certificates(serve, connected, make, wrong):
    """A certificate that is not there, or is none, is named."""
    error = await fails(connected, serve(secure=True), AuthFailed, security="Basic256Sha256",
                        **make() | {"certificate": wrong})  # fmt: skip
    assert "certificate" in str(error)


async def test_certificate_without_uri(serve, connected, make):
    """A certificate that names no application is refused before the server is asked."""
    error = await fails(connected, serve(secure=True), AuthFailed, security="Basic256Sha256", **make(uri=""))
    assert "SubjectAltName" in error.hint


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("BadUserAccessDenied", AuthFailed), ("BadCertificateUntrusted", AuthFailed), ("BadTimeout", Timeout),
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
        (ua.UaError("No matching endpoints"), NotConnected), (ua.uaerrors.BadIdentityTokenRejected(), AuthFailed),
    ],
)  # fmt: skip
def test_whatever_is_raised_has_a_policy(raised, error):
    """Errors of the network, of asyncua and of decoding become errors of the driver that name the server."""
    with pytest.raises(error, match=r"opc\.tcp://plc") as caught, translated("opc.tcp://plc"):
        raise raised
    assert caught.value.hint
    assert caught.value.__cause__ is raised
