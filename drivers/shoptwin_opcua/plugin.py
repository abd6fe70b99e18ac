"""The driver's door: what the entry point `opcua` names. Nothing here imports asyncua."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from shoptwin.sdk import ConfigError
from shoptwin_opcua import settings as config
from shoptwin_opcua.address import parse
from shoptwin_opcua.cures import CURES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from shoptwin.sdk import Certificate, Connection, FoundServer
    from shoptwin_opcua.address import NodeAddress
    from shoptwin_opcua.security.pki import Pki
    from shoptwin_opcua.session.sessions import Sessions


class OpcUaPlugin:
    """OPC UA over TCP, binary encoding."""

    name = "opcua"
    Settings = config.Settings
    schemes = ("opc.tcp",)
    _keeping: tuple[Path, str, str] | None = None

    def __init__(self) -> None:
        self._sessions: dict[config.Settings, Sessions] = {}
        """What servers may still hold of former connections; two devices of the same settings share them."""

    def parse_address(self, text: str) -> NodeAddress:
        """Parse a NodeId. Raises BadAddress."""
        return parse(text)

    def cure(self, status: str, device: str) -> str:
        """Return what a Bad quality of a tag means here, and what to do about it."""
        return CURES.get(status, "").format(device=device)

    def open(self, settings: config.Settings) -> Connection:
        """Return a connection that can be read or subscribed to, as `mode` says, and browsed."""
        # asyncua costs 48 MB and a second: a gateway without an OPC UA device does not pay for it.
        from shoptwin_opcua.polled import PolledConnection  # noqa: PLC0415
        from shoptwin_opcua.session.sessions import Sessions  # noqa: PLC0415
        from shoptwin_opcua.subscribed import SubscribedConnection  # noqa: PLC0415

        # Without security nothing is kept, and the libraries of certificates are not needed for it.
        pki = self._pki() if self._keeping is not None and settings.security != "none" else None
        sessions = self._sessions.setdefault(settings, Sessions())
        kind = PolledConnection if settings.mode == "poll" else SubscribedConnection
        return kind(settings, pki, sessions)

    def preload(self) -> None:
        """Import asyncua."""
        import shoptwin_opcua.polled  # noqa: PLC0415 - not before it is needed
        import shoptwin_opcua.subscribed  # noqa: F401, PLC0415

    async def discover(self, settings: config.Settings) -> FoundServer:
        """Ask a server, without a login, for its endpoints and its certificate.

        Raises:
            NotConnected, Timeout: it could not be asked.
        """
        from shoptwin_opcua.discovery.discovering import discover  # noqa: PLC0415 - asyncua

        return await discover(settings, self._pki() if self._keeping is not None else None)

    def loopback(self, settings: config.Settings) -> bool:
        """Tell whether the server is on this very box."""
        host, _ = config.host_and_port(settings.url)
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    def keep_in(self, directory: Path, site: str, gateway: str) -> None:
        """Keep certificates in `directory`, as the gateway of this name."""
        self._keeping = (directory, site, gateway)

    def server(self, settings: config.Settings) -> str:
        """Return the server's URL as its certificates name it."""
        from shoptwin_opcua.security.pki import server_of  # noqa: PLC0415 - cryptography

        return server_of(settings.url)

    def certificates(self) -> Sequence[Certificate]:
        """Return the gateway's own certificate, those of servers, and the gateway's former ones."""
        return tuple(self._pki().all())

    async def seen(self, settings: config.Settings) -> Certificate:
        """Ask a server for its certificate, keep it as rejected where it is not trusted, and return it."""
        from shoptwin_opcua.security.trust import look  # noqa: PLC0415 - asyncua

        return await look(self._pki(), settings)

    def accept(self, certificate: Certificate) -> Certificate:
        """Trust a certificate that a server has shown, in the place of what that server had to show before."""
        return self._pki().accept(certificate.server, certificate.thumbprint)

    def reject(self, certificate: Certificate) -> Certificate:
        """Trust a certificate no longer; a running connection to its server ends within half a minute."""
        return self._pki().reject(certificate.server) or certificate

    def renew(self) -> Certificate:
        """Make the gateway a new certificate, and keep the old one."""
        return self._pki().renew()

    def _pki(self) -> Pki:
        from shoptwin_opcua.security.pki import Pki  # noqa: PLC0415 - cryptography

        if self._keeping is None:
            raise ConfigError("nobody has said where certificates are kept", "name a state directory")
        return Pki(*self._keeping)


plugin = OpcUaPlugin()
