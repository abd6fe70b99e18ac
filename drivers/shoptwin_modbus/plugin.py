"""The driver's door: what the entry point `shoptwin.drivers` names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoptwin_modbus.addresses.address import ModbusAddress, parse_address
from shoptwin_modbus.addresses.profiles import Profiles, by_profile
from shoptwin_modbus.connection import ModbusConnection
from shoptwin_modbus.cures import CURES
from shoptwin_modbus.line import Line
from shoptwin_modbus.poll import unreadable
from shoptwin_modbus.target import ModbusSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from shoptwin.sdk import ConfigError, Peeker, Point, ProfileInfo, ScanReport, ScanWish, TagDefaults


class ModbusPlugin:
    """Modbus TCP, RTU and RTU over TCP. Keeps what devices behind one URL share: a serial port, how units behave."""

    name = "modbus"
    Settings = ModbusSettings
    schemes = ("tcp", "tls", "rtu", "rtu+tcp")

    def __init__(self) -> None:
        self._lines: dict[tuple[str, int], Line] = {}
        self._profiles = Profiles()

    def parse_address(self, text: str) -> ModbusAddress:
        """Parse a tag's address. Raises BadAddress with the cure in its hint."""
        return self._profiles.parse(text) if by_profile(text) else parse_address(text)

    def check_point(self, settings: ModbusSettings, point: Point) -> None:
        """Check that the device's settings let a tag be read. Raises BadAddress with the key to change in its hint."""
        unreadable.check(point, settings.unit, settings.reach, line=not settings.target.checked)

    def cure(self, status: str, device: str) -> str:
        """Return what a Bad quality of a tag means here, and what to do about it."""
        del device
        return CURES.get(status, "")

    def look_in(self, directory: Path) -> Sequence[ConfigError]:
        """Take up a plant's own profiles; return what is wrong with those that cannot be used, by file and register."""
        return self._profiles.look_in(directory)

    def profiles(self) -> Sequence[ProfileInfo]:
        """Return every profile, by id."""
        return self._profiles.infos()

    def describe(self, address: str) -> TagDefaults | None:
        """Return what a profile says of this address, None where it names no register of one. Raises BadProfile."""
        return self._profiles.describe(address)

    def open(self, settings: ModbusSettings) -> ModbusConnection:
        """Return a connection that is not connected yet."""
        target = settings.target
        place = (target.path or target.host, target.port)
        return ModbusConnection(settings, self._lines.setdefault(place, Line(target)))

    def preload(self) -> None:
        """Import pymodbus."""
        import shoptwin_modbus.wire.wire  # noqa: F401, PLC0415 - not before it is needed

    def loopback(self, settings: ModbusSettings) -> bool:
        """Tell whether the device is on this very box."""
        return settings.target.loopback

    async def scan(self, settings: ModbusSettings, wish: ScanWish, tell: Callable[[ScanReport], None]) -> ScanReport:
        """Find out which units answer at a URL, what they are, and which addresses they serve."""
        from shoptwin_modbus.discovery.scanning import Scan  # noqa: PLC0415 - for commissioning alone, never in the daemon

        return await Scan(settings, wish, tell).run()

    def peek(self, settings: ModbusSettings, address: str) -> Peeker:
        """Return what looks at an address, which needs no type."""
        from shoptwin_modbus.discovery.peeking import ModbusPeeker  # noqa: PLC0415 - as above

        return ModbusPeeker(settings, str(self.parse_address(address)) if by_profile(address) else address)


plugin = ModbusPlugin()
