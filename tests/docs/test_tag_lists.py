"""The page on tag lists: its lists are read as it says."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from shoptwin import config
from shoptwin.acquire.registry import plugins
from shoptwin.cli.app import cli

if TYPE_CHECKING:
    from pathlib import Path

GATEWAY = '[gateway]\nsite = "a"\nname = "b"\n'


def test_its_lists(how_to: Any, tmp_path: Path) -> None:
    """Each list of the page loads with the page's configuration, and `check` names it with the number of its tags."""
    page = how_to("tag-lists")
    (toml,) = page.blocks("toml")
    path = tmp_path / "shoptwin.toml"
    path.write_text(GATEWAY + toml)
    found = {}
    for text in page.blocks("csv"):
        (tmp_path / "press-3.csv").write_text(text)
        (machine,) = config.load(path, plugins()).machines
        found.update({tag.name: tag for tag in machine.tags})
        told = CliRunner().invoke(cli, ["check", "--config", str(path), "--json"])
        assert json.loads(told.output)["tag_lists"] == [
            {"file": str(tmp_path / "press-3.csv"), "machine": "press-3", "tags": len(machine.tags)}
        ]
    assert found["spindle_temp"].missing == (-32768,)
    assert found["mode"].labels == ((0, "off"), (1, "idle"), (2, "producing"))
    assert 27648 * found["tank_level"].scale + found["tank_level"].offset == 2.5


@pytest.mark.parametrize("profile", [each.id for each in plugins()["modbus"].profiles()])
def test_lists_from_profiles(profile: str, tmp_path: Path) -> None:
    """What a profile is printed as is a tag list, of which name, device and address are enough."""
    printed = CliRunner().invoke(cli, ["profiles", "show", profile, "--csv", "--device", "plc1"]).output
    rows = list(csv.DictReader(printed.splitlines()))
    least = "\n".join(["name,device,address", *(f"{row['name']},{row['device']},{row['address']}" for row in rows)])
    path = tmp_path / "shoptwin.toml"
    path.write_text(
        f'{GATEWAY}[[device]]\nname = "plc1"\ndriver = "modbus"\nurl = "tcp://192.0.2.1"\n'
        '[[machine]]\nname = "m"\ntag_list = "m.csv"\n'
    )
    found = []
    for text in (printed, least):
        (tmp_path / "m.csv").write_text(text)
        found.append(config.load(path, plugins()).tags)
    assert found[0] == found[1]
    (known,) = (each.tags for each in plugins()["modbus"].profiles() if each.id == profile)
    assert [(tag.address, tag.role, tag.unit, tag.scale, tag.missing, tag.labels) for tag in found[0]] == [
        (t.address, d.role, d.unit, d.scale, d.missing, d.labels) for t in known for d in [t.defaults]
    ]


def test_its_mistakes(how_to: Any, tmp_path: Path) -> None:
    """The mistakes that the page shows are told in these words."""
    page = how_to("tag-lists")
    (toml,) = page.blocks("toml")
    rows = [f"t{n},{'presure' if n == 2 else 'other'},{'plc1' if n == 1 else ''},input:{n}:int16" for n in range(8)]
    path = tmp_path / "shoptwin.toml"
    path.write_text(GATEWAY + toml)
    (tmp_path / "press-3.csv").write_text("\n".join(["name,role,device,address", *rows]))
    told = CliRunner().invoke(cli, ["check", "--config", str(path)]).stderr.splitlines()
    shown = [line.strip() for line in page.text.splitlines() if line.strip().startswith("press-3.csv row")]
    assert shown
    assert all(any(line in one for one in told) for line in shown), told
