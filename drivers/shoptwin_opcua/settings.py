"""What a `[[device]]` with `driver = "opcua"` may say."""

from __future__ import annotations

import math
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from shoptwin.sdk import parse_duration
from shoptwin_opcua.profiles import profiles

PORT = 4840
"""The port that IANA has registered for OPC UA over TCP."""


class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Every key is described in the driver's README."""

    url: str
    mode: Literal["auto", "subscribe", "poll"] = "auto"
    security: Literal["Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss", "none"] = "Basic256Sha256"
    sign_only: bool = False
    certificate: str = ""
    private_key: str = ""
    server_certificate: str = ""
    user: str = ""
    password_file: str = ""
    allow_plain_password: bool = False
    user_certificate: str = ""
    user_private_key: str = ""
    timeout: str = "4s"
    publishing: str = ""
    sampling: str = ""
    keep_alive: str = "5s"
    queue: int = 0
    discard: Literal["oldest", "newest"] = "oldest"
    server_deadband: str = ""
    trigger: Literal["timestamp", "value"] = "timestamp"
    refresh: str = "60s"
    history: Literal["gap", "off"] = "gap"
    history_max: str = "24h"
    batch: int = 0
    profile: str = ""

    def __post_init__(self) -> None:
        """Check what types cannot say. Raises ValueError, which the configuration tells with file and line."""
        host_and_port(self.url)
        for name in ("timeout", "keep_alive", "refresh", "history_max"):
            if parse_duration(getattr(self, name)) <= 0:
                raise ValueError(f"{name} must be longer than nothing")
        for name in ("publishing", "sampling"):
            if text := getattr(self, name):
                parse_duration(text)
        for name in ("queue", "batch"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative; 0 leaves it to the driver")
        _ = self.deadband
        if self.profile and self.profile not in profiles():
            raise ValueError(f"profile {self.profile!r} is none of {', '.join(profiles())}")
        self._check_security()
        self._check_login()

    def _check_security(self) -> None:
        if bool(self.certificate) != bool(self.private_key):
            raise ValueError("certificate and private_key go together; without both the gateway has its own")
        if self.security == "none" and (self.certificate or self.server_certificate or self.sign_only):
            raise ValueError('certificate, server_certificate and sign_only say nothing where security = "none"')

    def _check_login(self) -> None:
        if self.password_file and not self.user:
            raise ValueError("password_file is given but no user")
        if bool(self.user_certificate) != bool(self.user_private_key):
            raise ValueError("user_certificate and user_private_key go together")
        if self.user_certificate and self.user:
            raise ValueError("log in by user or by user_certificate, not by both")
        if self.security == "none" and self.user_certificate:
            raise ValueError('a login by user_certificate proves nothing where security = "none": set security')
        if self.security == "none" and self.password_file and not self.allow_plain_password:
            raise ValueError(
                'the password would go over a channel that anybody on the network can read, as security = "none": '
                "set security, or say allow_plain_password = true"
            )

    @property
    def deadband(self) -> tuple[float, bool]:
        """How much a value must change for the server to send it, and whether that is in % of EURange; 0: any change.

        Raises:
            ValueError: it is neither.
        """
        percent = self.server_deadband.endswith("%")
        try:
            figure = float(self.server_deadband.removesuffix("%") or 0)
        except ValueError:
            figure = -1.0
        if not 0 <= figure < math.inf or (percent and figure > 100):  # noqa: PLR2004 - percent
            raise ValueError(
                f'server_deadband {self.server_deadband!r}: write "0.5", in the unit of the server, or "1%" of EURange'
            )
        return figure, percent

    def seconds(self, name: str) -> float | None:
        """Return a duration in seconds, None where it is left to the driver."""
        text: str = getattr(self, name)
        return parse_duration(text) / 1e9 if text else None

    @property
    def longest_gap(self) -> int:
        """How much of an outage is read from the server's history, in ns; 0: nothing."""
        return parse_duration(self.history_max) if self.history == "gap" else 0

    @property
    def wait(self) -> float:
        """How long an answer may take, in seconds."""
        return parse_duration(self.timeout) / 1e9


def host_and_port(url: str) -> tuple[str, int]:
    """Return where `opc.tcp://host[:4840][/path]` leads to.

    Raises:
        ValueError: not such a URL.
    """
    parts = urlsplit(url)
    if parts.scheme != "opc.tcp" or not parts.hostname:
        raise ValueError(f"{url!r} is not the URL of an OPC UA server: write opc.tcp://host:{PORT}/path")
    if "@" in parts.netloc:
        raise ValueError("the user goes into user, the password into password_file, never into the url")
    return parts.hostname, parts.port or PORT


def full_url(url: str) -> str:
    """Return the URL with its port."""
    host, port = host_and_port(url)
    return f"opc.tcp://{f'[{host}]' if ':' in host else host}:{port}{urlsplit(url).path}"
