"""Where certificates are kept: the gateway's own, those it trusts, and those it has seen and does not trust.

    own/shoptwin.pem             the gateway's certificate with its key, in one file (mode 0600)
    own/shoptwin.der             the certificate alone, to be carried to a PLC
    former/<thumbprint>.pem      those before it, as own/shoptwin.pem
    trusted/<host>:<port>.der    what a server must show; put there by `shoptwin trust accept` alone
    rejected/<host>:<port>.der   what a server has shown last, and nobody has accepted

The files are the truth: whoever changes them, a running daemon follows at its next connection. One file a server in
each folder, so that whoever makes up certificates cannot fill the disk.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from shoptwin.sdk import AuthFailed, NotConnected, Standing
from shoptwin_opcua.security import certificates
from shoptwin_opcua.security.identity import Identity, is_of, made, new_key, pem
from shoptwin_opcua.settings import full_url

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cryptography import x509

    from shoptwin.sdk import Certificate

_SCHEME = "opc.tcp://"


def server_of(url: str) -> str:
    """Return a server's URL as its certificates name it: with port, without a slash at the end."""
    return full_url(url).rstrip("/")


class Pki:
    """One gateway's certificates. Every method reads or writes files, and may take a second.

    Raises:
        NotConnected: a file cannot be read or written; it names the file and the cure, and it is tried again.
    """

    def __init__(self, directory: Path, site: str, gateway: str) -> None:
        """`site` and `gateway` are empty where nobody has said which gateway this is."""
        self.directory = directory
        self._name = (site, gateway)
        self._pair = directory / "own" / "shoptwin.pem"
        self._public = directory / "own" / "shoptwin.der"

    # The gateway's own.

    def own(self) -> Identity:
        """Return the gateway's certificate and key, made now if there are none: once, never again at a later try."""
        if not self._pair.exists():
            with self._alone():
                if not self._pair.exists():
                    self._make()
        certificate, key = certificates.pair_of_file(str(self._pair), "the gateway's certificate")
        self._show(certificate)
        return Identity(certificate, key, self._public)

    def check_named(self) -> None:
        """Check that there is a certificate, or a name to make one out to.

        Raises:
            AuthFailed: there is neither, as no configuration says which gateway this is.
        """
        if not (all(self._name) or self._pair.exists()):
            raise AuthFailed(
                "the gateway has no name yet to make its certificate out to",
                "write [gateway] with site and name into shoptwin.toml in this folder, or name the configuration with "
                "--config FILE; a server that knows no security needs no certificate: --set security=none",
            )

    def _show(self, certificate: x509.Certificate) -> None:
        """Write the file for people anew where it is gone (moved to a stick) or of another pair (a power cut)."""
        with suppress(NotConnected, OSError):  # a disk that is only read keeps nobody from connecting
            if self._public.is_file() and self._public.read_bytes() == certificates.der(certificate):
                return
            with self._alone():
                if (now := self._read(self._pair)) is not None:  # it may have been renewed meanwhile
                    self._write(self._public, certificates.der(now))

    def _make(self, former: x509.Certificate | None = None) -> x509.Certificate:
        if former is None:
            self.check_named()
        key = new_key()
        certificate = made(*self._name, key, datetime.now(UTC), former)
        self._write(self._pair, pem(key, certificate), secret=True)
        self._write(self._public, certificates.der(certificate))
        return certificate

    def renew(self) -> Certificate:
        """Make a new certificate with a new key, of the same name and application URI; the old pair is kept."""
        with self._alone():
            former = self._read(self._pair)
            if former is not None:
                kept = self.directory / "former" / f"{certificates.thumbprint(former)}.pem"
                self._write(kept, self._pair.read_bytes(), secret=True)
            renewed = self._make(former)
        return certificates.described(renewed, Standing.OWN, file=self._public)

    # Those of servers.

    def trusted(self, url: str) -> x509.Certificate | None:
        """Return the certificate that the server at `url` must show, None where none was accepted."""
        return self._read(self._file("trusted", url))

    def seen(self, url: str, certificate: x509.Certificate) -> None:
        """Keep a certificate that the server at `url` has shown and that is not trusted, for people to look at."""
        file = self._file("rejected", url)
        if (before := self._read(file)) is None or before != certificate:
            with self._alone():
                self._write(file, certificates.der(certificate))

    def accept(self, url: str, thumbprint: str) -> Certificate:
        """Trust the certificate that the server at `url` has shown; what it had to show before is rejected from now on.

        Raises:
            NotConnected: the server has shown another one meanwhile.
        """
        with self._alone():
            trusted, rejected = self._file("trusted", url), self._file("rejected", url)
            wanted, former = self._read(rejected), self._read(trusted)
            if wanted is None or certificates.thumbprint(wanted) != thumbprint:
                raise NotConnected(f"{url} has shown another certificate meanwhile", "look again: shoptwin trust list")
            self._write(trusted, certificates.der(wanted))
            if former is None or former == wanted:
                rejected.unlink()
            else:
                self._write(rejected, certificates.der(former))
        return certificates.described(wanted, Standing.TRUSTED, server=server_of(url), file=trusted)

    def reject(self, url: str) -> Certificate | None:
        """Trust the server at `url` no longer; return what it had to show, None where that was nothing."""
        with self._alone():
            trusted, rejected = self._file("trusted", url), self._file("rejected", url)
            former = self._read(trusted)
            if former is None:
                return None
            self._write(rejected, certificates.der(former))
            trusted.unlink()
        return certificates.described(former, Standing.REJECTED, server=server_of(url), file=rejected)

    def all(self) -> Iterator[Certificate]:
        """Yield what there is: the gateway's own, those of servers, and the gateway's former ones."""
        yield from self._in("own", Standing.OWN, "*.pem")
        yield from self._in("trusted", Standing.TRUSTED, "*.der")
        yield from self._in("rejected", Standing.REJECTED, "*.der")
        yield from self._in("former", Standing.FORMER, "*.pem")

    def _in(self, folder: str, standing: Standing, files: str) -> Iterator[Certificate]:
        for file in sorted((self.directory / folder).glob(files)):
            if (certificate := self._read(file)) is None:
                continue
            of_server = standing in {Standing.TRUSTED, Standing.REJECTED}
            server = _SCHEME + unquote(file.stem) if of_server else ""
            shown, notes = file, list[str]()
            if standing is Standing.OWN:
                self._show(certificate)
                shown, notes = self._public, self._doubts(certificate)
            yield certificates.described(certificate, standing, server=server, file=shown, notes=notes)

    def _doubts(self, own: x509.Certificate) -> list[str]:
        """Say so where the gateway's certificate is that of a gateway with another name."""
        if not all(self._name) or is_of(own, *self._name):
            return []
        told = (
            f"is made out to {own.subject.rfc4514_string()} ({certificates.uri(own)}), and this gateway is "
            f"{'/'.join(self._name)}: servers go on knowing it by the former. For one of this name move "
            f"{self._pair.parent} away: a new one is made, which every server has to accept"
        )
        return [told]

    # Files.

    def _file(self, folder: str, url: str) -> Path:
        place = server_of(url).removeprefix(_SCHEME)
        return self.directory / folder / f"{quote(place, safe=':[]')}.der"

    def _read(self, file: Path) -> x509.Certificate | None:
        try:
            return certificates.of_bytes(file.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._trouble(error) from error
        except ValueError as error:
            hint = "remove it, and accept the server anew"
            raise NotConnected(f"{file} holds no certificate: {error}", hint) from error

    def _write(self, file: Path, data: bytes, *, secret: bool = False) -> None:
        """Write a file as a whole, so that a power cut leaves the old one or the new one; owned as the folder is."""
        self._folder(file.parent)
        draft = file.with_name(f".{file.name}.new")
        draft.unlink(missing_ok=True)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if secret else 0o644)
        with os.fdopen(handle, "wb") as out:
            self._hand_over(out.fileno())
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        draft.replace(file)
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _folder(self, folder: Path) -> None:
        if not folder.is_dir():
            if folder != self.directory.parent:
                self._folder(folder.parent)
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            self._hand_over(folder)

    def _hand_over(self, what: int | Path) -> None:
        """Give what root makes to whom the state directory belongs: the daemon must be able to read it."""
        if os.geteuid() == 0:
            owner = self.directory.parent.stat()
            os.chown(what, owner.st_uid, owner.st_gid)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other threads and processes out while files are changed; what fails says which file."""
        try:
            self._folder(self.directory)
            held = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(held, fcntl.LOCK_EX)  # the kernel lets go of it with the process
                yield
            finally:
                os.close(held)
        except OSError as error:
            raise self._trouble(error) from error

    def _trouble(self, error: OSError) -> NotConnected:
        return NotConnected(
            f"certificates cannot be kept in {self.directory}: {error}",
            "let the daemon's user read and write there (is the disk read-only or full?); it is tried again",
        )
