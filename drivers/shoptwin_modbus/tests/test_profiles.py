"""Device profiles: those that come with the driver, and a plant's own."""

from __future__ import annotations

import math
import re
import tomllib
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from shoptwin.sdk import BadAddress, BadProfile, CurrentLoop, Role, ValueKind
from shoptwin_modbus.addresses.address import parse_address
from shoptwin_modbus.addresses.profile_file import load
from shoptwin_modbus.addresses.profiles import SHIPPED, Profiles

ROOT = Path(__file__).parents[3]
FILES = sorted(SHIPPED.glob("*.toml"))

MINE = """
name = "Oven controller"
vendor = "Ours"
models = ["one", "two"]
settings = { unit = 9 }
source = { title = "A manual", revision = "C", where = "drawer 3" }

[[register]]
name = "state"
address = "holding:10:uint16"
text = "What it does"
role = "state"
labels = { 0 = "off", 0x1 = "on" }

[[register]]
name = "hot"
address = "holding:10:bit0"
text = "A part of it"

[[register]]
name = "temp"
address = "input:3:int16"
text = "Inside"
unit = "degC"
role = "temperature"
scale = 0.1
offset = -40.0
missing = [0x8000]

[[register]]
name = "pressure"
address = "input:4:uint16"
text = "Of the gas"
unit = "bar"
current_loop = { raw = [6400, 32000], value = [0, 16] }

[[example]]
text = "As measured on Tuesday"
raw = { "holding:10" = [1], "input:3" = [650, 19200] }
values = { state = 1, hot = 1, temp = 25, pressure = 8 }
"""


@pytest.fixture
def plant(tmp_path):
    """A plant's folder, and what writes a profile into it."""

    def write(text=MINE, name="oven"):
        (tmp_path / f"{name}.toml").write_text(text, "utf-8")
        return tmp_path

    return write


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_shipped_profile_stands_by_its_source(path):
    """It loads, which tries its examples; it names a source, each value's meaning, and shows one decoded."""
    profile = load(path)
    assert profile.examples
    assert profile.info.source
    for tag in profile.info.tags:
        assert tag.defaults.text
        assert tag.defaults.role is not None or tag.defaults.unit == ""
        assert parse_address(tag.place) == profile.registers[tag.address.split("/")[1]].address


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
async def test_a_shipped_profile_reads_its_examples_from_a_device(path, device, poll):
    """A device that holds what an example shows is read as the example says, by the profile's own addresses."""
    for example in tomllib.loads(path.read_text("utf-8"))["example"]:
        for place, words in example["raw"].items():
            device.put(int(place.split(":")[1]), *words)
        names = list(example["values"])
        found = await poll(*(f"{path.stem}/{name}" for name in names), name=example["text"])
        for name, (raw, status) in zip(names, found, strict=True):
            known = load(path).registers[name].defaults
            value = float(raw) * known.scale + known.offset
            assert status == 0
            assert math.isclose(value, example["values"][name], rel_tol=1e-6), name


def test_the_wheel_has_the_profiles():
    """What is installed brings every profile along."""
    built = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    assert {f"shoptwin_modbus/profiles/{path.name}" for path in FILES} <= built


def test_an_address_by_profile_is_that_of_its_register(plugin):
    """The name leads to table, address and type; a unit may follow it; capitals and blanks do not matter."""
    assert plugin.parse_address("sdm630/voltage_l1") == parse_address("input:0:float32")
    assert plugin.parse_address(" SDM630 / Voltage_L1 @ 7 ") == parse_address("input:0:float32@7")
    assert plugin.parse_address("holding:5:bit3").kind is ValueKind.BOOL


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("sdm63/power", "did you mean sdm630"),
        ("sdm630/volts_l1", "did you mean voltage_l1"),
        ("sdm630/power@999", "unit from 0 to 255"),
        ("/", "known: qm30vt2, sdm630"),
    ],
)
def test_a_name_that_is_not_known_is_answered_with_the_nearest(plugin, text, what):
    """Profile and register each have their cure; what is described of such an address is nothing."""
    with pytest.raises(BadAddress) as refused:
        plugin.parse_address(text)
    assert what in refused.value.hint.replace("Known", "known")
    assert plugin.describe(text) is None


def test_a_profile_gives_a_tag_what_it_does_not_say_itself(plugin, plant):
    """Role, unit, scale, missing values as they are delivered, labels and current loops come along."""
    plugin.look_in(plant())
    temp = plugin.describe("oven/temp@3")
    assert (temp.role, temp.unit, temp.scale, temp.offset) == (Role.TEMPERATURE, "degC", 0.1, -40.0)
    assert temp.missing == (-32768.0,)
    assert plugin.describe("oven/state").labels == ((0, "off"), (1, "on"))
    pressure = plugin.describe("oven/pressure")
    assert pressure.loop == CurrentLoop(6400.0, 32000.0)
    assert (pressure.scale, pressure.offset) == pytest.approx((1 / 1600, -4.0))
    assert plugin.describe("holding:5:bit3") is None


def test_a_plants_profile_stands_in_for_a_shipped_one(plugin, plant):
    """Of the same id the plant's wins, and the listing says so; without it the shipped one is back."""
    plugin.look_in(plant(name="sdm630"))
    [mine] = [info for info in plugin.profiles() if info.id == "sdm630"]
    assert mine.replaces
    assert mine.origin.endswith("sdm630.toml")
    assert plugin.parse_address("sdm630/temp") == parse_address("input:3:int16")
    plugin.look_in(Path("nowhere"))
    [theirs] = [info for info in plugin.profiles() if info.id == "sdm630"]
    assert (theirs.replaces, theirs.origin) == (False, "")


def test_a_broken_profile_is_wrong_where_it_is_needed(plugin, plant):
    """Other profiles are used as ever; one that is broken is not, nor the shipped one in whose place it stands."""
    plant(MINE.replace("temp = 25", "temp = 26"), "sdm630")
    [error] = plugin.look_in(plant())
    assert "sdm630.toml, example 1: temp is 25.0, not 26" in str(error)
    assert plugin.describe("oven/temp") is not None
    assert "sdm630" not in {info.id for info in plugin.profiles()}
    for ask in (plugin.describe, plugin.parse_address):
        with pytest.raises(BadProfile) as refused:
            ask("sdm630/power")
        assert str(refused.value) == str(error)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ('name = "temp"', 'nome = "temp"', ("register 3: 'nome' is not a known key", "did you mean 'name'?")),
        ('name = "temp"', "", ("register 3: it lacks the key 'name'", "its keys are name, address")),
        ("scale = 0.1", 'scale = "0.1"', ("register temp: 'scale' must be a number, not '0.1'",)),
        ("[0x8000]", '["x"]', ("register temp: 'missing[0]' must be a number",)),
        (
            "raw = [6400, 32000], ",
            "",
            ("register pressure: it lacks the key 'current_loop.raw'", "keys are raw, value"),
        ),
        ("title =", "titel =", ("oven.toml: 'source.titel' is not a known key", "did you mean 'title'?")),
        ("scale = 0.1", "scale = 0", ("register temp", "value = raw * scale + offset")),
        (
            '"temperature"',
            '"temprature"',
            ("register temp: 'role' cannot be 'temprature'", "did you mean 'temperature'?"),
        ),
        ('"temperature"', '"xyz"', ("register temp: 'role' cannot be 'xyz'", "known: vibration, waveform")),
        ('"input:3:int16"', '"input:3:in16"', ("register temp", "did you mean int16")),
        ("[0x8000]", "[70000]", ("register temp", "never 70000")),
        ("0x1 =", "one =", ("register state", "labels name whole numbers")),
        ('"input:3:int16"', '"input:3:int32"', ("register pressure", "shares registers with temp (input:3:int32)")),
        ('"holding:10:bit0"', '"holding:10:uint16"', ("register hot", "it is state again")),
        ('name = "hot"', 'name = "state"', ("register state", "two of this name")),
        ('name = "hot"', 'name = "Hot!"', ("register Hot!", "is not a name")),
        ("temp = 25", "temp = 26", ("example 1", "temp is 25.0, not 26", "scale of temp")),
        ("temp = 25", "tmp = 25", ("example 1", "no register 'tmp'")),
        ("[650, 19200]", "[650]", ("example 1", "lacks a register of pressure")),
        ('"input:3" =', '"inputs:3" =', ("example 1", "'inputs:3' is no place")),
        ("value = [0, 16]", "value = [0, 0]", ("register pressure", "current_loop is no line")),
        ("unit = 9", "unit = 999", ("settings: 'unit' must be a whole number <= 255, not 999",)),
        ("unit = 9", 'url = "tcp://x"', ("settings", "leave it out")),
        ("models", "model", ("oven.toml: 'model' is not a known key", "did you mean 'models'?")),
        ("[[register]]", "[register]", ("oven.toml", "is not TOML")),
    ],
)
def test_a_mistake_is_told_by_file_register_and_cure(plant, before, after, told):
    """Whoever writes a profile is told where the mistake is and what to write."""
    assert before in MINE
    [error] = Profiles().look_in(plant(MINE.replace(before, after, 1)))
    message = str(error)
    assert "oven.toml" in message
    for part in told:
        assert part in message


def test_a_file_must_be_called_as_a_profile_can_be(plant):
    """The file's name is the id, and an id has neither blanks nor capitals."""
    [error] = Profiles().look_in(plant(name="My Oven"))
    assert "the file's name is that of the profile" in str(error)


def test_texts_bits_and_coils_can_be_shown_too(plant):
    """Examples hold whatever a device can: letters in registers, coils, values of a plug-in's order."""
    text = """
name = "Box"
vendor = "Ours"
models = []
source = { title = "t", where = "w" }
register = [
  { name = "serial", address = "holding:0:string[4]", text = "Serial number" },
  { name = "open", address = "coil:7", text = "The door" },
  { name = "energy", address = "holding:4:uint32:CDAB", text = "Energy" },
]
[[example]]
text = "all"
raw = { "holding:0" = [0x4142, 0x4300], "coil:7" = [1], "holding:4" = [2, 1] }
values = { serial = "ABC", open = 1, energy = 65538 }
"""
    assert Profiles().look_in(plant(text)) == ()


def test_the_profile_in_the_docs_is_one(plant):
    """The example of the reference loads, and shipped profiles are listed there."""
    text = (ROOT / "docs/reference/profiles.md").read_text("utf-8")
    [block] = [block for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL) if "[[register]]" in block]
    assert Profiles().look_in(plant(block)) == ()
    assert set(re.findall(r"^\| `([\w-]+)` \| \w+ \w+", text, re.MULTILINE)) >= {path.stem for path in FILES}
