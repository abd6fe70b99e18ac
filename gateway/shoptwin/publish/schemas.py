"""The JSON Schemas of the messages: made of the types in `payloads`, shipped as files. Run this module to write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from shoptwin.publish.payloads import MESSAGES

DIRECTORY = Path(__file__).with_name("schemas")


def generate() -> dict[str, str]:
    """Return the text of each schema file by its name (`alarm.json`)."""
    texts = {}
    for name, message in MESSAGES.items():
        (schema,), definitions = msgspec.json.schema_components([message], ref_template="#/$defs/{name}")
        for definition in definitions.values():
            _complete(definition)
        whole = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": f"urn:shoptwin:schema:{name}:1",
            "title": f"shoptwin.{name}/1",
            **schema,
            "$defs": definitions,
        }
        texts[f"{name}.json"] = json.dumps(whole, indent=2, ensure_ascii=False) + "\n"
    return texts


def _complete(definition: dict[str, Any]) -> None:
    """Say that every field is required: each is always sent, `schema` too, whose only value msgspec calls a default."""
    if "properties" in definition:
        definition["required"] = list(definition["properties"])
        definition["properties"].get("schema", {}).pop("default", None)


def write() -> None:
    """Write the files."""
    for name, text in generate().items():
        (DIRECTORY / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
