"""The driver's door: what the entry point `shoptwin.drivers` names."""

from __future__ import annotations

from shoptwin_modbus.address import ModbusAddress, parse_address
from shoptwin_modbus.connection import ModbusConnection
from shoptwin_modbus.line import Line
from shoptwin_modbus.target import ModbusSettings


class ModbusPlugin:
    """Modbus TCP, RTU and RTU over TCP. Keeps what devices behind one URL share: a serial port, how units behave."""

    name = "modbus"
    Settings = ModbusSettings
    schemes = ("tcp", "rtu", "rtu+tcp")

    def __init__(self) -> None:
        self._lines: dict[tuple[str, int], Line] = {}

    def parse_address(self, text: str) -> ModbusAddress:
        """Parse a tag's address. Raises BadAddress with the cure in its hint."""
        return parse_address(text)

    def open(self, settings: ModbusSettings) -> ModbusConnection:
        """Return a connection that is not connected yet."""
        target = settings.target
        place = (target.path or target.host, target.port)
        return ModbusConnection(settings, self._lines.setdefault(place, Line(target)))

    def loopback(self, settings: ModbusSettings) -> bool:
        """Tell whether the device is on this very box."""
        return settings.target.loopback


plugin = ModbusPlugin()
