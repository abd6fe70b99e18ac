"""What the broker is shown: a password out of a file, a certificate; and whose certificate of its own is trusted."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from shoptwin.sdk import AuthFailed

if TYPE_CHECKING:
    from shoptwin_mqtt.settings import Settings


class _Socket(ssl.SSLSocket):
    """A TLS socket that is closed when its handshake fails; paho would leave it to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        """Shake hands, or close."""
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def password(settings: Settings) -> str | None:
    """Return the password, read anew each time so that a changed one is taken up.

    Raises:
        AuthFailed: the file cannot be read.
    """
    if not settings.password_file:
        return None
    try:
        return Path(settings.password_file).read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        hint = "put the password, and nothing else, into the file that password_file names; the daemon must read it"
        raise AuthFailed(f"password_file cannot be read: {error}", hint) from error


def context(settings: Settings) -> ssl.SSLContext:
    """Return what to connect with; the files are read anew each time, so that renewed ones are taken up.

    Raises:
        AuthFailed: a file is missing or is not what it should be.
    """
    try:
        made = ssl.create_default_context(cafile=settings.ca_file or None)
    except (OSError, ValueError) as error:
        raise AuthFailed(
            f"ca_file {settings.ca_file!r} cannot be used: {_said(error)}", "it must hold certificates (PEM)"
        ) from error
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    # Python 3.13 began to refuse what many a plant's own CA leaves out (RFC 5280's key identifiers): as 3.11 does.
    made.verify_flags &= ~ssl.VERIFY_X509_STRICT
    made.sslsocket_class = _Socket
    if settings.cert_file:
        try:
            made.load_cert_chain(settings.cert_file, settings.key_file or None, password=_no_password)
        except (OSError, ValueError) as error:
            raise AuthFailed(
                f"cert_file {settings.cert_file!r} and key_file {settings.key_file!r} cannot be used: {_said(error)}",
                "they must hold a certificate and its key (PEM), the key without a password",
            ) from error
    return made


def _no_password() -> str:
    """Keep OpenSSL from asking for a password at the terminal."""
    raise ValueError("the key has a password")


def _said(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return str(reason).lower().replace("_", " ") if reason else getattr(error, "strerror", None) or str(error)
