"""MQTT in: sensors and meters that publish to a broker. It subscribes and never publishes (see the README)."""

from shoptwin_mqtt.plugin import plugin

__all__ = ["plugin"]
