"""From TOML tables to structs, one key at a time, so that all that is wrong is told and not the first alone."""

from __future__ import annotations

import re
import types
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from shoptwin.config.problems import did_you_mean, nearest
from shoptwin.domain.errors import ShoptwinError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shoptwin.config.lines import Path
    from shoptwin.config.problems import Problems

S = TypeVar("S", bound=msgspec.Struct)

_AT = re.compile(r" - at `\$(?P<path>[^`]*)`$|(?: - at `key` in `[^`]*`)$")
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]|\[\.\.\.\]")
_EXPECTED = re.compile(r"Expected `(?P<want>[^`]+)`(?P<rule>[^,]*)(?:, got `(?P<got>[^`]+)`)?")
_WORDS = {
    "str": "text in quotes", "int": "a whole number", "float": "a number", "bool": "true or false", "array": "a list",
    "object": "a table", "datetime": "a date and time such as 2026-12-01T06:00:00Z",
}  # fmt: skip
_CURES = {
    "password": "secrets do not stand in this file: put it into a file, or a systemd credential, and name that in "
    "'password_file'",
}
_BROKEN: Any = object()


def decode(
    form: type[S], table: object, at: Path, problems: Problems, extra: Iterable[str] = (), *, needs: Iterable[str] = ()
) -> S | None:
    """Turn a table into the struct `form`; None where that cannot be done, after noting every reason.

    Unknown keys and values that are wrong are problems, but the struct is built without them where it can be, so that
    later checks run too. The keys in `extra` are known, and another's; those in `needs` are required here, though the
    form has a default for them.
    """
    if not isinstance(table, dict):
        problems.add(at, f"must be a table, not {_kind(table)}")
        return None
    fields = _fields(form)
    unknown = [key for key in table if key not in fields and key not in extra]
    meant = {nearest(key, [*fields, *extra]) for key in unknown}
    for key in unknown:
        cure = _CURES.get(key) or did_you_mean(key, [*fields, *extra])
        problems.add((*at, key), "is not a known key", cure)
    values: dict[str, Any] = {}
    whole = True
    for key, field in fields.items():
        if key in table:
            value = _value(field.type, table[key], (*at, key), problems)
            if value is not _BROKEN:
                values[field.name] = value
            whole &= value is not _BROKEN or not field.required
        elif field.required or key in needs:
            whole &= not field.required
            if key not in meant:
                problems.lacks(at, key, _purpose(field.type))
    return _build(form, values, at, problems) if whole else None


@cache
def _fields(form: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    """Return a struct's fields by their keys; msgspec works them out anew at each call, a millisecond a tag."""
    return {field.encode_name: field for field in msgspec.structs.fields(form)}


def _build(form: type[S], values: dict[str, Any], at: Path, problems: Problems) -> S | None:
    try:
        return form(**values)
    except ShoptwinError as error:
        problems.add(at, f"is refused: {error.message}", error.hint)
    except (ValueError, TypeError) as error:
        problems.add(at, f"is refused: {error}")
    return None


def _value(want: Any, raw: object, at: Path, problems: Problems) -> Any:  # noqa: ANN401 - a type, and a value of it
    """Return `raw` as a `want`, or _BROKEN after noting why not."""
    bare = _alternative(plain_type(want), raw)
    if isinstance(bare, type) and issubclass(bare, msgspec.Struct) and not bare.__struct_config__.tag:
        built = decode(bare, raw, at, problems)
        return _BROKEN if built is None else built
    if get_origin(bare) in {list, tuple} and isinstance(raw, list) and _structs(bare):
        items = [_value(get_args(bare)[0], item, (*at, n), problems) for n, item in enumerate(raw)]
        return get_origin(bare)(item for item in items if item is not _BROKEN)
    if get_origin(bare) is dict and isinstance(raw, dict):  # keys of a TOML table are always texts
        made = {key: _value(get_args(bare)[1], item, (*at, key), problems) for key, item in raw.items()}
        return {key: item for key, item in made.items() if item is not _BROKEN}
    if (choices := _choices(bare)) and raw not in choices:
        words = dict.fromkeys(str(choice) for choice in choices)
        problems.add(at, f"cannot be {_show(raw)}", did_you_mean(str(raw), words))
        return _BROKEN
    try:
        return msgspec.convert(raw, want)
    except msgspec.ValidationError as error:
        _explain(str(error), raw, at, problems)
        return _BROKEN


def plain_type(want: Any) -> Any:  # noqa: ANN401 - a type
    """Strip `Annotated` and `| None` from a type."""
    while True:
        if get_origin(want) is Annotated:
            want = get_args(want)[0]
        elif get_origin(want) in {Union, types.UnionType}:
            others = [part for part in get_args(want) if part is not type(None)]
            if len(others) != 1:
                return want
            want = others[0]
        else:
            return want


def _alternative(bare: Any, raw: object) -> Any:  # noqa: ANN401 - a type
    """Return what a table can be, of a type that is one of words or a table, and else the words."""
    if get_origin(bare) not in {Union, types.UnionType}:
        return bare
    tables = [part for part in get_args(bare) if isinstance(part, type) and issubclass(part, msgspec.Struct)]
    words = [part for part in get_args(bare) if get_origin(part) is Literal]
    return next(iter(tables if isinstance(raw, dict) else words), bare)


def _structs(bare: Any) -> bool:  # noqa: ANN401 - a type
    """Tell whether a list type is one of structs."""
    inner = plain_type(get_args(bare)[0]) if get_args(bare) else None
    return isinstance(inner, type) and issubclass(inner, msgspec.Struct)


def _choices(bare: Any) -> tuple[Any, ...]:  # noqa: ANN401 - a type, and its values
    if isinstance(bare, type) and issubclass(bare, Enum):
        return tuple(member.value for member in bare)
    return get_args(bare) if get_origin(bare) is Literal else ()


def _explain(message: str, raw: object, at: Path, problems: Problems) -> None:
    """Say in plain words what msgspec found, at the very key where it found it."""
    where = _AT.search(message)
    for step in _STEP.finditer((where and where["path"]) or ""):
        key: str | int | None = step[1] or (int(step[2]) if step[2] else _culprit(raw, message))
        if key is None:
            break
        at = (*at, key)
        raw = raw[key] if isinstance(raw, dict | list) else raw  # type: ignore[index]
    message = _AT.sub("", message)
    expected = _EXPECTED.match(message)
    if expected is None:
        problems.add(at, f"cannot be {_show(raw)}", message[:1].lower() + message[1:])
        return
    kinds = [kind for word in expected["want"].split("|") if (kind := word.strip()) != "null"]  # TOML has none
    if "float" in kinds:
        kinds = [kind for kind in kinds if kind != "int"]  # which is a number too
    want = " or ".join(_WORDS.get(kind, kind) for kind in kinds)
    got = f", not {_kind(raw)}" if expected["got"] else f", not {_show(raw)}"
    problems.add(at, f"must be {want}{expected['rule']}{got}")


def _culprit(raw: object, message: str) -> str | None:
    """Find the key of a table whose value msgspec speaks of, where it writes `[...]` for it."""
    named = re.search(r"'([^']*)'", message)
    if isinstance(raw, dict) and named:
        return next((key for key, value in raw.items() if value == named[1]), None)
    return None


def _kind(raw: object) -> str:
    names = {bool: "true or false", str: "text", int: "a whole number", float: "a number", dict: "a table"}
    kind = names.get(type(raw), "a list" if isinstance(raw, list) else "a date or time")
    return f"{kind} ({_show(raw)})" if isinstance(raw, str | int | float) else kind


def _show(raw: object) -> str:
    if isinstance(raw, bool):
        return str(raw).lower()
    return repr(raw) if isinstance(raw, str | int | float) else str(raw)


def _purpose(want: Any) -> str:  # noqa: ANN401 - a type
    """Return what the key is for, as its annotation says."""
    notes = [note.description for note in getattr(want, "__metadata__", ()) if isinstance(note, msgspec.Meta)]
    text = str(notes[0]).rstrip(".") if notes and notes[0] else ""
    if issubclass(type(plain_type(want)), type) and issubclass(plain_type(want), Enum):
        return f"one of: {', '.join(_choices(plain_type(want)))}"
    return text[:1].lower() + text[1:]
