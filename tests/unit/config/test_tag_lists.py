"""Tag lists from CSV: the same tags as from TOML, by the same rules, told by row and column."""
# ruff: noqa: E501 - one case a line

from __future__ import annotations

import csv
import io
import re
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest
import tomlkit
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from shoptwin.config.taglists import MOST_BYTES, columns
from shoptwin.domain.tag import Role

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from shoptwin.config import Config

DEVICE = '[[device]]\nname = "plc1"\ndriver = "fake"\nurl = "fake://192.0.2.10"\n'
MACHINE = '[[machine]]\nname = "press-3"\n'
LISTED = DEVICE + MACHINE + 'tag_list = "press-3.csv"\n'
ROW = "name,role,device,address\ntemp,temperature,plc1,h100\n"

TOML = """
[[machine.tag]]
name = "spindle_temp"
id = "press-3-spindle"
role = "temperature"
unit = "°C"
device = "plc1"
address = "h100"
scale = 0.1
offset = -40
period = "2s"
missing = [0x8000, 99.5]
limits = { hihi = 90, hi = 80.5, lo = 1, lolo = 1e-05, deadband = 1, on_delay = "10s", off_delay = "5s" }
report = { deadband = 0.5, percent = 1, heartbeat = "1m" }

[[machine.tag]]
name = "mode"
role = "state"
device = "plc1"
address = "h1"
labels = { 0 = "not ready", 1 = "running; fast" }
report = "change"

[[machine.tag]]
name = "pressure"
role = "pressure"
unit = "bar"
device = "plc1"
address = "h2"
current_loop = { raw = [4000, 20000], value = [-0.5, 10] }
report = { heartbeat = "10m" }

[[machine.tag]]
name = "raw"
role = "waveform"
device = "plc1"
address = "h3"
rate = 25600
"""
ROWS = [
    {
        "name": "spindle_temp", "id": "press-3-spindle", "role": "temperature", "unit": "°C", "device": "plc1",
        "address": "h100", "scale": "0.1", "offset": "-40.0", "period": "2s", "missing": "0x8000 99.5",
        "limits.hihi": "90", "limits.hi": "80.5", "limits.lo": "+1", "limits.lolo": "1E-05", "limits.deadband": "1",
        "limits.on_delay": "10s", "limits.off_delay": "5s", "report": "change", "report.deadband": "0.5",
        "report.percent": "1", "report.heartbeat": "1m",
    },
    {"# a comment": 'says "Mode",\non page 4; not 1=on'},
    {"name": "mode", "role": "state", "device": "plc1", "address": "h1", "labels": "0=not ready;1=running; fast", "report": "change"},
    {},
    {"name": "# out of use", "role": "nonsense"},
    {"name": "pressure", "role": "pressure", "unit": "bar", "device": "plc1", "address": " h2 ", "current_loop.raw": "4000 20000", "current_loop.value": "-0.5; 10", "report.heartbeat": "10m"},
    {"name": "raw", "role": "waveform", "device": "plc1", "address": "h3", "rate": "25600"},
]  # fmt: skip


def _written(rows: list[dict[str, str]], delimiter: str, **dialect: Any) -> str:
    """Write rows as a spreadsheet does, with a decimal comma where semicolons separate."""
    headings = [*columns(), "# a comment"]
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, **dialect)
    writer.writerow(headings)
    comma = (lambda text: re.sub(r"(?<=\d)\.(?=\d)", ",", text)) if delimiter == ";" else str
    writer.writerows([comma(row.get(heading, "")) for heading in headings] for row in rows)
    return file.getvalue()


@pytest.fixture
def listed(load: Callable[..., Config], tmp_path: Path) -> Callable[..., Config]:
    """Write a tag list beside the configuration and load both."""

    def listed(text: str, toml: str = LISTED, encoding: str = "utf-8") -> Config:
        (tmp_path / "press-3.csv").write_bytes(text.encode(encoding))
        return load(toml)

    return listed


@pytest.fixture
def told(problems: Callable[..., list[str]], tmp_path: Path) -> Callable[..., list[str]]:
    """As `listed`, where something is wrong: return what is told."""

    def told(text: str, toml: str = LISTED, encoding: str = "utf-8") -> list[str]:
        (tmp_path / "press-3.csv").write_bytes(dedent(text).encode(encoding))
        return problems(toml)

    return told


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize(("ending", "encoding"), [("\n", "utf-8"), ("\r\n", "utf-8-sig")])
def test_the_same_as_toml(listed: Any, load: Any, delimiter: str, ending: str, encoding: str) -> None:
    """A list gives the very tags that TOML gives, whichever spreadsheet has saved it."""
    text = _written(ROWS, delimiter, lineterminator=ending)
    assert listed(text, encoding=encoding).machines == load(DEVICE + MACHINE + TOML).machines


_texts = st.text(st.sampled_from("abc°/ ;,\t\"'#0=."), min_size=1, max_size=8).map(str.strip)
_numbers = st.floats(allow_nan=False, allow_infinity=False, width=32).filter(bool) | st.integers(1, 2**40)
_tags = st.fixed_dictionaries(
    {"role": st.sampled_from([role.value for role in Role if role is not Role.WAVEFORM])},
    optional={
        "unit": _texts, "scale": _numbers, "offset": _numbers, "missing": st.lists(_numbers, min_size=1, max_size=3),
        "labels": st.dictionaries(st.integers(-9, 70_000).map(str), st.sampled_from(["off", "not ready", "läuft"]), min_size=1, max_size=3),
        "limits.hi": _numbers, "limits.off_delay": st.sampled_from(["5s", "1h30m"]), "report.percent": st.integers(0, 100),
    },
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(_tags, min_size=1, max_size=4), st.sampled_from(",;\t"), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))  # fmt: skip
def test_any_tags(listed: Any, load: Any, tags: list[dict[str, Any]], delimiter: str, quoting: int) -> None:
    """Whatever is written into a list and into TOML alike is read alike."""
    # One number with a decimal comma could be two: that is told as a problem, see the test of it.
    assume(delimiter != ";" or not any(len(t.get("missing", ())) == 1 and "." in _cell(t["missing"]) for t in tags))
    tags = [{"name": f"t{n}", "device": "plc1", "address": f"h{n}", **tag} for n, tag in enumerate(tags)]
    tables, rows = [], []
    for tag in tags:
        table: dict[str, Any] = {}
        for key, value in tag.items():
            above, _, last = key.rpartition(".")
            (table.setdefault(above, {}) if above else table)[last] = value
        tables.append(table)
        rows.append({key: _cell(value) for key, value in tag.items()})
    document = tomlkit.dumps({"machine": [{"name": "press-3", "tag": tables}]})
    assert listed(_written(rows, delimiter, quoting=quoting)).machines == load(DEVICE + document).machines


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{number}={text}" for number, text in value.items())
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


@pytest.mark.parametrize(
    "cell",
    ["0=aus, 1=lauf,2=steht, warm", "0=aus,1=lauf, 2=steht, warm,", "0 = aus; 1=lauf ,2=steht, warm", "0=aus 1=lauf 2=steht, warm"],
)  # fmt: skip
def test_labels_apart(listed: Any, cell: str) -> None:
    """Commas separate labels as semicolons and blanks do, and stay within one where no number follows."""
    found = listed(ROW.replace("address\n", "address,labels\n").replace("h100\n", f'h100,"{cell}"\n'))
    assert found.tags[0].labels == ((0, "aus"), (1, "lauf"), (2, "steht, warm"))


def test_where_lists_are(load: Any, tmp_path: Path) -> None:
    """Paths begin at the configuration; the tags of the file come first, then those of each list."""
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "a.csv").write_text("name,role,device,address\na,other,plc1,h1\n")
    (tmp_path / "b.csv").write_text("name,role,device,address\nb,other,plc1,h2\nc,other,plc1,h3\n")
    names = f'tag_list = ["lists/a.csv", "{tmp_path / "b.csv"}"]\n'
    found = load(
        DEVICE + MACHINE + names + '[[machine.tag]]\nname = "x"\nrole = "other"\ndevice = "plc1"\naddress = "h9"\n'
    )
    assert [tag.name for tag in found.tags] == ["x", "a", "b", "c"]
    assert [(each.path, each.machine, each.tags) for each in found.tag_lists] == [
        (tmp_path / "lists" / "a.csv", "press-3", 1), (tmp_path / "b.csv", "press-3", 2),
    ]  # fmt: skip


def test_a_change_is_seen(listed: Any) -> None:
    """A list that says something else makes another configuration, as a reload compares them."""
    first = listed(ROW)
    assert listed(ROW + "# the same\n") == first
    assert listed(ROW.replace("h100", "h101")) != first


@pytest.mark.parametrize(
    ("text", "told_as"),
    [
        (ROW.replace("temperature", "temprature"), "press-3.csv row 2, column role: cannot be 'temprature'; did you mean 'temperature'?"),
        (ROW.replace("h100", "100"), "press-3.csv row 2, column address: is refused by fake: '100' is no address; Write a letter"),
        (ROW.replace("plc1", "plc2"), "press-3.csv row 2, column device: names no device ('plc2'); did you mean 'plc1'?"),
        (ROW.replace("h100", ""), "press-3.csv row 2: needs a value in the column 'address'; where it stands"),
        (ROW.replace("temperature", ""), "press-3.csv row 2: needs a value in the column 'role'; one of: vibration"),
        (ROW.replace("temp,", ","), "press-3.csv row 2: needs a value in the column 'name'; the tag's name"),
        (ROW.replace("temp,", "spindle temp,"), "press-3.csv row 2, column name: cannot be 'spindle temp': it has a space in it"),
        (ROW.replace("role", "rolle"), "press-3.csv row 1, column rolle: is not a known column; did you mean 'role'? a column for people begins with #: '# rolle'; known: name, role, id"),
        ("name,role,device,address,xyz\n", "press-3.csv row 1, column xyz: is not a known column; a column for people begins with #: '# xyz'; known: name, role, id"),
        ("name,role,device,address,name\n", "press-3.csv row 1, column name: is there twice"),
        (ROW.replace("address\n", "address,limits.hi\n").replace("h100\n", "h100,abc\n"), "press-3.csv row 2, column limits.hi: must be a number, not text ('abc')"),
        (ROW.replace("address\n", "address,limits.hi\n").replace("h100\n", "h100,80,5\n"), "press-3.csv row 2: has a cell that no heading stands above; a cell that has the separator in it stands in quotes; numbers have a decimal point here"),
        (ROW.replace("address\n", "address,limits.lo,limits.hi,unit\n").replace("h100\n", "h100,0,5,90,\n"), "press-3.csv row 2: has a cell that no heading stands above"),
        (ROW.replace("address\n", "address,limits.hi\n").replace("h100\n", 'h100,"80,5"\n'), "column limits.hi: must be a number, not text ('80,5')"),
        (ROW.replace("address\n", "address,scale\n").replace("h100\n", "h100,1.234\n").replace(",", ";"), "column scale: can be read in two ways (1.234); write 1,234 or 1234"),
        (ROW.replace("address\n", "address,limits.hi\n").replace("h100\n", "h100,1_500\n"), "press-3.csv row 2, column limits.hi: is no number as a table writes it (1_500); write 1500"),
        ("name;role;device;address;missing\nt;other;plc1;h1;9999,32767\n", "press-3.csv row 2, column missing: can be read in two ways (9999,32767); write 9999 32767 for several values, or 9999.32767 for one"),
        ("name;role;device;address;missing\nt;other;plc1;h1;9,999\n", "column missing: can be read in two ways (9,999); write 9 999 for several values, or 9.9990 for one"),
        ("name;role;device;address;missing\nt;other;plc1;h1;1,2,3\n", "press-3.csv row 2, column missing: can be read in two ways (1,2,3); write 1 2 3 for several values"),
        (ROW.replace("address\n", "address,missing\n").replace("h100\n", "h100,1 x\n"), "column missing: must be a number, not text ('x')"),
        (ROW.replace("address\n", "address,labels\n").replace("h100\n", "h100,off\n"), "column labels: is not understood ('off'); write 0=off 1=running"),
        (ROW.replace("address\n", "address,labels\n").replace("h100\n", "h100,0=off 0=on\n"), "column labels: names a value twice"),
        (ROW.replace("address\n", "address,labels\n").replace("h100\n", "h100,x=off\n"), "column labels: is not a whole number"),
        (ROW.replace("address\n", "address,current_loop.raw\n").replace("h100\n", "h100,4000 20000\n"), "press-3.csv row 2: needs a value in the column 'current_loop.value'"),
        (ROW.replace("address\n", "address,report,report.percent\n").replace("h100\n", "h100,each,1\n"), "column report: cannot be 'each' beside report.percent; leave one empty"),
        (ROW.replace("address\n", "address,report\n").replace("h100\n", "h100,changes\n"), "column report: cannot be 'changes'; did you mean 'change'?"),
        (ROW.replace("temperature", "waveform").replace("address\n", "address,limits.hi\n").replace("h100\n", "h100,1\n"), "press-3.csv row 2: limits cannot judge a waveform"),
        (ROW + '"a,b\nc,d\n', "press-3.csv row 3: is not CSV: unexpected end of data"),
        ("# nothing\n", "shoptwin.toml:10: machine[0].tag_list names an empty list (press-3.csv)"),
    ],
)  # fmt: skip
def test_told(told: Any, text: str, told_as: str) -> None:
    """Each mistake in a list is told with its row, its column and its cure."""
    (found,) = told(text)
    assert told_as in found
    assert found.startswith(("press-3.csv row ", "shoptwin.toml:10: "))


def test_many_rows_alike(told: Any) -> None:
    """What is wrong alike in many rows is told once with all of them."""
    rows = [f"t{n},{'presure' if n in {3, 7, 8, 9} else 'other'},plc1,h{n}" for n in range(12)]
    assert told("name,role,device,address\n" + "\n".join(rows)) == [
        "press-3.csv rows 5, 9-11, column role: cannot be 'presure'; did you mean 'pressure'?"
    ]
    assert told("name,role,address\n" + "\n".join(f"t{n},other,h{n}" for n in range(12))) == [
        "press-3.csv rows 2-13: needs a value in the column 'device'; one of: plc1"
    ]


def test_both_places(told: Any) -> None:
    """What is there twice, in the file, in one list or in two, is told with both places."""
    twice = '[[machine.tag]]\nname = "temp"\nrole = "other"\ndevice = "plc1"\naddress = "h1"\n'
    other = f'[[machine]]\nname = "b"\n{twice.replace("temp", "t")}id = "press-3.x"\n'
    assert told(ROW + "x,other,plc1,h1\nx,other,plc1,h1\n", LISTED + twice + other) == [
        "press-3.csv row 2, column name: 'temp' is already the name of a tag of this machine, on line 12 of shoptwin.toml; each needs its own",
        "press-3.csv row 4, column name: 'x' is already the name of a tag of this machine, in row 3; each needs its own",
        "shoptwin.toml:23: machine[1].tag[0].id 'press-3.x' is already the name of a tag (by id), in press-3.csv row 3; each needs its own",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "told_as"),
    [
        ('"gone.csv"', "machine[0].tag_list names no file"),
        ('["press-3.csv", "gone.csv"]', "machine[0].tag_list[1] names no file"),
        ('["press-3.csv", "press-3.csv"]', "machine[0].tag_list[1] names 'press-3.csv' twice"),
        ('"."', "machine[0].tag_list cannot be read"),
        ('"/dev/zero"', "machine[0].tag_list cannot be read (/dev/zero): it is no file"),
        ('"a\\u0000b"', "machine[0].tag_list names no file"),
        ('"large.csv"', "machine[0].tag_list cannot be read"),
        ("5", "machine[0].tag_list must be text in quotes or a list, not a whole number (5)"),
        ("[5]", "machine[0].tag_list[0] must be text in quotes, not a whole number (5)"),
    ],
)
def test_lists_that_cannot_be_read(told: Any, tmp_path: Path, value: str, told_as: str) -> None:
    """A list that is not there, or no list, is told where the configuration names it."""
    with (tmp_path / "large.csv").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    (found,) = told(ROW, LISTED.replace('"press-3.csv"', value))
    assert f"shoptwin.toml:10: {told_as}" in found


@pytest.mark.parametrize("begin", ["PK\x03\x04", "\xd0\xcf\x11\xe0"])
def test_a_workbook(told: Any, begin: str) -> None:
    """A workbook is told as that, with the way to a list."""
    (found,) = told(begin + "\0\0", encoding="latin-1")
    assert "machine[0].tag_list names a workbook (" in found
    assert found.endswith("save the sheet as CSV UTF-8, and name that file here")


def test_capitals_in_headings(listed: Any) -> None:
    """Headings may be written with capitals."""
    assert listed(ROW.replace("name,role", "Name,ROLE")) == listed(ROW)


def test_unknown_headings(told: Any) -> None:
    """Of unknown headings the first lists the columns that there are; each is told how a column for people begins."""
    first, second = told(ROW.replace("address\n", "address,Where,Drawing\n").replace("h100\n", "h100,,\n"))
    assert (
        "column Where: is not a known column; a column for people begins with #: '# Where'; known: name, role" in first
    )
    assert second.endswith("column Drawing: is not a known column; a column for people begins with #: '# Drawing'")


def test_not_utf8(told: Any) -> None:
    """A list in the code page of an old spreadsheet is told by the row, with the way out."""
    text = ROW.replace("address\n", "address,unit\n").replace("h100\n", "h100,°C\n")
    assert told(text, encoding="cp1252") == ["press-3.csv row 2: is not UTF-8; a spreadsheet saves it as 'CSV UTF-8'"]


def test_all_at_once(told: Any) -> None:
    """Mistakes of the file and of its lists are told in one go, in the order of the file, a list's rows below its name."""
    toml = LISTED.replace('"press-3"', '"press 3"') + "ara = 5\n"
    found = told(ROW.replace("h100", "100").replace("temp,", "te mp,") + "b,othr,plc1,h1\n", toml)
    assert [line.split(" ")[:3] for line in found] == [
        ["shoptwin.toml:9:", "machine[0].name", "cannot"],
        ["press-3.csv", "row", "2,"], ["press-3.csv", "row", "2,"], ["press-3.csv", "row", "3,"],
        ["shoptwin.toml:11:", "machine[0].ara", "is"],
    ]  # fmt: skip
