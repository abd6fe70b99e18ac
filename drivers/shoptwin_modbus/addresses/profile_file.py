"""A profile: what stands in the registers of one kind of device, as a TOML file that checks itself by its examples."""

from __future__ import annotations

import math
import re
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import msgspec
import numpy as np

from shoptwin.sdk import BadAddress, ConfigError, CurrentLoop, ProfileInfo, ProfileTag, Role, TagDefaults, ValueKind
from shoptwin_modbus.addresses.address import TABLES, parse_address
from shoptwin_modbus.addresses.codecs import Values
from shoptwin_modbus.addresses.wording import reword
from shoptwin_modbus.planning import order
from shoptwin_modbus.poll.layout import span_of
from shoptwin_modbus.target import ModbusSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from shoptwin_modbus.addresses.address import ModbusAddress, Table

ID = re.compile(r"[a-z0-9][a-z0-9_-]*")
NAME = re.compile(r"[a-z][a-z0-9_]*")
LARGEST = 0xFFFF
"""The largest number that a register holds."""
_PLACE = re.compile(r"(\w+):(\d+)")

T = TypeVar("T", bound=msgspec.Struct)


class SourceForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the map was taken from."""

    title: str
    where: str
    """A public address, or the number of the document."""
    revision: str = ""
    checked: tuple[str, ...] = ()
    """What else it was compared with."""


class LoopForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A 4-20 mA input, as in the configuration."""

    raw: tuple[float, float]
    value: tuple[float, float]


class RegisterForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One value: how it is called, where it stands and what it means."""

    name: str
    address: str
    text: str
    unit: str = ""
    role: Role | None = None
    scale: float = 1.0
    offset: float = 0.0
    missing: tuple[float, ...] = ()
    labels: dict[str, str] = {}
    current_loop: LoopForm | None = None


class ExampleForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What registers hold, and what that means; from the manual where it has one."""

    text: str
    raw: dict[str, tuple[int, ...]]
    """From the first register's place (`input:0`) to what stands there and in the next ones."""
    values: dict[str, float | str]
    """By name, in the register's unit."""


class ProfileForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole file; its registers and examples are decoded one by one, so that an error can name them."""

    name: str
    vendor: str
    models: tuple[str, ...]
    source: SourceForm
    register: tuple[dict[str, Any], ...]
    notes: str = ""
    settings: dict[str, Any] = {}
    example: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Register:
    """One value of a profile."""

    name: str
    address: ModbusAddress
    defaults: TagDefaults


@dataclass(frozen=True)
class Profile:
    """One kind of device, as its file describes it."""

    info: ProfileInfo
    registers: Mapping[str, Register] = field(repr=False)
    examples: tuple[ExampleForm, ...] = field(repr=False)


def load(path: Path, *, own: bool = False, replaces: bool = False) -> Profile:
    """Read one profile and check all that can be; `own` is a plant's, `replaces` one of the driver's.

    Raises:
        ConfigError: it cannot be used; the message names the file and the register.
    """
    form = _form(ProfileForm, _table(path), f"{path}")
    if not ID.fullmatch(path.stem):
        _refuse(
            f"{path}",
            "the file's name is that of the profile",
            "call it after the device: small letters, digits, - and _",
        )
    if not form.register:
        _refuse(f"{path}", "it has no register", "give it at least one [[register]]")
    _settings(form, path)
    registers: dict[str, Register] = {}
    for number, table in enumerate(form.register, 1):
        where = f"{path}, register {table.get('name') or number}"
        register = _register(_form(RegisterForm, table, where), where)
        if register.name in registers:
            _refuse(where, "there are two of this name", "each needs its own")
        registers[register.name] = register
    _apart(tuple(registers.values()), path)
    examples = tuple(_form(ExampleForm, table, f"{path}, example {n}") for n, table in enumerate(form.example, 1))
    profile = Profile(_info(path, form, registers, own=own, replaces=replaces), registers, examples)
    for number, example in enumerate(examples, 1):
        _try(profile, example, f"{path}, example {number}")
    return profile


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        _refuse(f"{path}", f"it cannot be read: {error.strerror}", "check who may read it")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        _refuse(f"{path}", f"it is not TOML: {error}", "docs/reference/profiles.md has the form")


def _form(form: type[T], table: Mapping[str, Any], where: str) -> T:
    try:
        return msgspec.convert(table, form)
    except msgspec.ValidationError as error:
        _refuse(where, *reword(error, form, table))


def _settings(form: ProfileForm, path: Path) -> None:
    where = f"{path}, settings"
    if "url" in form.settings:
        _refuse(where, "a url is not the same for all devices of a kind", "leave it out")
    _form(ModbusSettings, {"url": "tcp://localhost", **form.settings}, where)


def _register(form: RegisterForm, where: str) -> Register:
    if not NAME.fullmatch(form.name):
        _refuse(where, f"{form.name!r} is not a name", "small letters, digits and _, a letter first: voltage_l1")
    try:
        address = parse_address(form.address)
        missing = tuple(address.delivered(raw) for raw in form.missing)
    except BadAddress as error:
        raise ConfigError(f"{where}: {error.message}", error.hint) from error
    scale, offset, loop = form.scale, form.offset, None
    if form.current_loop is not None:
        scale, offset, loop = _loop(form, form.current_loop, where)
    if not (math.isfinite(scale) and math.isfinite(offset)) or scale == 0:
        _refuse(where, f"scale {scale:g} and offset {offset:g} make no value", "value = raw * scale + offset")
    defaults = TagDefaults(form.role, form.unit, scale, offset, missing, _labels(form, where), loop, form.text)
    return Register(form.name, address, defaults)


def _loop(form: RegisterForm, loop: LoopForm, where: str) -> tuple[float, float, CurrentLoop]:
    (low, high), (least, most) = loop.raw, loop.value
    if low == high or least == most or (form.scale, form.offset) != (1.0, 0.0):
        cure = "give what the input delivers, and what is measured, at 4 and at 20 mA, without scale and offset"
        _refuse(where, "current_loop is no line", cure)
    scale = (most - least) / (high - low)
    return scale, least - low * scale, CurrentLoop(low, high)


def _labels(form: RegisterForm, where: str) -> tuple[tuple[int, str], ...]:
    try:
        return tuple(sorted((int(number, 0), text) for number, text in form.labels.items()))
    except ValueError:
        _refuse(where, "labels name whole numbers", 'write labels = { 0 = "off", 1 = "on" }')


def _apart(registers: Sequence[Register], path: Path) -> None:
    """Refuse values that share registers, but for bits and bit fields, which are parts of what stands there."""
    ordered = sorted((order(span_of(each.address, 0)), n, each) for n, each in enumerate(registers))
    for i, (_, _, one) in enumerate(ordered):
        span = span_of(one.address, 0)
        for _, _, other in ordered[i + 1 :]:
            theirs = span_of(other.address, 0)
            if theirs[:2] != span[:2] or theirs.start >= span.stop:
                break
            where = f"{path}, register {other.name}"
            if one.address == other.address:
                _refuse(where, f"it is {one.name} again", "leave one of them out")
            if not (_part(one.address) or _part(other.address)):
                _refuse(where, f"it shares registers with {one.name} ({one.address})", "check address and type of both")


def _part(address: ModbusAddress) -> bool:
    return address.bit is not None or (address.codec is not None and address.codec.name.startswith("bits"))


def _info(
    path: Path, form: ProfileForm, registers: Mapping[str, Register], *, own: bool, replaces: bool
) -> ProfileInfo:
    source = ", ".join(part for part in (form.source.title, form.source.revision, form.source.where) if part)
    tags = tuple(ProfileTag(f"{path.stem}/{one.name}", str(one.address), one.defaults) for one in registers.values())
    return ProfileInfo(
        id=path.stem, name=form.name, vendor=form.vendor, models=form.models, source=source, notes=form.notes,
        tags=tags, settings=form.settings, origin=str(path) if own else "", replaces=replaces,
    )  # fmt: skip


def _try(profile: Profile, example: ExampleForm, where: str) -> None:
    """Decode an example, and refuse the profile where it does not come out as it says."""
    held: dict[tuple[Table, int], int] = {}
    for place, content in example.raw.items():
        found = _PLACE.fullmatch(place)
        if found is None or found[1] not in TABLES:
            _refuse(where, f"{place!r} is no place of a register", 'write raw = { "input:0" = [0x4366, 0x3334] }')
        held.update({(TABLES[found[1]], int(found[2]) + i): word for i, word in enumerate(content)})
    for name, expected in example.values.items():
        if (register := profile.registers.get(name)) is None:
            _refuse(where, f"there is no register {name!r}", f"known: {', '.join(profile.registers)}")
        span = span_of(register.address, 0)
        words = [held.get((span.table, at), -1) for at in range(span.start, span.stop)]
        if not all(0 <= word <= LARGEST for word in words):
            _refuse(
                where, f"raw lacks a register of {name}", f"{register.address} needs {len(words)}, each 0 to 0xFFFF"
            )
        if not _same(value := _meaning(register, words), expected):
            _refuse(where, f"{name} is {value!r}, not {expected!r}", f"check address, type, order and scale of {name}")


def _meaning(register: Register, words: Sequence[int]) -> float | str:
    """Return what registers hold, in the register's unit."""
    address = register.address
    if address.codec is None:
        return float(words[0] >> (address.bit or 0) & 1)
    column = np.empty(1, address.kind.dtype)
    Values.of(address.codec, [0], [address.order], [0]).put(
        np.frombuffer(np.array(words, ">u2").tobytes(), np.uint8), column
    )
    if address.kind is ValueKind.STR:
        return str(column[0])
    return float(column[0]) * register.defaults.scale + register.defaults.offset


def _same(value: float | str, expected: float | str) -> bool:
    if isinstance(value, str) or isinstance(expected, str):
        return value == expected
    return math.isclose(value, expected, rel_tol=1e-6, abs_tol=1e-9)  # a float32 holds seven digits


def _refuse(where: str, what: str, hint: str) -> NoReturn:
    raise ConfigError(f"{where}: {what}", hint)
