"""The map from key paths to lines, against what tomllib reads from the same text."""

from __future__ import annotations

import tomllib
from datetime import datetime
from typing import Any

import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from shoptwin.config.lines import locate

TRICKY = """\
top = 1  # a comment with "quotes" and [brackets]
"quoted key" = '''
[not.a.header]
'still not' = 1'''
a.b.'c d'.e = { x = [1, { y = "}" }], z = "]" }
text = "a \\" quote # no comment" # comment
list = [  # comment ]
  "one", 'two',
  [3, 4], # nested
  { five = 5 },
]
when = 2026-12-01T06:00:00Z
blob = \"\"\"one \\" two \"\" three\"\"\"\"

[plain]
x = 1
[plain.inner]
y = 2

[[many]]
n = 1
[many.sub]
deep = 1
[[many.leaf]]
v = 1
[[many.leaf]]
v = 2

[[many]]
n = 2
[[many.leaf]]
v = 3
[ spaced . "out" ]
k = 1
"""


def test_tricky() -> None:
    """Quoted, dotted and nested keys, comments, multi-line texts and arrays of tables keep their lines."""
    lines = locate(TRICKY)
    expected: dict[tuple[str | int, ...], int] = {
        ("top",): 1, ("quoted key",): 2, ("a",): 5, ("a", "b", "c d", "e", "x", 1, "y"): 5,
        ("a", "b", "c d", "e", "z"): 5,
        ("text",): 6, ("list",): 7, ("list", 0): 8, ("list", 2, 1): 9, ("list", 3, "five"): 10, ("when",): 12,
        ("blob",): 13,
        ("plain",): 15, ("plain", "x"): 16, ("plain", "inner", "y"): 18, ("many",): 20, ("many", 0, "n"): 21,
        ("many", 0, "sub", "deep"): 23, ("many", 0, "leaf", 0, "v"): 25, ("many", 0, "leaf", 1, "v"): 27,
        ("many", 1): 29, ("many", 1, "n"): 30, ("many", 1, "leaf", 0, "v"): 32, ("spaced", "out", "k"): 34,
    }  # fmt: skip
    assert {path: lines.get(path) for path in expected} == expected


def _paths(value: Any, at: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    found = {at}
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found |= _paths(item, (*at, key))
    return found


_keys = st.text(min_size=1, max_size=6) | st.sampled_from(["a", "b-c", "d.e", "'", '"', "#", "[x]", "="])
_scalars = (
    st.integers(-(2**63), 2**63 - 1)
    | st.booleans()
    | st.text(max_size=8)
    | st.floats(allow_nan=False)
    | st.datetimes(min_value=datetime(1970, 1, 1))  # noqa: DTZ001 - TOML knows local times
)
_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=3), max_leaves=12
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(_keys, _values | st.lists(st.dictionaries(_keys, _values, max_size=3), max_size=3), max_size=4))
def test_every_key_has_a_line(document: dict[str, Any]) -> None:
    """Whatever a TOML writer writes, every key and element that tomllib reads has a line of the text."""
    text = tomlkit.dumps(document)
    read = tomllib.loads(text)
    lines = locate(text)
    assert _paths(read) <= lines.keys()
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())
