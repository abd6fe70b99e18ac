"""The keys of a tag beyond its place: missing values, 4-20 mA, labels, what is kept, and what a profile knows."""
# ruff: noqa: E501 - one case a line

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoptwin.acquire.registry import plugins as installed
from shoptwin.acquire.scaling import Scaling
from shoptwin.domain.batch import SampleBatch
from shoptwin.domain.device import TagDefaults
from shoptwin.domain.errors import BadAddress, BadProfile, ConfigError
from shoptwin.domain.machine import MachineState
from shoptwin.domain.quality import StatusCode
from shoptwin.domain.tag import CurrentLoop, Report, Role, TagTable, ValueKind
from shoptwin.domain.timing import MINUTE

if TYPE_CHECKING:
    from pathlib import Path

DEVICE = '[[device]]\nname = "plc1"\ndriver = "fake"\nurl = "fake://a"\n'
TAG = (
    DEVICE
    + '[[machine]]\nname = "m"\n[[machine.tag]]\nname = "t"\ndevice = "plc1"\naddress = "h1"\nrole = "temperature"\n'
)
STATE = TAG.replace("temperature", "state") + 'labels = { 0 = "off", 1 = "idling", 2 = "at work", 3 = "at work" }\n'


@dataclass(frozen=True)
class Int16:
    """An address that delivers numbers of 16 bits with a sign."""

    text: str
    kind = None

    def delivered(self, raw: float) -> float:
        if not -(2**15) <= raw < 2**16:
            raise BadAddress(f"{self.text} is never {raw:g}", "it has 16 bits")
        return raw - 2**16 if raw >= 2**15 else raw


@dataclass(frozen=True)
class Of:
    """An address of one kind of value."""

    text: str
    kind: ValueKind


class Meters:
    """A driver with profiles: it knows one meter, or what a plant's own file says of its unit."""

    KNOWN = TagDefaults(
        Role.POWER, "kW", 0.1, 5.0, (-1.0,), ((0, "off"), (1, "on")), CurrentLoop(4.0, 20.0), "what it draws"
    )

    def __init__(self, below: Any) -> None:
        self.name, self.Settings, self.schemes = below.name, below.Settings, below.schemes
        self.parse_address, self.open, self.loopback = below.parse_address, below.open, below.loopback
        self.looked_in: list[Path] = []

    def look_in(self, directory: Path) -> list[ConfigError]:
        self.looked_in.append(directory)
        wrong = directory / "wrong.toml"
        return [ConfigError(f"{wrong}: register 1 is not one", "write it anew")] if wrong.is_file() else []

    def profiles(self) -> tuple[()]:
        return ()

    def describe(self, address: str) -> TagDefaults | None:
        return {"p1": self.KNOWN, "n1": TagDefaults(unit="V")}.get(address)


@pytest.fixture
def tag(load: Any) -> Any:
    """Load a tag with further keys."""
    return lambda more, text=TAG: load(text + more).tags[0]


@pytest.mark.parametrize(
    ("report", "kept"),
    [
        ('"each"', Report()),
        ('"change"', Report(each=False)),
        ("{}", Report(each=False)),
        ("{ deadband = 0.5 }", Report(each=False, deadband=0.5)),
        ('{ percent = 1, heartbeat = "1m" }', Report(each=False, percent=1, heartbeat=MINUTE)),
    ],
)
def test_report(tag: Any, report: str, kept: Report) -> None:
    """A word or a table says which samples are kept; a table is of changes."""
    assert tag(f"report = {report}").report == kept
    assert tag("").report == Report()


def test_labels(tag: Any) -> None:
    """Labels are by number, however the number is written."""
    assert tag('labels = { 10 = " läuft ", -1 = "error", 0x2 = "off" }').labels == (
        (-1, "error"),
        (2, "off"),
        (10, "läuft"),
    )


def test_missing_as_the_driver_delivers_it(tag: Any, plugins: Any) -> None:
    """What a manual writes as a pattern is compared as the number that the driver makes of it."""
    assert tag("missing = [0x8000, 9999, 32768.0]").missing == (32768, 9999)
    plugins["fake"].parse_address = Int16
    assert tag("missing = [0x8000, 9999, -32768]").missing == (-32768, 9999)


def test_missing_over_modbus(load: Any, problems: Any, plugins: Any) -> None:
    """The Modbus driver says how it delivers a pattern, and which its type can never have."""
    plugins["modbus"] = installed()["modbus"]
    text = TAG.replace('"fake"', '"modbus"').replace("fake:", "tcp:") + "missing = [0x8000, 70000]"
    assert load(text.replace("h1", "holding:1:int16").replace(", 70000", "")).tags[0].missing == (-32768,)
    assert load(text.replace("h1", "holding:1:uint32")).tags[0].missing == (32768, 70000)
    (found,) = problems(text.replace("h1", "holding:1:int16"))
    assert "tag[0].missing[1] cannot be 70000: " in found


@pytest.mark.parametrize(
    ("read", "told"),
    [
        (("int16", "[4000, 70000]"), "raw[1] cannot be 70000: Modbus address 'holding:1:int16': it is never 70000; int16 is"),
        (("int16", "[0, 40000]"), "raw[1] cannot be 40000: holding:1:int16 delivers this pattern as -25536; is the type another one?"),
        (("uint16", "[-1, 20000]"), "raw[0] cannot be -1: "),
        (("bits0-7", "[51, 256]"), "raw[1] cannot be 256: "),
        (("int16", "[6553.4, 32767]"), ""),
        (("float32", "[0.004, 0.02]"), ""),
        (("uint32", "[0, 16777217]"), ""),
    ],
)  # fmt: skip
def test_a_loop_within_the_type(load: Any, problems: Any, plugins: Any, read: tuple[str, str], told: str) -> None:
    """What an input delivers at 4 and 20 mA lies within what the type of its address can deliver, or is told."""
    type_, raw = read
    plugins["modbus"] = installed()["modbus"]
    text = TAG.replace('"fake"', '"modbus"').replace("fake:", "tcp:").replace("h1", f"holding:1:{type_}")
    text += f"current_loop = {{ raw = {raw}, value = [0, 10] }}"
    if not told:
        assert load(text).tags[0].loop is not None
        return
    (found,) = problems(text)
    assert f"tag[0].current_loop.{told}" in found


def test_what_the_device_forbids(problems: Any, plugins: Any) -> None:
    """A tag that the settings of its device keep from ever being read is told with the key, before anybody asks."""
    plugins["modbus"] = installed()["modbus"]
    text = TAG.replace('"fake"', '"modbus"').replace('"fake://a"', '"tcp://a"\navoid = ["holding:1"]')
    (found,) = problems(text.replace("h1", "holding:0:float32"))
    assert (
        "tag[0].address is refused by modbus: Modbus address 'holding:0:float32': it touches holding:1, which" in found
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(*[st.floats(-1e6, 1e6).map(lambda x: round(x, 3))] * 4)
def test_a_loop_is_a_line_through_both_ends(tag: Any, low: float, high: float, least: float, most: float) -> None:
    """Scale and offset of a current loop turn the raw value at each end into the measure there."""
    if low == high or least == most:
        return
    found = tag(f"current_loop = {{ raw = [{low!r}, {high!r}], value = [{least!r}, {most!r}] }}")
    assert found.loop == CurrentLoop(low, high)
    span = abs(most - least) * max(abs(low), abs(high)) / abs(high - low) + abs(least) + abs(most)
    for raw, value in ((low, least), (high, most)):
        assert raw * found.scale + found.offset == pytest.approx(value, rel=1e-12, abs=1e-12 * span)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("missing = 9999", "tag[0].missing must be a list, not a whole number (9999)"),
        ("missing = [nan]", "tag[0].missing[0] cannot be nan"),
        ('missing = ["0x8000"]', "tag[0].missing[0] must be a number, not text ('0x8000')"),
        ("current_loop = { raw = [4, 20] }", "tag[0].current_loop needs the key 'value'; what is measured at 4 and at 20 mA"),
        ("current_loop = { raw = [4, 4], value = [0, 10] }", "tag[0].current_loop.raw is the same at both ends (4); first what the input delivers at 4 mA, then at 20 mA"),
        ("current_loop = { raw = [4, 20], value = [1, 1] }", "tag[0].current_loop.value is the same at both ends (1)"),
        ("current_loop = { raw = [4, inf], value = [0, 10] }", "tag[0].current_loop.raw[1] cannot be inf"),
        ("current_loop = { raw = [4, 20, 3], value = [0, 10] }", "tag[0].current_loop.raw must be a list of length 2"),
        ("current_loop = { raw = [4, 'b'], value = [0, 10] }", "tag[0].current_loop.raw[1] must be a number, not text ('b')"),
        ("current_loop = { raw = [4, 20], value = [0, 10] }\nscale = 2", "tag[0].scale is given beside 'current_loop', which makes it; leave one of the two out"),
        ("current_loop = { raw = [4, 20], value = [0, 10] }\noffset = 0", "tag[0].offset is given beside 'current_loop'"),
        ("current_loop = 5", "tag[0].current_loop must be a table, not a whole number (5)"),
        ("labels = { x = 'a' }", "tag[0].labels.x is not a whole number; labels name the values of an enumeration"),
        ("labels = { 1.5 = 'a' }", "tag[0].labels.1 must be text in quotes, not a table"),
        ("labels = { 1 = '' }", "tag[0].labels.1 names nothing"),
        ("labels = { 1 = 'a', 0x1 = 'b' }", "tag[0].labels.0x1 names 1 again"),
        ("labels = { 1 = 5 }", "tag[0].labels.1 must be text in quotes, not a whole number (5)"),
        ("report = 'chnge'", "tag[0].report cannot be 'chnge'; did you mean 'change'?"),
        ("report = 5", "tag[0].report cannot be 5; one of: each, change"),
        ("report = { deadbnd = 5 }", "tag[0].report.deadbnd is not a known key; did you mean 'deadband'?"),
        ("report = { deadband = -1 }", "tag[0].report.deadband must not be below 0 (-1)"),
        ("report = { deadband = nan }", "tag[0].report.deadband cannot be nan"),
        ("report = { percent = 101 }", "tag[0].report.percent cannot be above 100 (101)"),
        ("report = { heartbeat = '0s' }", "tag[0].report.heartbeat is too short ('0s'); more than nothing"),
        ("report = { heartbeat = 5 }", "tag[0].report.heartbeat must be text in quotes, not a whole number (5)"),
    ],
)  # fmt: skip
def test_told(problems: Any, more: str, told: str) -> None:
    """Each mistake is told with its key path and its cure."""
    (found,) = problems(TAG + more)
    assert told in found


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ('report = "change"', "tag[0].report cannot compare waveforms; leave it out: each one is kept"),
        ('labels = { 0 = "a" }', "tag[0].labels cannot name a waveform"),
        ("missing = [0]", "tag[0].missing cannot be told in a waveform"),
        ("current_loop = { raw = [4, 20], value = [0, 10] }", "tag[0].current_loop cannot watch a waveform; give 'scale' and 'offset'"),
    ],
)  # fmt: skip
def test_what_a_waveform_cannot_have(problems: Any, more: str, told: str) -> None:
    """What is said of single values is refused for waveforms."""
    (found,) = problems(TAG.replace("temperature", "waveform") + more)
    assert told in found


def test_a_pattern_that_never_comes(problems: Any, plugins: Any) -> None:
    """A missing value that the type of the address cannot have is refused in the driver's words."""
    plugins["fake"].parse_address = Int16
    assert problems(TAG + "missing = [70000]") == [
        "shoptwin.toml:15: machine[0].tag[0].missing[0] cannot be 70000: h1 is never 70000; it has 16 bits"
    ]


@pytest.mark.parametrize(
    ("type_", "missing", "raw"),
    [("uint64", "0xFFFFFFFFFFFFFFFF", 2**64 - 1), ("int64", "0x7FFFFFFFFFFFFFFF", 2**63 - 1), ("int64", "0xFFFFFFFFFFFFFFFF", -1)],
)  # fmt: skip
def test_a_missing_value_of_64_bits_is_exact(load: Any, plugins: Any, type_: str, missing: str, raw: int) -> None:
    """All ones and the like, which no float is, are found as they stand in the file, and their neighbours are not."""
    plugins["fake"].parse_address = installed()["modbus"].parse_address
    text = TAG.replace("h1", f"holding:0:{type_}") + f"missing = [{missing}]"
    kind = ValueKind.U8 if type_ == "uint64" else ValueKind.I8
    [batch] = Scaling(TagTable(load(text).tags)).apply(SampleBatch.of("g", kind, [0, 0], [raw, raw ^ 1]))
    assert batch.status.tolist() == [StatusCode.BAD_NO_DATA, 0]


def test_a_missing_value_that_nothing_holds(problems: Any) -> None:
    """A whole number beyond every type is told, however long it is."""
    for raw in (2**64, -(2**63) - 1, 10**400):
        (found,) = problems(TAG + f"missing = [{raw}]")
        assert "tag[0].missing[0] is beyond 64 bits" in found


@pytest.mark.parametrize(
    ("kind", "more", "told"),
    [
        (ValueKind.STR, "scale = 2", "tag[0].scale means nothing where a text is read; leave it out"),
        (ValueKind.STR, "limits = { hi = 1 }", "tag[0].limits means nothing where a text is read"),
        (ValueKind.STR, 'labels = { 0 = "a" }', "tag[0].labels means nothing where a text is read"),
        (ValueKind.BOOL, "current_loop = { raw = [4, 20], value = [0, 1] }", "tag[0].current_loop means nothing where a single bit is read"),
    ],
)  # fmt: skip
def test_what_no_number_can_have(problems: Any, plugins: Any, kind: ValueKind, more: str, told: str) -> None:
    """What only numbers have is refused where the address says that there is none, and not passed over in silence."""
    plugins["fake"].parse_address = lambda text: Of(text, kind)
    (found,) = problems(TAG + more)
    assert told in found


def test_states_by_label(load: Any) -> None:
    """The machine's states may be said by the labels of the state tag as well as by numbers."""
    found = load(STATE.replace('"m"\n', '"m"\nstate.values = { "at work" = "producing", 1 = "idle", 9 = "down" }\n', 1))
    assert found.machines[0].state.values == {
        "2": MachineState.PRODUCING, "3": MachineState.PRODUCING, "1": MachineState.IDLE, "9": MachineState.DOWN,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ('{ "at wrk" = "producing" }', "state.values.\"at wrk\" is no label of the tag with the role 'state'; did you mean 'at work'?"),
        ('{ 1 = "idle", idling = "down" }', "state.values.idling says again what 1 means"),
    ],
)  # fmt: skip
def test_states_by_a_label_that_is_none(problems: Any, values: str, told: str) -> None:
    """A text that is no label, and a number that is told twice, are told."""
    (found,) = problems(STATE.replace('"m"\n', f'"m"\nstate.values = {values}\n', 1))
    assert told in found


def test_a_profile_fills_in(load: Any, plugins: Any, tmp_path: Path) -> None:
    """What a tag does not say is taken from its device's profile, what it says goes first."""
    plugins["fake"] = meters = Meters(plugins["fake"])
    bare = TAG.replace('role = "temperature"\n', "").replace("h1", "p1")
    (tag,) = load(bare).tags
    assert (tag.role, tag.unit, tag.scale, tag.offset) == (Role.POWER, "kW", 0.1, 5.0)
    assert (tag.missing, tag.labels, tag.loop) == ((-1.0,), ((0, "off"), (1, "on")), CurrentLoop(4.0, 20.0))
    assert meters.looked_in == [tmp_path / "profiles" / "fake"]
    own = 'role = "load"\nunit = ""\nscale = 1\noffset = 0\nmissing = []\nlabels = {}\n'
    (tag,) = load(bare + own).tags
    assert (tag.role, tag.unit, tag.scale, tag.offset, tag.missing, tag.labels) == (Role.LOAD, "", 1.0, 0.0, (), ())
    (tag,) = load(bare + "current_loop = { raw = [0, 100], value = [0, 1] }").tags
    assert (tag.scale, tag.offset, tag.loop) == (0.01, 0.0, CurrentLoop(0.0, 100.0))


def test_a_scale_without_the_offset_that_goes_with_it(load: Any, problems: Any, plugins: Any) -> None:
    """Another scale than the profile's beside the profile's offset would be neither unit: both are given, or neither."""
    plugins["fake"] = Meters(plugins["fake"])
    text = TAG.replace("h1", "p1")
    (found,) = problems(text + "scale = 0.18\n")
    assert "tag[0].scale needs 'offset' beside it: that of the profile (5) goes with its own scale (0.1)" in found
    for more, expected in (
        ("scale = 0.1", (0.1, 5.0)),
        ("offset = 4.5", (0.1, 4.5)),
        ("scale = 2\noffset = 0", (2.0, 0.0)),
    ):
        (tag,) = load(text + more).tags
        assert (tag.scale, tag.offset) == expected
    (tag,) = load(TAG.replace("h1", "n1") + "scale = 0.001").tags
    assert (tag.scale, tag.offset) == (0.001, 0.0)


def test_a_role_that_nobody_says(problems: Any, plugins: Any) -> None:
    """Where no profile says the role either, it is missing as it always was; a misspelt key is told once."""
    plugins["fake"] = Meters(plugins["fake"])
    for address in ("h1", "n1"):
        (found,) = problems(TAG.replace('role = "temperature"\n', "").replace("h1", address))
        assert "machine[0].tag[0] needs the key 'role'; one of: vibration" in found
    (found,) = problems(TAG.replace("role", "rolle"))
    assert "rolle is not a known key; did you mean 'role'?" in found


def _broken(_: str) -> None:
    """Stand for a driver whose profile of this address is broken."""
    raise BadProfile("profiles/fake/own.toml, register x: 'role' cannot be 'temprature'", "did you mean 'temperature'?")


def test_a_profile_that_nobody_uses(load: Any, problems: Any, plugins: Any, tmp_path: Path) -> None:
    """A broken profile that no tag needs hides nothing: it is a note, and what is wrong elsewhere is told."""
    plugins["fake"] = Meters(plugins["fake"])
    folder = tmp_path / "profiles" / "fake"
    folder.mkdir(parents=True)
    (folder / "wrong.toml").touch()
    assert load(TAG).notes == (f"{folder / 'wrong.toml'}: register 1 is not one. write it anew",)
    (found,) = problems(TAG.replace("h1", "1h"))
    assert "tag[0].address is refused by fake" in found


def test_profiles_that_are_wrong(problems: Any, plugins: Any) -> None:
    """A plant's own profile that a tag needs is told once as it is, beside all else; no tag is blamed for its role."""
    plugins["fake"] = Meters(plugins["fake"])
    plugins["fake"].parse_address = plugins["fake"].describe = _broken
    second = '[[machine.tag]]\nname = "u"\ndevice = "plc1"\naddress = "own/y"\n'
    text = TAG.replace('role = "temperature"\n', "").replace("h1", "own/x") + "scale = 0\n" + second
    assert problems(text) == [
        "shoptwin.toml:14: machine[0].tag[0].scale cannot be 0: every value would be the same; leave it out for no scaling",
        "profiles/fake/own.toml, register x: 'role' cannot be 'temprature'; did you mean 'temperature'?",
    ]
