"""What is wrong with a table of a profile, in plain words and with the cure: msgspec speaks to programmers."""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from shoptwin_modbus.addresses.mistakes import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_AT = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<key>[^`]+)`")
_LACKS = re.compile(r"Object missing required field `(?P<key>[^`]+)`")
_ENUM = re.compile(r"Invalid enum value (?P<word>.+)")
_TYPE = re.compile(r"Expected `(?P<want>[^`]+)`(?P<rule>[^,]*)(?:, got `(?P<got>[^`]+)`)?")
_WORDS = {
    "str": "text in quotes", "int": "a whole number", "float": "a number", "bool": "true or false", "array": "a list",
    "object": "a table",
}  # fmt: skip


def reword(error: msgspec.ValidationError, form: type[msgspec.Struct], table: Mapping[str, Any]) -> tuple[str, str]:
    """Return what is wrong with a table of this form, and what to do."""
    found = _AT.search(str(error))
    path = found["path"] if found else ""
    message = _AT.sub("", str(error))
    inner = _form_at(form, path)
    keys = [field.encode_name for field in msgspec.structs.fields(inner)] if inner else []
    within = f"{path}." if path and inner is not form else ""
    if told := _UNKNOWN.match(message):
        return f"'{within}{told['key']}' is not a known key", did_you_mean(told["key"], keys)
    if told := _LACKS.match(message):
        return f"it lacks the key '{within}{told['key']}'", f"its keys are {', '.join(keys)}"
    if told := _ENUM.match(message):
        return f"'{path}' cannot be {told['word']}", did_you_mean(told["word"].strip("'"), _choices(form, path))
    if path and (told := _TYPE.match(message)):
        kinds = [kind for word in told["want"].split("|") if (kind := word.strip()) != "null"]
        want = " or ".join(_WORDS.get(kind, kind) for kind in kinds)
        got = table.get(path)
        return f"'{path}' must be {want}{told['rule']}" + (f", not {got!r}" if path in table else ""), ""
    return f"'{path}': {message}" if path else message, ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Write the cure for a word that is not known: the one that was most likely meant, and all there are."""
    names = list(known)
    near = nearest(word, names)
    listed = ", ".join(names)
    return f"did you mean '{near}'? Known: {listed}" if near else f"known: {listed}"


def _form_at(form: type[msgspec.Struct], path: str) -> type[msgspec.Struct] | None:
    """Return the form of the table at a path, which may be the outermost; None where no table of a form is there."""
    inner: type[msgspec.Struct] = form
    for key in filter(None, path.split(".")):
        field = {each.encode_name: each for each in msgspec.structs.fields(inner)}.get(key.split("[")[0])
        kinds = () if field is None else (field.type, *get_args(field.type))
        below = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, msgspec.Struct)), None)
        if below is None:
            return None
        inner = below
    return inner


def _choices(form: type[msgspec.Struct], path: str) -> list[str]:
    field = next((each for each in msgspec.structs.fields(form) if each.encode_name == path), None)
    kinds = () if field is None else (field.type, *get_args(field.type))
    return [str(one.value) for kind in kinds if isinstance(kind, type) and issubclass(kind, Enum) for one in kind]
