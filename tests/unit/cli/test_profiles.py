"""`shoptwin profiles`: what is known of devices, and tags to paste."""

from __future__ import annotations

import csv
import json
import tomllib

import pytest

from shoptwin import config
from shoptwin.acquire.registry import plugins
from shoptwin.domain.tag import Role

MINE = """
name = "Oven"
vendor = "Ours"
models = ["one"]
source = { title = "A manual", where = "drawer 3" }
[[register]]
name = "temp"
address = "input:3:int16"
text = "Inside"
unit = "degC"
scale = 0.1
offset = -40
missing = [9999]
"""
HEAD = """
[gateway]
site = "a"
name = "b"
[[device]]
name = "meter1"
driver = "modbus"
url = "tcp://127.0.0.1:502"
"""


@pytest.fixture
def plant(tmp_path):
    """The folder of a configuration with an own profile, and one in the place of the driver's."""
    folder = tmp_path / "profiles" / "modbus"
    folder.mkdir(parents=True)
    for name in ("oven", "sdm630"):
        (folder / f"{name}.toml").write_text(MINE)
    return tmp_path


def test_the_list_names_each_profile_with_where_it_comes_from(shoptwin, plant):
    """The driver's stand beside the plant's, and one that is in another's place says so."""
    config_path = str(plant / "shoptwin.toml")
    found = shoptwin("profiles", "--config", config_path)
    assert found.exit_code == 0
    rows = {line.split()[0]: line for line in found.output.splitlines()}
    assert rows["qm30vt2"].endswith("the driver")
    assert rows["oven"].endswith("oven.toml")
    assert rows["sdm630"].endswith("(in the place of the driver's)")
    told = {each["id"]: each for each in json.loads(shoptwin("profiles", "-c", config_path, "--json").output)}
    assert told["oven"]["tags"][0]["defaults"]["missing"] == [9999.0]
    assert told["sdm630"]["replaces"]


def test_show_tells_source_notes_settings_and_registers(shoptwin, plant):
    """All that one must know to trust it, and how each value is made of the raw one."""
    found = shoptwin("profiles", "show", "vlt-fc302").output
    assert "source: Danfoss design guides of the FC 300" in found
    assert "max_gap = 0" in found
    assert "8-30 Protocol" in found
    mine = shoptwin("profiles", "show", "oven", "-c", str(plant / "shoptwin.toml")).output
    assert "raw * 0.1 - 40, none at 9999" in mine


def test_show_prints_tags_that_load(shoptwin, tmp_path):
    """What --toml prints goes into a configuration as it is, and each tag has what the profile knows."""
    found = shoptwin("profiles", "show", "sdm630", "--toml", "--device", "meter1", "--machine", "press-3")
    path = tmp_path / "shoptwin.toml"
    path.write_text(HEAD + found.output)
    tags = {tag.name: tag for tag in config.load(path, plugins(), secrets=False).tags}
    assert len(tags) == 49
    assert (tags["power"].role, tags["power"].unit, tags["power"].device) == (Role.POWER, "W", "meter1")


def test_show_prints_a_tag_list(shoptwin, tmp_path):
    """What --csv prints is a tag list, of the registers that were named, by a name of their own."""
    found = shoptwin("profiles", "show", "qm30vt2", "temperature", "Z_velocity_rms", "--csv", "--prefix", "fan_",
                     "--device", "meter1").output  # fmt: skip
    assert list(csv.DictReader(found.splitlines())) == [
        {"name": "fan_temperature", "role": "temperature", "unit": "degC", "device": "meter1",
         "address": "qm30vt2/temperature"},
        {"name": "fan_z_velocity_rms", "role": "vibration", "unit": "mm/s", "device": "meter1",
         "address": "qm30vt2/z_velocity_rms"},
    ]  # fmt: skip
    (tmp_path / "tags.csv").write_text(found)
    path = tmp_path / "shoptwin.toml"
    path.write_text(HEAD + '[[machine]]\nname = "fan"\ntag_list = "tags.csv"\n')
    scales = {tag.name: tag.scale for tag in config.load(path, plugins(), secrets=False).tags}
    assert scales == {"fan_temperature": 0.01, "fan_z_velocity_rms": 0.001}


def test_two_devices_of_a_kind_can_be_on_one_machine(shoptwin):
    """A prefix keeps the names of the second apart; TOML without a machine goes below one that is there."""
    found = shoptwin("profiles", "show", "sdm630", "power", "--toml", "--prefix", "aux_").output
    [tag] = tomllib.loads(found)["machine"]["tag"]
    assert (tag["name"], tag["device"]) == ("aux_power", "sdm630")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["sdm60"], "did you mean 'sdm630'?"),
        (["sdm630", "voltage_1"], "did you mean 'voltage_l1'?"),
        (["sdm630", "--csv", "--json"], "three ways to print"),
        (["sdm630", "--csv", "--toml"], "three ways to print"),
        (["sdm630", "--toml", "--machine", "press 3"], "has a space in it"),
        (["sdm630", "--toml", "--device", ""], "is empty"),
    ],
)
def test_what_is_not_known_is_answered_with_the_nearest(shoptwin, words, told):
    """A slip of the pen ends with 2 and the name that was meant."""
    found = shoptwin("profiles", "show", *words)
    assert found.exit_code == 2
    assert told in found.output


def test_a_profile_that_is_wrong_is_told_by_file_and_register(shoptwin, plant):
    """The others are listed; then it ends as a wrong configuration does, with 78 and the cure."""
    (plant / "profiles/modbus/oven.toml").write_text(MINE.replace("int16", "in16"))
    for more in ((), ("show", "oven")):
        found = shoptwin("profiles", *more, "--config", str(plant / "shoptwin.toml"))
        assert found.exit_code == 78
        assert "oven.toml, register temp" in found.stderr
        assert "did you mean int16?" in found.stderr
        assert ("qm30vt2" in found.stdout) == (not more)
    assert shoptwin("profiles", "show", "qm30vt2", "--config", str(plant / "shoptwin.toml")).exit_code == 0
