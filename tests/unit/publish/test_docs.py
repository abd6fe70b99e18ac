from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from shoptwin.config.forms import MqttForm
from shoptwin.publish import schemas

DOCS = Path(__file__).parents[3] / "docs"
REFERENCE = (DOCS / "reference" / "topics.md").read_text()
HOW_TO = (DOCS / "how-to" / "mqtt.md").read_text()


def fields():
    for path in schemas.DIRECTORY.glob("*.json"):
        for definition in json.loads(path.read_text())["$defs"].values():
            yield from definition.get("properties", ())
            yield from definition.get("enum", ())


@pytest.mark.parametrize("name", sorted(set(fields())))
def test_every_field_and_every_word_of_the_payloads_is_documented(name):
    """A field, and a value out of a fixed list, stands in the reference of topics."""
    assert f"`{name}`" in REFERENCE


def test_every_schema_is_documented():
    """Each shipped schema is named with the topics that it belongs to."""
    for path in schemas.DIRECTORY.glob("*.json"):
        assert f"`shoptwin.{path.stem}/1`" in REFERENCE


def test_the_snippets_of_configuration_are_configuration():
    """What a reader copies out of the how-to is taken by the configuration's own types."""
    snippets = re.findall(r"```toml\n(.*?)```", HOW_TO, re.DOTALL)
    assert len(snippets) == 3
    for snippet in snippets:
        msgspec.convert(tomllib.loads(snippet)["mqtt"], MqttForm)
