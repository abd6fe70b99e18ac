"""The JSON Schema of the configuration, checked by an independent validator."""

from __future__ import annotations

import json
import tomllib
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from shoptwin import config
from shoptwin.acquire.registry import plugins as installed
from shoptwin.domain.errors import ConfigError

EXAMPLE = Path(__file__).parents[3] / "deploy/example.toml"


def _plain(text: str) -> Any:
    """Read TOML as JSON can say it: times become texts."""
    return json.loads(json.dumps(tomllib.loads(text), default=datetime.isoformat))


def _errors(schema: dict[str, Any], text: str) -> list[str]:
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(_plain(text))]


def test_the_schema_is_one(plugins: Any) -> None:
    """It is valid JSON Schema, with and without drivers."""
    for drivers in ({}, plugins, installed()):
        jsonschema.Draft202012Validator.check_schema(config.schema(drivers))


def test_the_example() -> None:
    """The shipped example loads with the shipped drivers, and is valid by their schema."""
    loaded = config.load(EXAMPLE, installed(), secrets=False)
    assert [machine.name for machine in loaded.machines] == ["press-3", "packer-2"]
    assert not _errors(config.schema(installed()), EXAMPLE.read_text())


@pytest.mark.parametrize(
    "more",
    [
        "current_loop = { raw = [4000, 20000], value = [0, 10] }\nmissing = [0x8000, 0.5]",
        'labels = { 0 = "off" }\nreport = "change"',
        'report = { deadband = 0.5, percent = 1, heartbeat = "1h" }',
    ],
)
def test_what_is_right_is_right_in_both(more: str, tmp_path: Any) -> None:
    """What the loader takes the schema takes too."""
    right = tmp_path / "shoptwin.toml"
    right.write_text(EXAMPLE.read_text() + more)
    config.load(right, installed(), secrets=False)
    assert not _errors(config.schema(installed()), right.read_text())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('role = "power"', 'role = "power"\nreport = "chnge"'),
        ('role = "power"', 'role = "power"\nreport = { deadbnd = 1 }'),
        ('role = "power"', 'role = "power"\ncurrent_loop = { raw = [4, 20] }'),
        ('role = "power"', 'role = "power"\nmissing = 5'),
        ('role = "power"', 'role = "power"\nlabels = { 0 = 5 }'),
        ('name = "press-3"', 'name = "press-3"\ntag_list = 5'),
        ('site = "plant-1"', 'sit = "plant-1"'),
        ('role = "power"', 'role = "powr"'),
        ('driver = "modbus"', 'driver = "modbuss"'),
        ('url = "tcp://192.0.2.10:502"', "url = 5"),
        ('url = "tcp://192.0.2.10:502"', 'url = "tcp://192.0.2.10:502"\nnonsense = 1'),
        ("hi = 80", 'hi = "80"'),
        ('iso20816 = "group2-rigid"', 'iso20816 = "group2"'),
        ('period = "1s"', 'period = "1 sec"'),
        ('name = "press-3"', 'name = "press 3"'),
    ],
)
def test_what_is_wrong_is_wrong_in_both(before: str, after: str, tmp_path: Any) -> None:
    """What the loader refuses the schema refuses too."""
    text = EXAMPLE.read_text()
    assert before in text
    wrong = tmp_path / "shoptwin.toml"
    wrong.write_text(text.replace(before, after, 1))
    with pytest.raises(ConfigError):
        config.load(wrong, installed(), secrets=False)
    assert _errors(config.schema(installed()), wrong.read_text())
