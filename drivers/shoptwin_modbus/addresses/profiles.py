"""Device profiles: those that come with the driver, and a plant's own. `sdm630/voltage_l1@7` is an address by one."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from shoptwin.sdk import BadAddress, BadProfile, ConfigError
from shoptwin_modbus.addresses.address import split_unit
from shoptwin_modbus.addresses.mistakes import unknown
from shoptwin_modbus.addresses.profile_file import Profile, load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shoptwin.sdk import ProfileInfo, TagDefaults
    from shoptwin_modbus.addresses.address import ModbusAddress
    from shoptwin_modbus.addresses.profile_file import Register

SHIPPED = Path(__file__).parents[1] / "profiles"


class Profiles:
    """All profiles by id. Those of the driver are read when one is first asked for."""

    def __init__(self) -> None:
        self._own: dict[str, Profile] = {}
        self._broken: dict[str, ConfigError] = {}

    def look_in(self, directory: Path) -> Sequence[ConfigError]:
        """Take up the profiles in a folder, in the place of those taken up before; the folder need not be there.

        Returns:
            For each that cannot be used what is wrong with it. It stands in the place of one that comes with the
            driver all the same: what a plant has replaced must not be back because of a slip.
        """
        shipped = {path.stem for path in _files(SHIPPED)}
        self._own, self._broken = {}, {}
        for path in _files(directory):
            try:
                self._own[path.stem] = load(path, own=True, replaces=path.stem in shipped)
            except ConfigError as error:
                self._broken[path.stem] = error
        return tuple(self._broken.values())

    def infos(self) -> tuple[ProfileInfo, ...]:
        """Return what there is to know of each profile, by id."""
        return tuple(profile.info for _, profile in sorted(self._all().items()))

    def parse(self, text: str) -> ModbusAddress:
        """Return the address of `profile/register@unit`.

        Raises:
            BadAddress: there is no such profile or register; the hint has the nearest.
            BadProfile: there is, but it cannot be used.
        """
        _, unit = split_unit(text)
        register = self._find(text)
        return register.address if unit is None else replace(register.address, unit=unit)

    def describe(self, text: str) -> TagDefaults | None:
        """Return what is known of a register, None where the address is not one of a profile. Raises BadProfile."""
        try:
            return self._find(text).defaults if by_profile(text) else None
        except BadProfile:
            raise
        except BadAddress:
            return None

    def _all(self) -> Mapping[str, Profile]:
        whole = {**_shipped(), **self._own}
        return {name: profile for name, profile in whole.items() if name not in self._broken}

    def _find(self, text: str) -> Register:
        body, _ = split_unit(text)
        name, _, entry = (part.strip().lower() for part in body.partition("/"))
        if (error := self._broken.get(name)) is not None:
            raise BadProfile(error.message, error.hint)
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
