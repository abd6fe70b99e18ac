"""`shoptwin discover` and `shoptwin browse`, against node-opcua."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptwin.acquire.registry import plugins
from shoptwin.cli.tagblocks import names, slug, tag_blocks
from shoptwin.config import load
from shoptwin.domain.device import TagCandidate
from shoptwin.domain.tag import Role, ValueKind
from shoptwin.testing.node_opcua import NodeOpcua, missing

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parents[3]
PLAIN = ("--set", "security=none")
GATEWAY = '[gateway]\nsite = "plant"\nname = "gw-1"\n'


@pytest.fixture(scope="module")
def server() -> Iterator[NodeOpcua]:
    """Serve machines that describe themselves, with and without security."""
    if why := missing(REPOSITORY):
        pytest.skip(why)
    server = NodeOpcua(REPOSITORY, companion=True, secure=True).start()
    yield server
    server.kill()


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep certificates in a folder of each test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SHOPTWIN_CONFIG", raising=False)
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)


def test_discover(shoptwin: Any, server: NodeOpcua, tmp_path: Path) -> None:
    """What a server offers is told, then the commands that come next, which run, and a device for the configuration."""
    (tmp_path / "shoptwin.toml").write_text(GATEWAY)
    found = shoptwin("discover", server.url, "--device", "cell-4")
    assert found.exit_code == 0, found.output
    assert re.search(r"^Basic256Sha256 +SignAndEncrypt +anonymous", found.stdout, re.MULTILINE)
    assert "its certificate: not accepted here yet" in found.stdout
    commands = re.findall(r"^  shoptwin (.*)$", found.stdout, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["trust", "browse"]
    for command in commands:
        done = shoptwin(*shlex.split(command))
        assert done.exit_code == 0, done.output
    assert "its certificate: trusted here" in shoptwin("discover", server.url).stdout
    block = found.stdout.partition("for the configuration:\n")[2]
    (tmp_path / "shoptwin.toml").write_text(GATEWAY + block)
    (device,) = load(tmp_path / "shoptwin.toml", plugins()).devices
    assert (device.name, device.settings.url) == ("cell-4", server.url)


def test_who_the_gateway_is(shoptwin: Any, server: NodeOpcua, tmp_path: Path) -> None:
    """No certificate is made for a gateway without a name; what is printed carries the options that were given."""
    found = shoptwin("discover", server.url)
    assert 'site = "SITE"  # yours to fill in' in found.stdout
    assert "who this gateway is" in found.stdout
    assert shoptwin("trust", "accept", server.url, "--yes").exit_code == 0
    nameless = shoptwin("browse", server.url)
    assert nameless.exit_code == 1
    assert "write [gateway] with site and name into shoptwin.toml in this folder" in nameless.stderr
    assert not (tmp_path / "state/pki/own").exists()
    config = tmp_path / "conf" / "gw.toml"
    config.parent.mkdir()
    config.write_text("[gateway\n")
    assert shoptwin("discover", server.url, "--config", str(config)).exit_code == 78
    config.write_text(GATEWAY)
    told = shoptwin("discover", server.url, "--config", "conf/gw.toml", "--state-dir", "kept").stdout
    commands = re.findall(r"^  shoptwin (.*)$", told, re.MULTILINE)
    assert len(commands) == 2
    assert all(command.endswith("--config conf/gw.toml --state-dir kept") for command in commands)
    assert [shoptwin(*shlex.split(command)).exit_code for command in commands] == [0, 0]
    own = json.loads(shoptwin("trust", "show", "--config", "conf/gw.toml", "--state-dir", "kept", "--json").stdout)
    assert (own[0]["subject"], own[0]["notes"]) == ("CN=Shoptwin gw-1,O=plant", [])


def test_a_device_by_its_name(shoptwin: Any, server: NodeOpcua, tmp_path: Path) -> None:
    """A device of the configuration goes by its name or its URL, with its own settings, and so does what is printed."""
    device = f'[[device]]\nname = "cell-4"\ndriver = "opcua"\nurl = "{server.url}"\nsecurity = "none"\n'
    (tmp_path / "shoptwin.toml").write_text(GATEWAY + device)
    found = shoptwin("browse", "cell-4")
    assert found.exit_code == 0, found.output
    assert "shoptwin browse cell-4 --at" in found.stdout
    by_url = shoptwin("browse", server.url, "--depth", "1", "--toml")
    assert by_url.exit_code == 0, by_url.output
    assert "with the settings of the device cell-4" in by_url.stderr
    toml = shoptwin("browse", "cell-4", "--filter", "spindle", "--toml").stdout
    assert tomllib.loads(toml)["machine"][0]["tag"][0]["device"] == "cell-4"
    assert "  shoptwin browse cell-4\n" in shoptwin("discover", "cell-4").stdout
    wrong = shoptwin("browse", "cell-5")
    assert wrong.exit_code == 2
    assert "known are cell-4" in wrong.stderr


def test_discover_as_json(shoptwin: Any, server: NodeOpcua) -> None:
    """As JSON it is one document."""
    told = json.loads(shoptwin("discover", server.url, "--json").stdout)
    assert told["url"] == server.url
    assert {each["policy"] for each in told["endpoints"]} == {"none", "Basic256Sha256"}
    assert told["certificate"]["standing"] == "rejected"


def test_not_every_driver_discovers(shoptwin: Any) -> None:
    """A device that tells nothing of itself is asked otherwise."""
    found = shoptwin("discover", "tcp://127.0.0.1:1")
    assert found.exit_code == 1
    assert "shoptwin scan modbus" in found.stderr


def test_browse(shoptwin: Any, server: NodeOpcua) -> None:
    """Machines come first, with the command that shows what they measure; then a tree, each line with its address."""
    found = shoptwin("browse", server.url, *PLAIN)
    assert found.exit_code == 0, found.output
    first, _, tree = found.stdout.partition("all that is there\n")
    assert "Mill-7: MachineToolType of MachineTool" in first
    assert re.search(r"SerialNumber +0815-4711", first)
    assert re.search(r"Spindle / Drehzahl +float64 +8000 rpm", first)
    assert re.search(r"^Presse 3 ", tree, re.MULTILINE)
    line = r"^  Stromaufnahme +float64 +17.25 A +0 to 60 +(nsu=urn:shoptwin:test;s=Presse 3.Stromaufnahme)$"
    assert re.search(line, tree, re.MULTILINE)
    (command,) = re.findall(r"^  shoptwin (.*)$", first, re.MULTILINE)
    inside = shoptwin(*shlex.split(command))
    assert "Drehzahl" in inside.stdout
    assert "Stromaufnahme" not in inside.stdout
    assert re.search(r"\d+ values in \d+ folders", found.stderr)


def test_filter(shoptwin: Any, server: NodeOpcua) -> None:
    """A filter leaves values that have all its words, below the folders that they are in, and no other folder."""
    found = shoptwin("browse", server.url, *PLAIN, "--filter", "MILL degc").stdout.splitlines()
    assert [line.split()[0] for line in found] == ["name", "Machines", "Mill-7", "Monitoring", "Spindle", "Temperature"]
    nothing = shoptwin("browse", server.url, *PLAIN, "--filter", "nowhere")
    assert "fits the filter" in nothing.stdout


def test_browse_as_json(shoptwin: Any, server: NodeOpcua) -> None:
    """As JSON it is one list, machines with their identification; --depth and --no-values hold."""
    told = json.loads(shoptwin("browse", server.url, *PLAIN, "--json").stdout)
    mill = next(each for each in told if each["name"] == "Mill-7")
    assert mill["identification"]["Manufacturer"] == "Acme Werkzeugmaschinen"
    current = next(each for each in told if each["name"] == "Stromaufnahme")
    assert (current["role"], current["why"], current["range"], current["sample"]) == (
        "current", "unit A", [0, 60], "17.25"
    )  # fmt: skip
    flat = json.loads(shoptwin("browse", server.url, *PLAIN, "--json", "--depth", "2", "--no-values").stdout)
    assert {len(each["path"]) for each in flat} == {0, 1}
    assert not any(each["sample"] for each in flat)
    assert json.loads(shoptwin("browse", server.url, *PLAIN, "--json", "--filter", "nowhere").stdout) == []


def test_toml(shoptwin: Any, server: NodeOpcua, tmp_path: Path) -> None:
    """What --toml prints is a configuration that loads; a guess is marked as one, and no limit is guessed."""
    found = shoptwin("browse", server.url, *PLAIN, "--toml", "--device", "cell-4", "--machine", "press-3")
    assert found.exit_code == 0, found.output
    assert 'role = "current"  # a guess: unit A\n' in found.stdout
    text = f'{GATEWAY}[[device]]\nname = "cell-4"\ndriver = "opcua"\nurl = "{server.url}"\n{found.stdout}'
    (tmp_path / "shoptwin.toml").write_text(text)
    loaded = load(tmp_path / "shoptwin.toml", plugins())
    tags = {tag.name: tag for tag in loaded.tags}
    assert tags["stromaufnahme"].unit == "A"
    assert tags["betriebszustand"].labels == ((0, "aus"), (1, "Stillstand"), (2, "läuft"))
    assert tags["wave"].rate == 25600
    assert not any(tag.limits for tag in loaded.tags)
    assert not any("serial" in name for name in tags)
    clash = shoptwin("browse", server.url, "--toml", "--json")
    assert clash.exit_code == 2


def _candidate(*path: str) -> TagCandidate:
    return TagCandidate("i=1", path[-1], True, ValueKind.F8, path=path[:-1], role=Role.OTHER, why="x\ny = 1")


def test_names() -> None:
    """A name is that of the value, with as much of its path as it takes to tell it from others."""
    spindles = ("Mill", "Spindle 1", "Temp"), ("Mill", "Spindle 2", "Temp")
    paths = (*spindles, ("Mill", "Ölstand"), ("a", "b"), ("a", "b"), ("°",))
    assert names([_candidate(*path) for path in paths]) == [
        "spindle_1_temp",
        "spindle_2_temp",
        "oelstand",
        "a_b",
        "a_b_2",
        "tag",
    ]


@pytest.mark.parametrize(
    ("text", "name"), [("SpindelTemp", "spindel_temp"), ('"DB1"."Ist-Wert"', "db1_ist_wert"), ("HVACUnit", "hvac_unit")]
)
def test_slugs(text: str, name: str) -> None:
    """Names are made of what devices call things."""
    assert slug(text) == name


@given(st.lists(st.lists(st.text(), min_size=1, max_size=4).map(tuple), max_size=20))
def test_any_names(paths: list[tuple[str, ...]]) -> None:
    """Whatever a device calls things, names are valid and unique, and the blocks are TOML."""
    found = [_candidate(*path) for path in paths]
    made = names(found)
    assert len(set(made)) == len(made)
    assert all(re.fullmatch(r"\w[\w.-]*", name) for name in made)
    tags = tomllib.loads("\n".join(tag_blocks(found, "m", "d")))["machine"][0].get("tag", [])
    assert [tag["name"] for tag in tags] == made
    assert all(tag.keys() == {"name", "device", "address", "role"} for tag in tags)
