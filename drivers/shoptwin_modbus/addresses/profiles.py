"""Device profiles: those that come with the driver, and a plant's own. `sdm630/voltage_l1@7` is an address by one."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from shoptwin.sdk import BadAddress
from shoptwin_modbus.addresses.address import split_unit
from shoptwin_modbus.addresses.mistakes import unknown
from shoptwin_modbus.addresses.profile_file import Profile, load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shoptwin.sdk import ProfileInfo, TagDefaults
    from shoptwin_modbus.addresses.address import ModbusAddress
    from shoptwin_modbus.addresses.profile_file import Register

SHIPPED = Path(__file__).parents[1] / "profiles"


class Profiles:
    """All profiles by id. Those of the driver are read when one is first asked for."""

    def __init__(self) -> None:
        self._own: dict[str, Profile] = {}

    def look_in(self, directory: Path) -> None:
        """Take up the profiles in a folder, in the place of those taken up before; the folder need not be there.

        Raises:
            ConfigError: one cannot be used; those taken up before stay.
        """
        shipped = {path.stem for path in _files(SHIPPED)}
        self._own = {
            path.stem: load(path, own=True, replaces=path.stem in shipped) for path in _files(directory)
        }  # fmt: skip

    def infos(self) -> tuple[ProfileInfo, ...]:
        """Return what there is to know of each profile, by id."""
        return tuple(profile.info for _, profile in sorted(self._all().items()))

    def parse(self, text: str) -> ModbusAddress:
        """Return the address of `profile/register@unit`.

        Raises:
            BadAddress: there is no such profile or register; the hint has the nearest.
        """
        _, unit = split_unit(text)
        register = self._find(text)
        return register.address if unit is None else replace(register.address, unit=unit)

    def describe(self, text: str) -> TagDefaults | None:
        """Return what is known of a register, None where the address is not one of a profile."""
        try:
            return self._find(text).defaults if by_profile(text) else None
        except BadAddress:
            return None

    def _all(self) -> Mapping[str, Profile]:
        return {**_shipped(), **self._own}

    def _find(self, text: str) -> Register:
        body, _ = split_unit(text)
        name, _, entry = (part.strip().lower() for part in body.partition("/"))
        profiles = self._all()
        profile = profiles.get(name) or unknown(text, "profile", name, profiles)
        return profile.registers.get(entry) or unknown(text, f"register of {name}", entry, profile.registers)


def by_profile(text: str) -> bool:
    """Tell whether an address names a profile."""
    return "/" in text


@cache
def _shipped() -> Mapping[str, Profile]:
    return {path.stem: load(path) for path in _files(SHIPPED)}


def _files(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.toml"))
