"""Modbus TCP, RTU and RTU over TCP, for reading alone. See README.md."""

from shoptwin_modbus.plugin import plugin

__all__ = ["plugin"]
