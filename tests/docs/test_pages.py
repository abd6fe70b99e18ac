"""Every page: its snippets, its commands and its links (docs/README.md says what holds)."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import click
import pytest

from shoptwin import config
from shoptwin.acquire.registry import plugins
from shoptwin.cli.app import cli

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
IMAGE = re.compile(r"!\[[^\]]*\]\(([^)\s]+)\)")
CLOSES = {"|", ">", ">>", "&&", "||", "&", ";", "<", "2>", "#"}


def test_toml(page: Any, tmp_path: Path) -> None:
    """Every TOML snippet parses, and one with [gateway] is a whole configuration that loads."""
    for block in page.blocks("toml"):
        tables = tomllib.loads(block)
        if "gateway" in tables:
            path = tmp_path / "shoptwin.toml"
            path.write_text(block)
            config.load(path, plugins(), secrets=False)


def _command_lines(page: Any) -> list[list[str]]:
    """Return the command lines of `shoptwin` in the page's shell blocks, as words."""
    found = []
    for block in page.blocks("sh", "bash", "console", "shell"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            words = words[1:] if words[:1] == ["sudo"] else words
            if words and Path(words[0]).name == "shoptwin":
                end = next((n for n, word in enumerate(words) if word in CLOSES), len(words))
                found.append(words[1:end])
    return found


def _parse(command: click.Command, words: list[str], name: str) -> None:
    """Parse a command line with its subcommands, as click would, without running anything."""
    with command.make_context(name, list(words)) as ctx:
        rest = [*ctx._protected_args, *ctx.args]
        if isinstance(command, click.Group) and rest:
            _, found, left = command.resolve_command(ctx, rest)
            assert found is not None
            _parse(found, left, f"{name} {rest[0]}")


def test_commands(page: Any) -> None:
    """Every command line of `shoptwin` on the page is one that exists."""
    for words in _command_lines(page):
        try:
            _parse(cli, words, "shoptwin")
        except click.exceptions.Exit:
            continue
        except click.BadParameter as error:
            if "does not exist" not in error.message:  # a recording of the reader's own
                pytest.fail(f"shoptwin {shlex.join(words)}: {error.format_message()}")
        except click.UsageError as error:
            pytest.fail(f"shoptwin {shlex.join(words)}: {error.format_message()}")


def test_links(page: Any) -> None:
    """Every link within the repository leads to a file that is there, and to a heading of it."""
    missing = []
    for target in [*LINK.findall(page.prose), *IMAGE.findall(page.prose)]:
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        place, _, anchor = unquote(target).partition("#")
        path = (page.path.parent / place).resolve() if place else page.path
        if (
            not path.exists()
            or not path.is_relative_to(ROOT)
            or (anchor and path.suffix == ".md" and anchor not in type(page)(path).anchors())
        ):
            missing.append(target)
    assert not missing


def test_every_page_is_linked(page: Any) -> None:
    """A page of docs can be found: another page links to it (the index itself is where one begins)."""
    docs = ROOT / "docs"
    if not page.path.is_relative_to(docs) or page.path == docs / "README.md":
        return
    others = [path for path in [ROOT / "README.md", *docs.rglob("*.md")] if path != page.path]
    linked = {
        (other.parent / target.partition("#")[0]).resolve()
        for other in others
        for target in LINK.findall(other.read_text("utf-8"))
    }
    assert page.path in linked


def test_no_place_of_one_machine(page: Any) -> None:
    """No page names a path that only its writer's computer has."""
    assert not re.search(r"(?<![\w.])/(?:work|tmp|home/\w+|Users)/", page.text)
