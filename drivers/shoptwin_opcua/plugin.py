"""The driver's door: what the entry point `opcua` names. Nothing here imports asyncua."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from shoptwin_opcua import settings as config
from shoptwin_opcua.address import parse

if TYPE_CHECKING:
    from shoptwin.sdk import Connection
    from shoptwin_opcua.address import NodeAddress


class OpcUaPlugin:
    """OPC UA over TCP, binary encoding."""

    name = "opcua"
    Settings = config.Settings
    schemes = ("opc.tcp",)

    def parse_address(self, text: str) -> NodeAddress:
        """Parse a NodeId. Raises BadAddress."""
        return parse(text)

    def open(self, settings: config.Settings) -> Connection:
        """Return a connection that can be read or subscribed to, as `mode` says, and browsed."""
        # asyncua costs 48 MB and a second: a gateway without an OPC UA device does not pay for it.
        from shoptwin_opcua.polled import PolledConnection  # noqa: PLC0415
        from shoptwin_opcua.subscribed import SubscribedConnection  # noqa: PLC0415

        return PolledConnection(settings) if settings.mode == "poll" else SubscribedConnection(settings)

    def loopback(self, settings: config.Settings) -> bool:
        """Tell whether the server is on this very box."""
        host, _ = config.host_and_port(settings.url)
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"


plugin = OpcUaPlugin()
