"""The JSON Schema of a configuration, for editors that complete and check TOML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from shoptwin.config.forms import DeviceForm, FileForm

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shoptwin.domain.ports import Plugin

_REF = "#/$defs/{name}"


def schema(plugins: Mapping[str, Plugin]) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a whole file, with the settings of every installed driver in [[device]]."""
    settings = [plugin.Settings for plugin in plugins.values()]
    (whole, ours, *theirs), parts = msgspec.json.schema_components([FileForm, DeviceForm, *settings], ref_template=_REF)
    devices = []
    for name, reference in zip(plugins, theirs, strict=True):
        devices.append(_device(name, _resolve(ours, parts), _resolve(reference, parts)))
        if not _used(reference, settings, parts):
            parts.pop(reference["$ref"].rpartition("/")[2], None)
    parts["DeviceForm"] = {"title": "Device", "oneOf": devices} if devices else _resolve(ours, parts)
    for part in parts.values():
        part["title"] = str(part.get("title", "")).removesuffix("Form")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "shoptwin.toml",
        "description": "The configuration of Shoptwin",
        **{key: value for key, value in _resolve(whole, parts).items() if key not in {"title", "description"}},
        "$defs": parts,
    }


def _device(driver: str, ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a [[device]] of one driver: our keys and its own, and no others."""
    return {
        "title": f"A device of the driver {driver}",
        "description": theirs.get("description", ""),
        "type": "object",
        "properties": {**ours["properties"], **theirs.get("properties", {}), "driver": {"const": driver}},
        "required": [*ours.get("required", []), *theirs.get("required", [])],
        "additionalProperties": False,
    }


def _resolve(reference: dict[str, Any], parts: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = parts[reference["$ref"].rpartition("/")[2]]
    return found


def _used(reference: dict[str, Any], settings: list[Any], parts: dict[str, Any]) -> bool:
    """Tell whether something else still refers to a driver's own table."""
    return len(settings) != len(set(settings)) or str(parts).count(repr(reference["$ref"])) > 0
