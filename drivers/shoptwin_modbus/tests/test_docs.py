"""The README and the sample say what the code does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from shoptwin_modbus.addresses.address import TABLES, parse_address
from shoptwin_modbus.addresses.codecs import CODECS, Order
from shoptwin_modbus.addresses.mistakes import SYNONYMS
from shoptwin_modbus.target import ModbusSettings, parse_url

HERE = Path(__file__).parent.parent
README = (HERE / "README.md").read_text("utf-8")
SAMPLE = tomllib.loads((HERE / "sample.toml").read_text("utf-8"))


@pytest.mark.parametrize("field", msgspec.structs.fields(ModbusSettings), ids=lambda field: field.name)
def test_settings_are_documented(field):
    """Each setting has its row in the README, with its default."""
    row = re.search(rf"^\| `{field.name}` \| (.+?) \|", README, re.MULTILINE)
    assert row, f"{field.name} is not in the README"
    if field.default is not msgspec.NODEFAULT:
        assert {(): "[]", None: "none"}.get(field.default, repr(field.default).replace("'", '"')) in row[1]


@pytest.mark.parametrize("word", [*TABLES, *CODECS, *Order.__members__])
def test_words_are_documented(word):
    """Each table, type and order is in the README."""
    assert f"`{word}`" in README


def test_addresses_in_the_docs_are_addresses():
    """Each address in the README and the sample is understood."""
    found = re.findall(r"`((?:holding|input|coil|discrete):\d[^`]*)`", README)
    assert len(found) > 5
    for text in found:
        if text.count(":") > 1 or text.startswith(("coil", "discrete")):
            parse_address(text)
    for machine in SAMPLE["machine"]:
        for tag in machine["tag"]:
            parse_address(tag["address"])


def test_urls_in_the_docs_are_urls():
    """Each URL in the README and the sample leads somewhere."""
    for url in re.findall(r"(?:tcp|tls|rtu|rtu\+tcp)://[^\s\"`…]+", README + (HERE / "sample.toml").read_text("utf-8")):
        parse_url(url.rstrip(",."))


def test_sample_has_every_setting():
    """The sample shows each setting, with its default where TOML can write it, and nothing that does not exist."""
    [device] = SAMPLE["device"]
    own = {key: value for key, value in device.items() if key not in {"name", "driver", "period"}}
    settings = msgspec.convert(own, ModbusSettings)
    fields = msgspec.structs.fields(ModbusSettings)
    assert own.keys() == {field.name for field in fields if field.default is not None}
    assert settings == ModbusSettings(url=device["url"])


def test_synonyms_lead_somewhere():
    """What other tools call a table or type leads to one of ours."""
    assert set(SYNONYMS.values()) <= {*TABLES, *CODECS, "bit0", "bits0-7", "string[16]"}
    assert not SYNONYMS.keys() & {*TABLES, *CODECS}
