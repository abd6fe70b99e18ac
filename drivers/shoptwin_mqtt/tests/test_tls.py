"""TLS with a real broker: whom the driver trusts, and what it says where it does not."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shoptwin.sdk import AuthFailed, NotConnected
from shoptwin_mqtt import plugin

TODAY = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)


class Authority:
    """A plant's own authority, and the certificates it signs."""

    def __init__(self, folder):
        folder.mkdir()
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"CA of {folder.name}")])
        self.ca = self.sign("ca", self.name, self.key.public_key(), authority=True)

    def sign(self, file, subject, key, *, authority=False, names=(), begins=TODAY - DAY):
        builder = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key)
            .serial_number(x509.random_serial_number()).not_valid_before(begins).not_valid_after(begins + 9 * DAY)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )  # fmt: skip
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        path = self.folder / f"{file}.crt"
        path.write_bytes(builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        return str(path)

    def issue(self, file, names=("localhost",), **more):
        """Return the paths of a certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        path = self.folder / f"{file}.key"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        told = [x509.DNSName(name) for name in names] + [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))] * bool(
            names
        )
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, file)])
        return self.sign(file, subject, key.public_key(), names=told, **more), str(path)


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "plant")


@pytest.fixture
def tls(broker, authority):
    """Give a factory of brokers with TLS: `tls(names=…, begins=…, client=True)`."""

    def make(*, client=False, **certificate):
        cert, key = authority.issue("broker", **certificate)
        options = ["allow_anonymous true", f"certfile {cert}", f"keyfile {key}"]
        options += [f"cafile {authority.ca}", "require_certificate true"] if client else []
        return broker(*options, scheme="mqtts")

    return make


async def why(settings):
    """Return the error that connecting ends with."""
    connection = plugin.open(settings)
    try:
        with pytest.raises((AuthFailed, NotConnected)) as caught:
            await connection.connect()
    finally:
        await connection.aclose()
    return caught.value


@pytest.mark.parametrize("version", [4, 5])
async def test_a_trusted_broker(tls, authority, listen, version):
    """A broker whose certificate the plant's authority has signed is heard."""
    here = tls(client=True)
    cert, key = authority.issue("gateway", ())
    async with listen(
        here, "$SYS/broker/version", ca_file=authority.ca, cert_file=cert, key_file=key, version=version
    ) as one:
        heard = await one.take(lambda h: h["$SYS/broker/version"])
    assert "mosquitto" in heard["$SYS/broker/version"][0][0]


async def test_packets_that_share_a_record(authority, broker, listen):
    """Messages that come in one record of TLS are all heard at once: the socket tells of the first alone."""

    async def scripted(reader, writer):
        while head := await reader.read(2):
            body = await reader.readexactly(head[1])
            if head[0] >> 4 == 1:
                writer.write(b"\x20\x02\x00\x00")  # CONNACK
            elif head[0] >> 4 == 8:  # SUBSCRIBE: SUBACK, and three times PUBLISH
                writer.write(b"\x90\x03" + body[:2] + b"\x00" + b"".join(b"\x30\x04\x00\x01a%d" % i for i in range(3)))
        writer.close()

    cert, key = authority.issue("broker")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    server = await asyncio.start_server(scripted, "127.0.0.1", 0, ssl=context)
    here = broker()
    here.port, here.scheme = server.sockets[0].getsockname()[1], "mqtts"
    async with listen(here, "a", ca_file=authority.ca, version=4, first="60s") as one:
        heard = await one.take(lambda h: len(h["a"]) == 3, 2)
    assert [row[0] for row in heard["a"]] == [0.0, 1.0, 2.0]
    server.close()


async def test_an_unknown_authority(tls, tmp_path, settings_of):
    """A certificate that nobody has signed whom we trust is refused for good, with the cure."""
    here, other = tls(), Authority(tmp_path / "other")
    error = await why(settings_of(here))
    assert isinstance(error, AuthFailed)
    assert "set ca_file" in error.hint
    error = await why(settings_of(here, ca_file=other.ca))
    assert isinstance(error, AuthFailed)
    assert "ca_file must hold" in error.hint


async def test_another_name(tls, authority, settings_of):
    """A certificate of another name is refused for good, with the cure."""
    here = tls(names=("broker.example",))
    here.host = "localhost"
    error = await why(settings_of(here, ca_file=authority.ca))
    assert isinstance(error, AuthFailed)
    assert "into url" in error.hint


@pytest.mark.parametrize("begins", [TODAY + DAY, TODAY - 30 * DAY])
async def test_another_time(tls, authority, settings_of, begins):
    """A certificate that is not valid by this box's clock is tried again, as the clock may be wrong."""
    error = await why(settings_of(tls(begins=begins), ca_file=authority.ca))
    assert isinstance(error, NotConnected)
    assert "clock" in error.hint


@pytest.mark.parametrize("version", [4, 5])
async def test_a_certificate_of_ours_is_wanted(tls, authority, settings_of, version):
    """A broker that wants a certificate of ours says so by hanging up, and the error names the settings."""
    error = await why(settings_of(tls(client=True), ca_file=authority.ca, version=version))
    assert "cert_file" in error.hint


async def test_no_tls_there(broker, settings_of):
    """mqtts:// at a port without TLS, and mqtt:// at one with it, end with an error that speaks of the port."""
    here = broker("allow_anonymous true")
    here.scheme = "mqtts"
    error = await why(settings_of(here))
    assert isinstance(error, NotConnected)
    assert "port" in error.hint


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"ca_file": "nowhere.crt"}, "ca_file 'nowhere.crt' cannot be used"),
        ({"cert_file": "nowhere.crt"}, "cert_file 'nowhere.crt'"),
    ],
)
async def test_files_that_are_not_there(tls, settings_of, more, says):
    """A file that cannot be used is named, with what it must hold."""
    error = await why(settings_of(tls(), **more))
    assert isinstance(error, AuthFailed)
    assert says in error.message
    assert "PEM" in error.hint
