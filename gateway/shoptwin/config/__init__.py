"""The configuration: one TOML file, typed; errors name file, line, key and cure (DESIGN §4)."""

from shoptwin.config.feature import Feature
from shoptwin.config.given import device_settings
from shoptwin.config.loading import load, load_machines
from shoptwin.config.overview import explain, notes
from shoptwin.config.schema import schema
from shoptwin.config.settings import Config, Gateway, Mqtt, Secret, Serve, StoreSettings

__all__ = [
    "Config",
    "Feature",
    "Gateway",
    "Mqtt",
    "Secret",
    "Serve",
    "StoreSettings",
    "device_settings",
    "explain",
    "load",
    "load_machines",
    "notes",
    "schema",
]
