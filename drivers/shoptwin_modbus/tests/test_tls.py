"""TLS: Modbus/TCP Security against pymodbus's server, with certificates of a plant's own authority."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import socket
import ssl
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pymodbus.server import ModbusTcpServer, ModbusTlsServer
from pymodbus.simulator import DataType, SimData, SimDevice

from shoptwin.sdk import AuthFailed, NotConnected
from shoptwin.testing import free_port, group_of, readings
from shoptwin_modbus.target import ModbusSettings
from shoptwin_modbus.wire.security import context_of

DAY = dt.timedelta(days=1)


class Authority:
    """A plant's authority, and what it signs, as PEM files in a folder."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder = folder
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.file = self._write(name, self._certificate(self._name, self._key, ca=True))

    def sign(self, name: str, *, days: int = 1, password: bytes | None = None) -> tuple[str, str]:
        """Return the files of a certificate for 127.0.0.1 and the name, and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._write(name, self._certificate(subject, key, days=days))
        secret = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        path = self._folder / f"{name}.key"
        path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret))
        return certificate, str(path)

    def _certificate(self, subject, key, *, ca=False, days=1):
        now = dt.datetime.now(dt.UTC)
        names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("plc.example")]
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 3 * DAY)
            .not_valid_after(now + days * DAY)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _write(self, name, certificate) -> str:
        path = self._folder / f"{name}.pem"
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return str(path)


@pytest.fixture(scope="module")
def plant(tmp_path_factory):
    """Return the authority of the plant."""
    return Authority(tmp_path_factory.mktemp("plant"))


@pytest.fixture
async def serve():
    """Return what starts a server with a certificate, that may want one of its clients; and gives its URL."""
    servers = []

    async def start(files, *, clients=None):
        port, device = free_port(), SimDevice(1, simdata=SimData(0, values=[7] * 10, datatype=DataType.REGISTERS))
        if files is None:
            server = ModbusTcpServer(device, address=("127.0.0.1", port))
        else:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*files)
            if clients is not None:
                context.load_verify_locations(clients)
                context.verify_mode = ssl.CERT_REQUIRED
            server = ModbusTlsServer(device, address=("127.0.0.1", port), sslctx=context)
        await server.serve_forever(background=True)
        servers.append(server)
        return f"tls://127.0.0.1:{port}"

    yield start
    for server in servers:
        await server.shutdown()


async def read(plugin, url, **files):
    """Connect, read a register and return its value."""
    connection = plugin.open(ModbusSettings(url=url, **{"timeout": "2s", **files}))
    try:
        await connection.connect()
        [[found]] = readings(await connection.read(group_of(plugin, ["holding:3:int16"]))).values()
        return found.value
    finally:
        await connection.aclose()


async def test_read_over_tls(plugin, plant, serve):
    """A device whose certificate the plant's authority signed is read."""
    assert await read(plugin, await serve(plant.sign("plc")), ca_file=plant.file) == 7


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
async def test_a_port_that_hangs_up_on_tls(plugin, plant, reset):
    """A device that closes the connection when TLS begins, as plain Modbus ones may, is told to know no TLS there."""

    async def hang_up(reader, writer):
        if not reset:
            await reader.read(1000)
            writer.close()
        else:
            await reader.read(1)
            writer.transport.abort()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0, limit=2)
    try:
        with pytest.raises(NotConnected, match="does not speak TLS") as caught:
            await read(plugin, f"tls://127.0.0.1:{server.sockets[0].getsockname()[1]}", ca_file=plant.file)
    finally:
        server.close()
    assert "tcp://" in caught.value.hint


async def test_certificate_itself_is_trusted(plugin, plant, serve):
    """The device's own certificate does in place of its authority's."""
    files = plant.sign("plc")
    assert await read(plugin, await serve(files), ca_file=files[0]) == 7


async def test_mutual_tls(plugin, plant, serve):
    """A device that wants a certificate of its clients gets ours."""
    cert, key = plant.sign("gateway")
    url = await serve(plant.sign("plc"), clients=plant.file)
    assert await read(plugin, url, ca_file=plant.file, cert_file=cert, key_file=key) == 7


async def test_name_in_the_certificate(plugin, plant, serve):
    """A certificate for another name is refused, unless that is the server_name."""
    url = await serve(plant.sign("plc"))
    assert await read(plugin, url, ca_file=plant.file, server_name="plc.example") == 7
    with pytest.raises(AuthFailed, match="another name") as caught:
        await read(plugin, url, ca_file=plant.file, server_name="other.example")
    assert "server_name" in caught.value.hint


async def test_authority_that_is_not_trusted(plugin, plant, serve, tmp_path):
    """A certificate that nobody signed whom we trust is AuthFailed, and the cure is ca_file."""
    url = await serve(plant.sign("plc"))
    for files in ({}, {"ca_file": Authority(tmp_path, "other").file}):
        with pytest.raises(AuthFailed, match="not trusted") as caught:
            await read(plugin, url, **files)
        assert "ca_file" in caught.value.hint


async def test_certificate_that_has_expired(plugin, plant, serve):
    """An expired certificate is tried again, as this box's clock may be wrong after a start, and the cure names it."""
    with pytest.raises(NotConnected, match="not valid now") as caught:
        await read(plugin, await serve(plant.sign("plc", days=-1)), ca_file=plant.file)
    assert "clock" in caught.value.hint


@pytest.fixture
def strict(plant):
    """Return the URL of a TLS server by OpenSSL's own rules: it says why it refuses a client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*plant.sign("plc"))
    context.load_verify_locations(plant.file)
    context.verify_mode = ssl.CERT_REQUIRED
    listening = socket.create_server(("127.0.0.1", 0))

    def serve():
        with suppress(OSError):
            while True:
                client, _ = listening.accept()
                with client.dup() as kept:
                    with suppress(OSError), context.wrap_socket(client, server_side=True) as secure:
                        secure.recv(100)
                    kept.recv(1000)  # closed with bytes unread, TCP would take the refusal back

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"tls://127.0.0.1:{listening.getsockname()[1]}"
    listening.shutdown(socket.SHUT_RDWR)
    thread.join()
    listening.close()


async def test_device_that_only_hangs_up(plugin, plant, serve):
    """A device that closes without a word, as it wants a certificate of ours, is NotConnected with that cure."""
    with pytest.raises(NotConnected, match="before any reply") as caught:
        await read(plugin, await serve(plant.sign("plc"), clients=plant.file), ca_file=plant.file)
    assert "set cert_file and key_file" in caught.value.hint


async def test_device_that_wants_our_certificate(plugin, plant, strict, tmp_path):
    """A device that refuses us, for no certificate or a strange one, is AuthFailed with the cure, even in TLS 1.3."""
    url = strict
    with pytest.raises(AuthFailed, match="refused us") as caught:
        await read(plugin, url, ca_file=plant.file)
    assert "set cert_file and key_file" in caught.value.hint
    cert, key = Authority(tmp_path, "other").sign("stranger")
    with pytest.raises(AuthFailed, match="refused us") as caught:
        await read(plugin, url, ca_file=plant.file, cert_file=cert, key_file=key)
    assert "let the device trust" in caught.value.hint


async def test_device_without_tls(plugin, plant, serve):
    """A device that speaks plain Modbus there is NotConnected, within the time-out."""
    with pytest.raises(NotConnected):
        await read(plugin, await serve(None), ca_file=plant.file, timeout="500ms")


async def test_files_that_cannot_be_used(plugin, plant, serve, tmp_path):
    """Files that are missing, or are not what they should be, or ask for a password, are AuthFailed by name."""
    url = await serve(plant.sign("plc"))
    (tmp_path / "empty.pem").write_text("")
    cert, key = plant.sign("secret", password=b"word")
    for files, named in (
        ({"ca_file": str(tmp_path / "none.pem")}, "none.pem"),
        ({"ca_file": str(tmp_path / "empty.pem")}, "empty.pem"),
        ({"ca_file": plant.file, "cert_file": cert, "key_file": key}, "without a password"),
        ({"ca_file": plant.file, "cert_file": plant.file, "key_file": key.replace("secret", "plc")}, "key"),
    ):
        with pytest.raises(AuthFailed) as caught:
            await read(plugin, url, **files)
        assert named in str(caught.value)


def test_what_is_needed_to_connect_is_kept_until_a_file_is_renewed(tmp_path):
    """Reading the authorities takes a while, so it is done once, and again as soon as one of the files is another."""
    authority = Authority(tmp_path)
    certificate, key = authority.sign("gateway")
    target = ModbusSettings(url="tls://127.0.0.1", ca_file=authority.file, cert_file=certificate, key_file=key).target
    first = context_of(target)
    assert context_of(target) is first
    authority.sign("gateway")
    renewed = context_of(target)
    assert renewed is not first
    assert context_of(target) is renewed
    bare = ModbusSettings(url="tls://127.0.0.1").target
    assert context_of(bare) is context_of(bare)
    Path(authority.file).unlink()
    with pytest.raises(AuthFailed):
        context_of(target)
