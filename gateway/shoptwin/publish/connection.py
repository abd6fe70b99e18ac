"""How the broker is reached: TLS, and what a failure means for the person who has to cure it."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, TypeVar

from shoptwin.domain.errors import PublishError
from shoptwin.domain.timing import iso

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from shoptwin.config.settings import Mqtt

T = TypeVar("T")
_NOT_YET_VALID, _EXPIRED, _HOSTNAME, _ADDRESS = 9, 10, 62, 64  # X509_V_ERR_* of OpenSSL
_UNTRUSTED = {2, 18, 19, 20, 21}

_SLOW = "publish-refused"
"""Code of an error that a person must cure: trying again at once would only fill the broker's log."""

_CREDENTIALS = "Check user, password_file and that the broker's own list has this user"
_REFUSALS = {
    0x80: "The broker's log says why",
    0x81: "The broker's log says why",
    0x82: "The broker's log says why",
    0x84: 'Set version = "3.1.1" in [mqtt]: the broker does not speak MQTT 5',
    0x85: "Set client_id in [mqtt] to one that the broker takes",
    0x86: _CREDENTIALS,
    0x87: _CREDENTIALS,
    0x8A: "The broker has banned this client; its log says why",
    0x8C: "Set user and password_file in [mqtt]",
    0x8E: "Another client uses the same client_id: give each gateway a name of its own",
    0x95: "The broker does not take messages as large as the status of this gateway",
    0x9A: "Allow retained messages in the broker: state, alarms and status need them",
    0x9B: "Allow QoS 1 in the broker: nothing is lost with less",
}


class _Socket(ssl.SSLSocket):
    """A TLS socket that is closed when its handshake fails; paho would leave it to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        """Shake hands, or close."""
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def is_slow(error: PublishError) -> bool:
    """Tell whether a person must cure this error, so that it is tried again slowly."""
    return error.code == _SLOW


def tls_context(mqtt: Mqtt) -> ssl.SSLContext:
    """Return the TLS context for the broker, with the plant's own CA and a client certificate where configured.

    Raises:
        PublishError: a file cannot be read or does not fit.
    """
    context = _load("ca_file", mqtt.ca_file, lambda: ssl.create_default_context(cafile=mqtt.ca_file))
    # Python 3.13 began to refuse what many a plant's own CA leaves out (RFC 5280's key identifiers): as 3.11 does.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.sslsocket_class = _Socket
    if mqtt.cert_file is not None:
        cert, key = mqtt.cert_file, mqtt.key_file
        _load("cert_file", cert, lambda: context.load_cert_chain(cert, key, password=_no_passphrase))
    return context


def translate(error: BaseException, mqtt: Mqtt, now: int) -> PublishError:
    """Say what kept us from the broker, and the cure. `now` is what the box's clock says, ns UTC."""
    where = f"{mqtt.host}:{mqtt.port}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return _distrusted(error, mqtt, now)
    if isinstance(error, ssl.SSLError) or (mqtt.tls and isinstance(error, ConnectionResetError)):
        return PublishError(
            f"No TLS with the broker at {where}: {getattr(error, 'reason', '') or error}",
            "Is this the TLS port (mqtts:// is usually 8883, mqtt:// 1883), and does it want a client certificate?",
        )
    if isinstance(error, socket.gaierror):
        return PublishError(f"The broker's name {mqtt.host!r} is not known", "Check url in [mqtt] and the box's DNS")
    if isinstance(error, ConnectionRefusedError):
        return PublishError(f"Nobody listens at {where}", "Is the broker running, and is the port in url right?")
    if isinstance(error, TimeoutError):
        return PublishError(
            f"The broker at {where} does not answer", "Check the network, a firewall, and url in [mqtt]"
        )
    return PublishError(f"The broker at {where} cannot be reached: {error}")


def refusal(code: int, name: str, mqtt: Mqtt, *, inside: bool = False) -> PublishError:
    """Say that the broker does not let us in, or puts us out when we were `inside`, by its reason code (MQTT 5)."""
    who = f" (user {mqtt.user!r})" if mqtt.user and code in {0x86, 0x87} else ""
    slow = code in {0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C, 0x8E, 0x95, 0x9A, 0x9B}
    does = "has put this gateway out" if inside else "refuses this gateway"
    told = f"The broker at {mqtt.host}:{mqtt.port} {does}{who}: {name}"
    return PublishError(told, _REFUSALS.get(code, ""), code=_SLOW if slow else None)


def _distrusted(error: ssl.SSLCertVerificationError, mqtt: Mqtt, now: int) -> PublishError:
    broker = f"The certificate of the broker at {mqtt.host}:{mqtt.port}"
    code = error.verify_code
    if code == _NOT_YET_VALID:
        return PublishError(
            f"{broker} is not valid yet: the clock of this box says {iso(now)}",
            "Set the clock (NTP, or `timedatectl set-time`); it is tried again by itself",
        )
    if code == _EXPIRED:
        return PublishError(
            f"{broker} has expired: the clock of this box says {iso(now)}", "Renew it at the broker, or set the clock"
        )
    if code in {_HOSTNAME, _ADDRESS}:
        return PublishError(
            f"{broker} is for another name: {error.verify_message}", "Write that name into url in [mqtt]"
        )
    if code in _UNTRUSTED:
        return PublishError(
            f"{broker} is not signed by a CA that is trusted here: {error.verify_message}",
            "Put the certificate of the plant's CA into ca_file in [mqtt]",
        )
    return PublishError(f"{broker} is not accepted: {error.verify_message}")


def _load(key: str, path: Path | None, load: Callable[[], T]) -> T:
    """Load a file of the configuration's `key`, and name both where that fails. Raises PublishError."""
    try:
        return load()
    except ssl.SSLError as error:  # an OSError, but one about what is in the file
        raise PublishError(
            f"{key} of [mqtt], {path}, cannot be used: {error.reason or error}",
            "PEM files are wanted, and the key must be the certificate's",
            code=_SLOW,
        ) from error
    except OSError as error:
        raise PublishError(
            f"{key} of [mqtt], {path}, cannot be read: {error.strerror or error}",
            "Check the path and its rights",
            code=_SLOW,
        ) from error


def _no_passphrase() -> str:
    """Refuse to ask: OpenSSL would wait for someone to type the passphrase of an encrypted key."""
    raise PublishError("key_file of [mqtt] is encrypted", "Store it without a passphrase, readable by shoptwin alone")
