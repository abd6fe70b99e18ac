from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<kind>[\w+-]*)[^\n]*\n(?P<text>.*?)^(?P=indent)```[ \t]*$", re.DOTALL | re.MULTILINE
)


@dataclass(frozen=True)
class Page:
    """One Markdown file of the repository."""

    path: Path

    @property
    def text(self) -> str:
        return self.path.read_text("utf-8")

    @property
    def prose(self) -> str:
        """The text without code blocks."""
        return FENCE.sub("", self.text)

    def blocks(self, *kinds: str) -> list[str]:
        """Return the code blocks of these kinds."""
        return [found["text"] for found in FENCE.finditer(self.text) if found["kind"] in kinds]

    def sections(self) -> dict[str, str]:
        """Return what stands under each heading, by the heading's text."""
        parts = re.split(r"^#{1,6} +(.+?)\s*$", self.text, flags=re.MULTILINE)
        return dict(zip(parts[1::2], parts[2::2], strict=True))

    def anchors(self) -> set[str]:
        """Return the anchors of the headings, as GitHub makes them."""
        names = re.findall(r"^#{1,6} +(.+?)\s*$", self.prose, re.MULTILINE)
        return {re.sub(r"[^\w\- ]", "", name.lower()).replace(" ", "-") for name in names}


def pages() -> list[Page]:
    """Return every page: the README, docs, and the READMEs of drivers and models."""
    found = [ROOT / "README.md", ROOT / "CHANGELOG.md"]
    for folder, pattern in (("docs", "**/*.md"), ("drivers", "*/*.md"), ("models", "**/*.md"), ("deploy", "**/*.md")):
        found += sorted((ROOT / folder).glob(pattern))
    return [Page(path) for path in found if path.is_file()]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes a `page` once for each."""
    if "page" in metafunc.fixturenames:
        found = pages()
        metafunc.parametrize("page", found, ids=[str(page.path.relative_to(ROOT)) for page in found])


@pytest.fixture
def reference() -> type[Page]:
    """Give the pages of docs/reference by name."""

    class Reference(Page):
        def __init__(self, name: str) -> None:
            super().__init__(ROOT / "docs/reference" / f"{name}.md")

    return Reference


@pytest.fixture
def how_to() -> type[Page]:
    """Give the pages of docs/how-to by name."""

    class HowTo(Page):
        def __init__(self, name: str) -> None:
            super().__init__(ROOT / "docs/how-to" / f"{name}.md")

    return HowTo
