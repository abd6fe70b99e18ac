"""On which line each key of a TOML text stands; the text is known to be valid TOML (tomllib has read it)."""

from __future__ import annotations

import re
import tomllib

Path = tuple[str | int, ...]
"""A key path: texts for keys, numbers for places in arrays: `("machine", 0, "tag", 1, "address")`."""

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_QUOTED = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'')
_TEXT = re.compile(r'"""(?s:(?:[^\\]|\\.)*?)"""+|\'\'\'(?s:.*?)\'\'\'+|' + _QUOTED.pattern)
_SCALAR = re.compile(r"[^,\]}\n#]*")


def locate(text: str) -> dict[Path, int]:
    """Return the line, counted from 1, of every table, key and array element of a valid TOML text."""
    return _Scanner(text).run()


class _Scanner:
    """One pass over the text. `at` is where it stands."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.lines: dict[Path, int] = {(): 1}
        self._counted, self._line = 0, 1
        self._tables: dict[Path, int] = {}

    def run(self) -> dict[Path, int]:
        """Read statement by statement: a header names the table in which the next keys stand."""
        table: Path = ()
        while self._skip() < len(self.text):
            if self.text.startswith("[", self.at):
                table = self._header()
            else:
                self._pair(table)
        return self.lines

    def _skip(self) -> int:
        """Step over blanks, line ends and comments."""
        found = _BLANK.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.at

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if found is None:  # pragma: no cover - tomllib has accepted the text
            raise AssertionError(self.text[self.at : self.at + 40])
        self.at = found.end()
        return found[0]

    def _mark(self, path: Path) -> None:
        self._line += self.text.count("\n", self._counted, self.at)
        self._counted = self.at
        self.lines.setdefault(path, self._line)

    def _key(self) -> tuple[str, ...]:
        """Read a dotted key."""
        parts: list[str] = []
        while True:
            self._skip()
            if self.text[self.at] in "\"'":
                parts.append(tomllib.loads(f"k = {self._take(_QUOTED)}")["k"])
            else:
                parts.append(self._take(_BARE))
            self._skip()
            if not self.text.startswith(".", self.at):
                return tuple(parts)
            self.at += 1

    def _header(self) -> Path:
        many = self.text.startswith("[[", self.at)
        start = self.at
        self.at += 1 + many
        *above, last = self._key()
        end = self.at + 1 + many
        self.at = start
        path: Path = ()
        for part in above:
            path = self._inside((*path, part))
            self._mark(path)
        path = (*path, last)
        self._mark(path)
        if many:
            self._tables[path] = self._tables.get(path, -1) + 1
            path = self._inside(path)
            self._mark(path)
        self.at = end
        return path

    def _inside(self, path: Path) -> Path:
        """Return the path of the latest element, where `path` is an array of tables."""
        return (*path, self._tables[path]) if path in self._tables else path

    def _pair(self, table: Path) -> None:
        self._skip()
        start, path = self.at, table
        key = self._key()
        end, self.at = self.at, start
        for part in key:
            path = (*path, part)
            self._mark(path)
        self.at = end + 1  # the sign of equality
        self._value(path)

    def _value(self, path: Path) -> None:
        self._skip()
        opening = self.text[self.at]
        if opening in "\"'":
            self._take(_TEXT)
        elif opening == "[":
            self._list(path)
        elif opening == "{":
            self._inline(path)
        else:
            self._take(_SCALAR)

    def _list(self, path: Path) -> None:
        self.at += 1
        n = 0
        while self.text[self._skip()] != "]":
            self._mark((*path, n))
            self._value((*path, n))
            n += 1
            if self.text[self._skip()] == ",":
                self.at += 1
        self.at += 1

    def _inline(self, path: Path) -> None:
        self.at += 1
        while self.text[self._skip()] != "}":
            self._pair(path)
            if self.text[self._skip()] == ",":
                self.at += 1
        self.at += 1
