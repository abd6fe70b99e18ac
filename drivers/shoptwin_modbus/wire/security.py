"""TLS as Modbus/TCP Security asks for it: version 1.2 at least, the device's certificate checked, ours where wanted."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from shoptwin.sdk import AuthFailed

if TYPE_CHECKING:
    from shoptwin_modbus.target import Target


def context_of(target: Target) -> ssl.SSLContext:
    """Return what to connect with; the files are read anew each time, so that renewed ones are taken up.

    Raises:
        AuthFailed: a file is missing or is not what it should be.
    """
    try:
        context = ssl.create_default_context(cafile=target.ca_file or None)
    except (OSError, ValueError) as error:
        raise AuthFailed(
            f"ca_file {target.ca_file!r} cannot be used: {_said(error)}", "it must hold certificates (PEM)"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # The same in every Python: 3.13 became strict about extensions that devices' own certificates mostly lack. A
    # certificate that was put into ca_file is trusted as it stands, whoever signed it.
    context.verify_flags = (context.verify_flags & ~ssl.VERIFY_X509_STRICT) | ssl.VERIFY_X509_PARTIAL_CHAIN
    if target.cert_file:
        try:
            context.load_cert_chain(target.cert_file, target.key_file, password=_no_password)
        except (OSError, ValueError) as error:
            raise AuthFailed(
                f"cert_file {target.cert_file!r} and key_file {target.key_file!r} cannot be used: {_said(error)}",
                "they must hold a certificate and its key (PEM), the key without a password",
            ) from error
    return context


def _no_password() -> str:
    """Keep OpenSSL from asking for a password at the terminal."""
    raise ValueError("the key has a password")


def _said(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return str(reason).lower().replace("_", " ") if reason else getattr(error, "strerror", None) or str(error)
