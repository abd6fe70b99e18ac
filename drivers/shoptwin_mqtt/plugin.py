"""The driver's door: what the entry point `mqtt` names. Nothing here imports paho."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from shoptwin_mqtt import settings as config
from shoptwin_mqtt.address import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shoptwin.sdk import Connection
    from shoptwin_mqtt.address import MqttAddress

_CURES = {
    "BadWaitingForInitialData": "nothing was published on this topic within `first`; a sleeping sensor may take longer "
    "(`first`), and what is published is told by: shoptwin browse {device}",
    "BadNotReadable": "this user may not subscribe to the topic: allow it in the broker's list of rights",
    "BadDecodingError": "what is published there is no JSON, number or Sparkplug payload that the address expects",
    "BadNoData": "the payload has nothing at this place, or null; see what is published: shoptwin browse {device}",
    "BadTypeMismatch": "what stands at this place of the payload is not of the type that the address says, or a text "
    "where the role needs a number (95.5, not 95,5 or 95.5 degC)",
}
"""By quality; `{device}` is how a command names the device."""


class MqttPlugin:
    """Topics of an MQTT broker, 3.1.1 and 5: JSON, plain text, Sparkplug B."""

    name = "mqtt"
    Settings = config.Settings
    schemes = ("mqtt", "mqtts")

    def parse_address(self, text: str) -> MqttAddress:
        """Parse a topic with a place in its payload, or a Sparkplug metric. Raises BadAddress."""
        return parse(text)

    def cautions(self, settings: config.Settings) -> Sequence[str]:
        """Return what would be told to whoever listens on the network."""
        if not settings.password_file or settings.tls or self.loopback(settings):
            return ()
        return ("url has no TLS: the password crosses the network in the clear (write mqtts://)",)

    def cure(self, status: str, device: str) -> str:
        """Return what a Bad quality of a tag means here, and what to do about it."""
        return _CURES.get(status, "").format(device=device)

    def open(self, settings: config.Settings) -> Connection:
        """Return a connection that can be subscribed to, and browsed."""
        # paho costs 3 MB and a tenth of a second: a gateway without such a device does not pay for it.
        from shoptwin_mqtt.connection import MqttConnection  # noqa: PLC0415

        return MqttConnection(settings)

    def preload(self) -> None:
        """Import paho."""
        import shoptwin_mqtt.connection  # noqa: F401, PLC0415 - not before it is needed

    def loopback(self, settings: config.Settings) -> bool:
        """Tell whether the broker is on this very box."""
        try:
            return ipaddress.ip_address(settings.host).is_loopback
        except ValueError:
            return settings.host == "localhost"


plugin = MqttPlugin()
