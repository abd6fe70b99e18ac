"""What a `[[device]]` with `driver = "mqtt"` may say."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

import msgspec

from shoptwin.sdk import BadAddress, parse_duration
from shoptwin_mqtt import pointer

PORTS = {"mqtt": 1883, "mqtts": 8883}
"""As IANA has registered them."""
_LONGEST_KEEPALIVE = 65_535


class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Every key is described in the driver's README."""

    url: str
    user: str = ""
    password_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    version: Literal[4, 5] = 5
    client_id: str = ""
    keepalive: str = "15s"
    timeout: str = "10s"
    first: str = "10s"
    stale: str = "5m"
    time_field: str = ""
    partial: bool = False
    max_payload: int = 1_000_000

    def __post_init__(self) -> None:
        """Check what types cannot say. Raises ValueError, which the configuration tells with file and line."""
        _split(self.url)
        for name in ("keepalive", "timeout", "first", "stale"):
            if parse_duration(getattr(self, name)) <= 0:
                raise ValueError(f"{name} must be longer than nothing")
        if not 1 <= self.seconds("keepalive") <= _LONGEST_KEEPALIVE:
            raise ValueError("keepalive must be from 1s to 18h: MQTT counts it in 16 bits")
        if self.max_payload <= 0:
            raise ValueError("max_payload must be at least 1 byte")
        if self.password_file and not self.user:
            raise ValueError("password_file is given but no user: MQTT 3.1.1 knows no password without one")
        if self.key_file and not self.cert_file:
            raise ValueError("key_file is given but no cert_file: give the certificate of this key")
        if (self.ca_file or self.cert_file) and not self.tls:
            raise ValueError("a certificate is given but the url begins with mqtt://: write mqtts://")
        try:
            pointer.parse(self.time_field)
        except BadAddress as error:
            raise ValueError(f"time_field: {error}") from error

    def seconds(self, name: str) -> float:
        """Return a duration in seconds."""
        text: str = getattr(self, name)
        return parse_duration(text) / 1e9

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return urlsplit(self.url).scheme == "mqtts"

    @property
    def host(self) -> str:
        """Where the broker is."""
        return _split(self.url)[0]

    @property
    def port(self) -> int:
        """The port it listens on."""
        return _split(self.url)[1]

    @property
    def where(self) -> str:
        """The broker, for people."""
        return f"the broker at {f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def _split(url: str) -> tuple[str, int]:
    """Return host and port of `mqtt://host[:1883]` or `mqtts://host[:8883]`.

    Raises:
        ValueError: not such a URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname:
        raise ValueError(f"{url!r} is not the URL of a broker: write mqtt://host:1883 or mqtts://host:8883")
    if "@" in parts.netloc:
        raise ValueError("the user goes into user, the password into password_file, never into the url")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError(f"{url!r} says more than host and port: topics stand in the addresses of tags")
    return parts.hostname, parts.port or PORTS[parts.scheme]
