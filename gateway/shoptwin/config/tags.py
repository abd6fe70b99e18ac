"""From the tables of tags, whether of [[machine.tag]] or of a list, to the tags of the domain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shoptwin.config import meaning, tagparts
from shoptwin.config.decoding import decode
from shoptwin.config.forms import TagForm
from shoptwin.config.problems import did_you_mean
from shoptwin.domain.device import Point, TagDefaults
from shoptwin.domain.errors import BadProfile, ShoptwinError
from shoptwin.domain.ports import Foreseeing, Profiled
from shoptwin.domain.tag import CurrentLoop, Limits, Role, Tag, ValueKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from shoptwin.config.lines import Path
    from shoptwin.config.problems import Problems
    from shoptwin.domain.ports import Address, Plugin

SHORTEST_PERIOD = 10 * 10**6
"""Nanoseconds: no PLC on a shop floor is polled faster than every 10 ms."""

_NOT_OF_WAVEFORMS = {
    "limits": "cannot judge a waveform",
    "report": "cannot compare waveforms",
    "labels": "cannot name a waveform",
    "current_loop": "cannot watch a waveform",
    "missing": "cannot be told in a waveform",
}
_NOT_OF_KINDS: Mapping[ValueKind | None, tuple[str, tuple[str, ...]]] = {
    ValueKind.STR: ("a text", ("scale", "offset", "current_loop", "labels", "limits")),
    ValueKind.BOOL: ("a single bit", ("scale", "offset", "current_loop")),
}
"""What means nothing where the address says what is read there."""
_CURES = {
    "limits": "give the machine's vibration level (mm/s) a tag of its own, with the role 'vibration'",
    "report": "leave it out: each one is kept",
    "current_loop": "give 'scale' and 'offset'",
}


class Tags:
    """Builds the tags of one file; ids, which must be unique, are remembered across machines.

    `devices` maps each device's name to its driver's plugin (None where the device itself is wrong), so that a tag's
    address can be checked; without it, tags need no device (a recording). `settings` maps it to the driver's settings.
    """

    def __init__(
        self, problems: Problems, devices: Mapping[str, Plugin | None] | None, settings: Mapping[str, Any]
    ) -> None:
        self._problems = problems
        self._devices = devices
        self._settings = settings
        self._ids: dict[str, Path] = {}

    def build(self, tables: Iterable[tuple[Path, object]], machine: str) -> tuple[Tag, ...]:
        """Return the tags of one machine that could be built; what is wrong with the others is noted."""
        names: dict[str, Path] = {}
        built = []
        for at, table in tables:
            given = table if isinstance(table, dict) else {}
            known = self._described(given)
            needs = () if known is None or known.role is not None else ("role",)
            if form := decode(TagForm, table, at, self._problems, needs=needs):
                meaning.name(form.name, (*at, "name"), self._problems)
                meaning.once(form.name, (*at, "name"), names, "tag of this machine", self._problems)
                built.append(self._tag(form, given.keys(), known or TagDefaults(), machine, at))
        return tuple(built)

    def _described(self, table: Mapping[str, object]) -> TagDefaults | None:
        """Return what a profile knows of the tag; None where device or profile is wrong: nobody can say."""
        device, address = table.get("device"), table.get("address")
        if self._devices is None or not isinstance(device, str) or device not in self._devices:
            return TagDefaults()
        if (plugin := self._devices[device]) is None:
            return None
        if not isinstance(plugin, Profiled) or not isinstance(address, str):
            return TagDefaults()
        try:
            return plugin.describe(address) or TagDefaults()
        except BadProfile:
            return None

    def _tag(self, form: TagForm, given: Iterable[str], known: TagDefaults, machine: str, at: Path) -> Tag:
        problems = self._problems
        tag_id = form.id if form.id is not None else f"{machine}.{form.name}"
        if form.id is not None:
            meaning.name(form.id, (*at, "id"), problems)
        self._identify(tag_id, (*at, "id" if form.id is not None else "name"))
        address = self._source(form, at)
        period = None
        if form.period is not None:
            period = meaning.duration(form.period, (*at, "period"), problems, least=SHORTEST_PERIOD)
        role = form.role or known.role or Role.OTHER
        self._refuse(given, role, address, at)
        if meaning.finite(form.rate, (*at, "rate"), problems) and form.rate is not None and form.rate <= 0:
            problems.add((*at, "rate"), f"must be above 0 Hz, not {form.rate:g}")
        scale, offset, loop = self._scaling(form, given, known, address, at)
        missing, labels = known.missing, known.labels
        if "missing" in given:
            missing = tagparts.missing(form.missing, address, (*at, "missing"), problems)
        if "labels" in given:
            labels = tagparts.labels(form.labels, (*at, "labels"), problems)
        return Tag(
            id=tag_id, name=form.name, machine=machine, role=role, device=form.device or "",
            address=form.address or "", unit=form.unit if "unit" in given else known.unit, scale=scale, offset=offset,
            rate=form.rate, period=period, missing=missing, loop=loop, labels=labels,
            limits=tagparts.limits(form.limits, (*at, "limits"), problems) if form.limits else Limits(),
            report=tagparts.report(form.report, (*at, "report"), problems), kind=address.kind if address else None,
        )  # fmt: skip

    def _refuse(self, given: Iterable[str], role: Role, address: Address | None, at: Path) -> None:
        """Note the keys that mean nothing for a waveform, or for what is read at the address."""
        for key, why in _NOT_OF_WAVEFORMS.items() if role is Role.WAVEFORM else ():
            if key in given:
                self._problems.add((*at, key), why, _CURES.get(key, "leave it out"))
        what, keys = _NOT_OF_KINDS.get(address.kind if address else None, ("", ()))
        for key in keys:
            if key in given:
                self._problems.add((*at, key), f"means nothing where {what} is read", "leave it out")

    def _scaling(
        self, form: TagForm, given: Iterable[str], known: TagDefaults, address: Address | None, at: Path
    ) -> tuple[float, float, CurrentLoop | None]:
        """Return scale, offset and the current loop that they were made from, where they were."""
        problems = self._problems
        for key in ("scale", "offset"):
            meaning.finite(getattr(form, key), (*at, key), problems)
            if key in given and "current_loop" in given:
                problems.add((*at, key), "is given beside 'current_loop', which makes it", "leave one of the two out")
        if form.scale == 0:
            problems.add((*at, "scale"), "cannot be 0: every value would be the same", "leave it out for no scaling")
        if form.current_loop is not None:
            return tagparts.current_loop(form.current_loop, address, (*at, "current_loop"), problems)
        if "scale" in given and "offset" not in given and known.offset and form.scale != known.scale:
            what = f"needs 'offset' beside it: that of the profile ({known.offset:g}) goes with its own scale"
            problems.add((*at, "scale"), f"{what} ({known.scale:g})", "give both, or neither")
        scale = form.scale if "scale" in given else known.scale
        return scale, form.offset if "offset" in given else known.offset, known.loop

    def _identify(self, tag_id: str, at: Path) -> None:
        """Note an id that is not the tag's own, unless the names that two default ids come from were noted already."""
        if tag_id not in self._ids or at[-1] == "id" or self._ids[tag_id][-1] == "id":
            meaning.once(tag_id, at, self._ids, "tag (by id)", self._problems)

    def _source(self, form: TagForm, at: Path) -> Address | None:
        """Check the device and the address, where tags have them; return the address as its driver parses it."""
        if self._devices is None:
            return None
        problems = self._problems
        if form.device is None:
            problems.lacks(at, "device", f"one of: {', '.join(self._devices)}" if self._devices else "")
        elif form.device not in self._devices:
            cure = did_you_mean(form.device, self._devices) or "add a [[device]] of this name"
            problems.add((*at, "device"), f"names no device ({form.device!r})", cure)
        if form.address is None:
            problems.lacks(at, "address", "where it stands in the device, in its driver's way of writing")
        elif plugin := self._devices.get(form.device or ""):
            try:
                return self._address(plugin, self._settings.get(form.device or ""), form.address, form.rate)
            except BadProfile as error:
                problems.elsewhere(error)
            except ShoptwinError as error:
                problems.add((*at, "address"), f"is refused by {plugin.name}: {error.message}", error.hint)
        return None

    @staticmethod
    def _address(plugin: Plugin, settings: Any, text: str, rate: float | None) -> Address:  # noqa: ANN401 - a driver's
        """Parse an address; with the device's settings, where they are right, check that they let it be read."""
        address = plugin.parse_address(text)
        if settings is not None and isinstance(plugin, Foreseeing):
            plugin.check_point(settings, Point(0, address, rate=rate))
        return address
