"""Certificates on disk: made once, by whom, for whom to read; and what the table of servers says."""

from __future__ import annotations

import datetime as dt
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from shoptwin.sdk import AuthFailed, NotConnected
from shoptwin_opcua.errors import NotTrusted
from shoptwin_opcua.security import certificates
from shoptwin_opcua.security.acceptance import ANYWHERE, servers, way
from shoptwin_opcua.security.identity import made, new_key, pem
from shoptwin_opcua.security.pki import Pki
from shoptwin_opcua.security.trust import check_trusted, refuses_us

NOW = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
URL = "opc.tcp://PLC-7:4840/Server A"


@pytest.fixture(scope="module")
def key():
    """Give one key for all certificates of these tests."""
    return new_key()


@pytest.fixture
def pki(tmp_path):
    """Give an empty place of certificates."""
    return Pki(tmp_path / "state" / "pki", "plant", "gw-1")


def other(key, name="plc"):
    """Return a certificate as a server shows one."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(NOW)
    return builder.not_valid_after(NOW + dt.timedelta(days=900)).sign(key, hashes.SHA256())


def test_own_certificate_is_what_the_standard_asks_for(key):
    """Name, URI, hosts, key usages, times and signature are those of Part 6, 6.2.2."""
    found = made("plant", "Säge 1", key, NOW)
    of = found.extensions.get_extension_for_class
    usage = of(x509.KeyUsage).value
    assert found.subject.rfc4514_string() == "CN=Shoptwin Säge 1,O=plant"
    assert certificates.uri(found).endswith(":plant:S%C3%A4ge%201")
    assert certificates.hosts(found)
    assert usage.digital_signature and usage.content_commitment and usage.key_encipherment  # noqa: PT018
    assert usage.data_encipherment and usage.key_cert_sign and not usage.crl_sign  # noqa: PT018
    assert not of(x509.BasicConstraints).value.ca
    assert {use.dotted_string for use in of(x509.ExtendedKeyUsage).value} == {"1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"}
    identifier = of(x509.AuthorityKeyIdentifier).value
    assert identifier.key_identifier == of(x509.SubjectKeyIdentifier).value.digest
    assert identifier.authority_cert_serial_number == found.serial_number
    assert isinstance(found.signature_hash_algorithm, hashes.SHA256)
    assert found.not_valid_before_utc < NOW < found.not_valid_after_utc - dt.timedelta(days=5 * 364)
    found.verify_directly_issued_by(found)


def test_a_clock_that_is_not_set_makes_no_certificate(key):
    """Made in 1970 it would have expired before it is used."""
    with pytest.raises(NotConnected, match="1970"):
        made("plant", "gw-1", key, dt.datetime(1970, 1, 1, tzinfo=dt.UTC))


def test_own_certificate_is_made_once(tmp_path):
    """Many connections at once, and those of later processes, get one and the same certificate; its key is secret."""
    place = tmp_path / "pki"
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: Pki(place, "plant", "gw-1").own().certificate, range(8)))
    assert len({certificates.thumbprint(each) for each in (*found, Pki(place, "other", "name").own().certificate)}) == 1
    assert sorted(file.name for file in (place / "own").iterdir()) == ["shoptwin.der", "shoptwin.pem"]
    assert stat.S_IMODE((place / "own" / "shoptwin.pem").stat().st_mode) == 0o600
    assert (place / "own" / "shoptwin.der").read_bytes() == certificates.der(found[0])


def test_the_file_for_people_is_written_again(pki):
    """Whoever moves the certificate to a stick finds it again where it is said to lie, and after a power cut too."""
    own = pki.own()
    data = own.file.read_bytes()
    own.file.unlink()
    assert pki.own().file.read_bytes() == data
    own.file.unlink()
    (listed,) = pki.all()
    assert Path(listed.file).read_bytes() == data
    own.file.write_bytes(b"of the pair before it")
    pki.own()
    assert own.file.read_bytes() == data


def test_a_renewal_meanwhile_mixes_no_pairs(pki, monkeypatch):
    """While the certificate is renewed, whoever connects has the old pair or the new one, never one half of each."""
    pki.own()
    read, renewed = Path.read_bytes, []

    def read_and_renew(file):
        data = read(file)
        if file.name == "shoptwin.pem" and not renewed:
            renewed.append(True)
            Pki(pki.directory, "plant", "gw-1").renew()
        return data

    monkeypatch.setattr(Path, "read_bytes", read_and_renew)
    own = pki.own()
    assert own.key.public_key() == own.certificate.public_key()


def test_without_a_name_nothing_is_made(tmp_path):
    """Where nobody has said which gateway this is no certificate is made; one that is there is used, and renewed."""
    place = tmp_path / "pki"
    for nameless in (Pki(place, "", ""), Pki(place, "plant", ""), Pki(place, "", "gw-1")):
        for make in (nameless.own, nameless.renew, nameless.check_named):
            with pytest.raises(AuthFailed, match="no name yet"):
                make()
    assert not (place / "own").exists()
    before = Pki(place, "plant", "gw-1").own()
    Pki(place, "", "").check_named()
    assert Pki(place, "", "").own().certificate == before.certificate
    assert Pki(place, "", "").renew().uri == certificates.uri(before.certificate)


def test_a_certificate_of_another_gateway_is_told(tmp_path):
    """The gateway's certificate that is made out to another name says so, and how to have one of this name."""
    place = tmp_path / "pki"
    Pki(place, "plant", "old").own()
    (own,) = Pki(place, "plant", "gw:1").all()
    assert "CN=Shoptwin old,O=plant" in own.notes[0]
    assert f"move {place / 'own'} away" in own.notes[0]
    (place / "own").rename(place / "away")
    Pki(place, "plant", "gw:1").own()
    assert [each.notes for each in Pki(place, "plant", "gw:1").all()] == [()]
    assert [each.notes for each in Pki(place, "", "").all()] == [()]


def test_reading_writes_nothing(pki):
    """Where the certificate exists the folder is only read: a disk that became read-only changes nothing."""
    pki.own()
    before = {file: file.stat().st_mtime_ns for file in pki.directory.rglob("*")}
    for folder in (pki.directory, pki.directory / "own"):
        folder.chmod(0o500)
    pki.own()
    assert list(pki.all())
    assert pki.trusted(URL) is None
    assert {file: file.stat().st_mtime_ns for file in pki.directory.rglob("*")} == before


@pytest.mark.skipif(not os.path.ismount("/proc"), reason="/proc is what no process can write to")
@pytest.mark.parametrize("place", ["/proc/shoptwin", "{tmp}/file"])
def test_a_folder_that_cannot_be_written_is_told(tmp_path, key, place):
    """What cannot be kept is NotConnected with the path, the reason and the cure: it is tried again."""
    (tmp_path / "file").write_text("")
    broken = Pki(Path(place.format(tmp=tmp_path)) / "pki", "plant", "gw-1")
    for attempt in (broken.own, lambda: broken.seen(URL, other(key)), broken.renew):
        with pytest.raises(NotConnected, match="cannot be kept") as caught:
            attempt()
        assert str(broken.directory) in str(caught.value)
        assert "read-only" in caught.value.hint


@pytest.mark.parametrize(
    "content", [b"", b"garbage", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_damaged_files_are_told(pki, content):
    """A file that holds no certificate is named, and nothing is made in its place: that would be another gateway."""
    pki.own()
    pair = pki.directory / "own" / "shoptwin.pem"
    pair.write_bytes(content)
    with pytest.raises(AuthFailed, match="no certificate"):
        pki.own()
    assert pair.read_bytes() == content


def test_keys_of_others_are_refused(tmp_path, key):
    """A key that is not the certificate's, is no RSA key, or is locked, is refused without a word of it being told."""
    ours, stranger = made("plant", "gw", key, NOW), new_key()
    (tmp_path / "other.pem").write_bytes(pem(stranger, ours))
    with pytest.raises(AuthFailed, match="not the key"):
        certificates.key_of_file(str(tmp_path / "other.pem"), "private_key", ours)
    (tmp_path / "none.pem").write_bytes(b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
    with pytest.raises(AuthFailed, match="no RSA private key") as caught:
        certificates.key_of_file(str(tmp_path / "none.pem"), "private_key", ours)
    assert "c2VjcmV0" not in str(caught.value)


def test_trust_is_by_server_and_exact(pki, key):
    """A certificate that was accepted for one server is nothing to another; each has one file, whatever it shows."""
    first, second = other(key, "first"), other(key, "second")
    for shown in (first, second, first):
        with pytest.raises(NotTrusted, match="nobody has accepted"):
            check_trusted(pki, URL, shown)
    assert [each.thumbprint for each in pki.all()] == [certificates.thumbprint(first)]
    with pytest.raises(NotConnected, match="meanwhile"):
        pki.accept(URL, certificates.thumbprint(second))
    accepted = pki.accept(URL, certificates.thumbprint(first))
    assert accepted.server == "opc.tcp://plc-7:4840/Server A"
    assert Path(accepted.file).name == "plc-7:4840%2FServer%20A.der"
    check_trusted(pki, URL, first)
    with pytest.raises(NotTrusted, match="nobody has accepted"):
        check_trusted(pki, "opc.tcp://plc-8", first)
    with pytest.raises(NotTrusted, match="has changed"):
        check_trusted(pki, URL, second)
    pki.accept(URL, certificates.thumbprint(second))
    with pytest.raises(NotTrusted, match="has changed"):
        check_trusted(pki, URL, first)
    assert pki.reject(URL) is not None
    assert pki.reject(URL) is None
    assert pki.trusted(URL) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_makes_belongs_to_the_daemon(pki):
    """Run as root, files and folders are given to whom the state directory belongs to."""
    pki.directory.parent.mkdir()
    os.chown(pki.directory.parent, 1234, 1235)
    pki.own()
    assert {(file.stat().st_uid, file.stat().st_gid) for file in (pki.directory, *pki.directory.rglob("*"))} == {
        (1234, 1235)
    }


def test_weak_keys_are_told(key):
    """Keys that no policy here may be used with are told before anybody accepts them."""
    assert certificates.weak(other(key)) == ""
    short = rsa.generate_private_key(65537, 1024)  # noqa: S505 - to be refused
    assert "1024 bits" in certificates.weak(other(short))
    assert "RSA" in certificates.weak(other(ec.generate_private_key(ec.SECP256R1())))


def test_first_of_a_chain(key):
    """Where a server shows its certificate with those of its issuers, the first one counts."""
    chain = certificates.der(other(key, "leaf")) + certificates.der(other(key, "issuer"))
    assert certificates.of_bytes(chain).subject.rfc4514_string() == "CN=leaf"


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("urn:SIMATIC.S7-1500.OPC-UA.Application:PLC_1", "Siemens"),
        ("urn:CX-1234:BeckhoffAutomation:Ua:PLC1", "Beckhoff"),
        ("urn:PC:Kepware.KEPServerEX.V6:UA Server", "Kepware"), ("urn:host:CODESYSControl", "CODESYS"),
        ("urn:host:NodeOPCUA-Server", "node-opcua"), ("urn:somebody:else", ""),
    ],
)  # fmt: skip
def test_servers_are_known_by_what_they_say(key, said, name):
    """The error names the kind of server, where the certificate lies there, and how to know ours."""
    ours = made("plant", "gw-1", key, NOW)
    error = refuses_us(URL, "BadCertificateUntrusted", ours, Path("own.der"), (said,), certain=True)
    assert name in error.hint
    assert way(said).do in error.hint
    assert (way(said).do == ANYWHERE) is (name == "")
    assert certificates.thumbprint(ours) in error.hint


def test_table_of_servers_is_complete():
    """Every entry has marks that no earlier entry takes away, says what to do, and from where that is known."""
    for server in servers():
        assert server.do
        assert server.source
        assert all(mark == mark.lower() for mark in server.marks)
        assert {way(mark).server for mark in server.marks} == {server.name}
