"""A driver's settings as a person types them: `--set KEY=VALUE`, over those of a [[device]] where there is one."""

from __future__ import annotations

import tomllib
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import msgspec

from shoptwin.config.decoding import decode, plain_type
from shoptwin.config.problems import Problems
from shoptwin.domain.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shoptwin.domain.ports import Plugin

_REFUSED = "is refused: "


def device_settings(plugin: Plugin, given: Mapping[str, str], base: msgspec.Struct | None = None) -> Any:  # noqa: ANN401 - each driver's own
    """Return a driver's settings from texts by key; what they do not say is as in `base`.

    Raises:
        ConfigError: the driver refuses them.
    """
    types = {field.encode_name: field.type for field in msgspec.structs.fields(plugin.Settings)}
    table = {key: value for key, value in msgspec.to_builtins(base or {}).items() if value is not None}  # as in TOML
    table |= {key: _value(types.get(key, Any), text) for key, text in given.items()}
    problems = Problems(Path("--set"), {(): 0})
    settings = decode(plugin.Settings, table, (), problems)
    if problems or settings is None:
        told = "; ".join(text.removeprefix(_REFUSED) for text in problems.told())
        raise ConfigError(f"The driver {plugin.name} refuses this: {told}", _cure(plugin, given))
    return settings


def _cure(plugin: Plugin, given: Mapping[str, str]) -> str:
    """Return where to look, where not the URL alone was given."""
    if set(given) <= {"url"}:
        return ""
    keys = (field.encode_name for field in msgspec.structs.fields(plugin.Settings))
    return f"Correct what --set says; the driver's settings are: {', '.join(keys)}"


def _value(want: Any, text: str) -> object:  # noqa: ANN401 - a type
    """Read a value as TOML; where a text is wanted it needs no quotes, whatever it looks like."""
    if _textual(plain_type(want)) and text[:1] not in {'"', "'"}:
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _textual(bare: Any) -> bool:  # noqa: ANN401 - a type
    if isinstance(bare, type):
        return issubclass(bare, str) or (issubclass(bare, Enum) and all(isinstance(each.value, str) for each in bare))
    return get_origin(bare) is Literal and all(isinstance(each, str) for each in get_args(bare))
