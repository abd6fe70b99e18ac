"""The reference describes all that there is, and nothing that there is not."""

from __future__ import annotations

import importlib
import json
import re
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
import pytest

from shoptwin.acquire.registry import plugins
from shoptwin.alarms.iso20816 import CLASSES
from shoptwin.assess.prognosis import FAILURE, index
from shoptwin.cli.app import cli
from shoptwin.config import forms
from shoptwin.config.taglists import columns
from shoptwin.domain import errors
from shoptwin.domain.device import TagDefaults
from shoptwin.domain.tag import Role
from shoptwin.serve.rest import application

if TYPE_CHECKING:
    from collections.abc import Iterator

SECTIONS: dict[str, type[msgspec.Struct]] = {
    "`[gateway]`": forms.GatewayForm,
    "`[mqtt]`": forms.MqttForm,
    "`[store]`": forms.StoreForm,
    "`[models]`": forms.ModelsForm,
    "`[serve]`": forms.ServeForm,
    "`[[device]]`": forms.DeviceForm,
    "`[[machine]]`": forms.MachineForm,
    "`[machine.learning]`": forms.LearningForm,
    "`[machine.state]`": forms.StateForm,
    "`[[machine.bearing]]`": forms.BearingForm,
    "`[[machine.gear]]`": forms.GearForm,
    "`[[machine.tag]]`": forms.TagForm,
    "`[machine.tag.limits]`": forms.LimitsForm,
    "`[machine.tag.current_loop]`": forms.CurrentLoopForm,
    "`[machine.tag.report]`": forms.ReportForm,
}


def _rows(section: str) -> dict[str, list[str]]:
    """Return the rows of the tables in a section, by their first cell."""
    rows = re.findall(r"^\| (.+) \|$", section, re.MULTILINE)
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)] for row in rows]
    return {row[0]: row for row in cells if not set(row[0]) <= set("- ")}


def _default(field: Any) -> str:
    if field.required:
        return "required"
    if field.default is None:
        return "none"
    if field.default is msgspec.NODEFAULT:
        return f"`{json.dumps(field.default_factory())}`"
    if isinstance(field.default, msgspec.Struct | tuple):
        return ""
    return f"`{json.dumps(field.default)}`"


@pytest.mark.parametrize("section", SECTIONS)
def test_configuration(reference: Any, section: str) -> None:
    """Every key of every table is described with its default."""
    rows = _rows(reference("configuration").sections()[section])
    described = {key.strip("`"): row[1] for key, row in rows.items() if key != "key"}
    assert described == {f.encode_name: _default(f) for f in msgspec.structs.fields(SECTIONS[section])}
    assert all(row[2] for row in rows.values())


def test_every_table_has_a_section() -> None:
    """No form of the configuration was forgotten above."""
    there = {form for form in vars(forms).values() if isinstance(form, type) and issubclass(form, msgspec.Struct)}
    assert there - set(SECTIONS.values()) == {msgspec.Struct, forms.Form, forms.FileForm, forms.RecordingForm} & there


def test_roles_and_classes(reference: Any) -> None:
    """Every role is described, and every ISO class with the figures that the alarms use."""
    sections = reference("configuration").sections()
    assert {key.strip("`") for key in _rows(sections["Roles"])} - {"role"} == {role.value for role in Role}
    classes = {key.strip("`"): row for key, row in _rows(sections["ISO 20816 classes"]).items() if key != "class"}
    assert {name: (float(row[2]), float(row[3])) for name, row in classes.items()} == {
        name: (found.bc, found.cd) for name, found in CLASSES.items()
    }


def test_columns_of_tag_lists(reference: Any) -> None:
    """Every column of a tag list is described, and none that there is not."""
    rows = _rows(reference("configuration").sections()["Tag lists"])
    described = [column for cell in rows for column in re.findall(r"`([\w.]+)`", cell)]
    assert sorted(described) == sorted(columns())
    assert set(
        re.findall(r"`(\w+)`", re.split(r"Each of|that such", reference("configuration").sections()["Profiles"])[1])
    ) == {field.name for field in fields(TagDefaults) if field.name not in {"loop", "text"}} | {"current_loop"}


def _commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for each in command.list_commands(context):
            sub = command.get_command(context, each)
            assert sub is not None
            yield from _commands(sub, f"{name} {sub.name}")


def test_every_command(reference: Any) -> None:
    """The command line's reference has a section for each command and no other."""
    sections = {heading.strip("`") for heading in reference("cli").sections()} - {"Command line"}
    assert sections == {name for name, _ in _commands(cli, "shoptwin")}


@pytest.mark.parametrize(("name", "command"), list(_commands(cli, "shoptwin")), ids=str)
def test_every_option(reference: Any, name: str, command: click.Command) -> None:
    """Every option of a command is described, and none that there is not."""
    rows = _rows(reference("cli").sections()[f"`{name}`"])
    described = {option for key in rows for option in re.findall(r"`(--?[\w-]+)`", key)}
    options = {o for p in command.params if isinstance(p, click.Option) for o in (*p.opts, *p.secondary_opts)}
    assert described == options | ({"--help"} if name == "shoptwin" else set())


def test_exit_codes(reference: Any) -> None:
    """Every exit code of a foreseen error is described."""
    described = set(map(int, re.findall(r"^\| (\d+) \|", reference("cli").text, re.MULTILINE)))
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ShoptwinError)
    ]
    assert described == {kind.exit_code for kind in kinds} | {0, 2}


def test_rest(reference: Any) -> None:
    """Every route is described with its method."""
    described = set(re.findall(r"^\| `((?:GET|POST) /[\w/-]+)`", reference("rest").text, re.MULTILINE))
    routes: list[Any] = application(None).routes  # type: ignore[arg-type]
    assert described == {f"{method} {route.path}" for route in routes for method in route.methods - {"HEAD"}}


@pytest.mark.parametrize("name", plugins())
def test_settings_of_drivers(name: str) -> None:
    """Every setting of a driver is described in its README."""
    plugin = plugins()[name]
    package = importlib.import_module(type(plugin).__module__.partition(".")[0])
    readme = (Path(str(package.__file__)).parent / "README.md").read_text("utf-8")
    missing = [f.encode_name for f in msgspec.structs.fields(plugin.Settings) if f"`{f.encode_name}`" not in readme]
    assert not missing


def test_words_have_a_source(reference: Any) -> None:
    """Every word has a meaning and a source, and none comes twice."""
    text = reference("words").text
    rows = _rows(text)
    assert len(rows) > 30
    assert all(len(row) == 3 and all(row) for row in rows.values())
    assert text.count("\n| ") == len(rows) + 1


def test_prognosis_has_its_tables_and_meets_its_goal() -> None:
    """The page of prognosis holds its tables; where they are told as shipped, the intervals hold what they promise."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "prognosis.md").read_text("utf-8")
    made = page.partition("<!-- table: begin -->")[2].partition("<!-- table: end -->")[0]
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in made.splitlines() if line.startswith("|")]
    headings = [row[:2] for row in rows if row[0] == "family"]
    assert headings == [["family", "failure level"], ["family", "of its life"], ["family", "recordings"]]
    shipped = {row[0]: int(row[5].rstrip("%")) for row in rows if row[1] == "as shipped"}
    assert shipped.keys() == {"femto", "cmapss", "all"}
    assert all(70 <= held <= 90 for held in shipped.values())
    assert f"shipped: {FAILURE.median:g} and {FAILURE.spread:g}." in made


def test_the_index_is_described_as_it_is(reference: Any) -> None:
    """The table of what an index means gives the index that the code gives."""
    rows = _rows(reference("prognosis").sections()["The health index"])
    told = {int(i): float(row[1].split()[0]) for i, row in rows.items() if i.isdigit()}
    assert set(told) == {100, 67, 50, 33, 0}
    assert {round(index(score)) for score in told.values()} == set(told)


def test_detection_has_its_table() -> None:
    """The page of detection holds the yardstick's table in all six tellings, and counts what is missed as marked."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "detection.md").read_text("utf-8")
    table = page.partition("<!-- table: begin -->")[2].partition("<!-- table: end -->")[0]
    heading, _, *rows = [[c.strip() for c in line.strip("|").split("|")] for line in table.strip().splitlines()]
    assert heading == ["family", "figure", "goal", "to beat", "as-is", "1", "2", "3", "4", "5"]
    assert {row[0] for row in rows} == {"skab", "nab", "femto", "gearbox", "cmapss", "tep", "genesis", "cwru", "all"}
    *rows, last = rows
    assert last[4:] == [str(sum(row[k].endswith("✗") for row in rows)) for k in range(4, 10)]
