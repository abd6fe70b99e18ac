"""TLS as Modbus/TCP Security asks for it: version 1.2 at least, the device's certificate checked, ours where wanted."""

from __future__ import annotations

import ssl
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from shoptwin.sdk import AuthFailed

if TYPE_CHECKING:
    from shoptwin_modbus.target import Target

_Version: TypeAlias = tuple[int, int, int] | None


def context_of(target: Target) -> ssl.SSLContext:
    """Return what to connect with; made anew where a file was renewed, and only then: it takes some 20 ms of the loop.

    Raises:
        AuthFailed: a file is missing or is not what it should be.
    """
    trusted: tuple[str | None, ...] = (target.ca_file,)
    if not target.ca_file:
        system = ssl.get_default_verify_paths()
        trusted = (system.cafile, system.capath)
    files = (*trusted, target.cert_file, target.key_file)
    return _made(target.ca_file, target.cert_file, target.key_file, tuple(map(_version, files)))


@lru_cache(maxsize=16)
def _made(ca_file: str, cert_file: str, key_file: str, _versions: tuple[_Version, ...]) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ValueError) as error:
        raise AuthFailed(
            f"ca_file {ca_file!r} cannot be used: {_said(error)}", "it must hold certificates (PEM)"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # The same in every Python: 3.13 became strict about extensions that devices' own certificates mostly lack. A
    # certificate that was put into ca_file is trusted as it stands, whoever signed it.
    context.verify_flags = (context.verify_flags & ~ssl.VERIFY_X509_STRICT) | ssl.VERIFY_X509_PARTIAL_CHAIN
    if cert_file:
        try:
            context.load_cert_chain(cert_file, key_file, password=_no_password)
        except (OSError, ValueError) as error:
            raise AuthFailed(
                f"cert_file {cert_file!r} and key_file {key_file!r} cannot be used: {_said(error)}",
                "they must hold a certificate and its key (PEM), the key without a password",
            ) from error
    return context


def _version(file: str | None) -> _Version:
    """Return what is another one once a file was renewed, None where there is none."""
    try:
        found = Path(file).stat() if file else None
    except OSError:
        return None
    return None if found is None else (found.st_ino, found.st_size, found.st_mtime_ns)


def _no_password() -> str:
    """Keep OpenSSL from asking for a password at the terminal."""
    raise ValueError("the key has a password")


def _said(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return str(reason).lower().replace("_", " ") if reason else getattr(error, "strerror", None) or str(error)
