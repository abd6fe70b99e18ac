"""Files that a configuration names: systemd credentials first, else paths relative to the configuration."""

from __future__ import annotations

import os
import stat
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

from shoptwin.config.settings import Secret

if TYPE_CHECKING:
    from shoptwin.config.lines import Path
    from shoptwin.config.problems import Problems

SECRETS = ("password_file", "key_file", "_key")
"""How the keys end whose files nobody else should read."""


class Files:
    """Finds files; one that is missing is a problem, or a note where it is not `required` (on the desk, say)."""

    def __init__(self, base: FilePath, problems: Problems, *, required: bool) -> None:
        self._base = base
        self._problems = problems
        self._required = required
        self.notes: list[str] = []

    def find(self, name: str, at: Path) -> FilePath:
        """Return the path of the credential or file `name`."""
        credentials = os.environ.get("CREDENTIALS_DIRECTORY")
        plain = "/" not in name
        if credentials and plain and (found := FilePath(credentials, name)).is_file():
            return found
        path = self._base / name
        if not path.is_file():
            self._missing(name, path, at, credential=plain)
        elif str(at[-1]).endswith(SECRETS) and path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
            whose = "its owner, the user who runs the daemon, should be the only one"
            self.notes.append(
                f"{'.'.join(map(str, at))} can be read by others ({path}); {whose}: chmod 600 {path.name}"
            )
        return path

    def secret(self, name: str, at: Path) -> Secret | None:
        """Return what stands in the file `name`, without the line's end."""
        path = self.find(name, at)
        try:
            text = path.read_text("utf-8").rstrip("\r\n")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not UTF-8"
            self._note(at, f"cannot be read ({path}): {why}", "let the user who runs the daemon read it")
            return None
        if not text:
            self._problems.add(at, f"names an empty file ({path})", "write the password into it")
        return Secret(text)

    def _missing(self, name: str, path: FilePath, at: Path, *, credential: bool) -> None:
        cure = f"put it there, or give systemd LoadCredential={name}:/a/path" if credential else "put it there"
        self._note(at, f"names no file: {path} is not there", cure)

    def _note(self, at: Path, what: str, cure: str) -> None:
        if self._required:
            self._problems.add(at, what, cure)
        else:
            self.notes.append(f"{'.'.join(map(str, at))} {what}; {cure}")
