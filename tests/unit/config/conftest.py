from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from shoptwin import config
from shoptwin.domain.errors import BadAddress, ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEAD = """\
[gateway]
site = "plant-1"
name = "gw"
"""


class Retry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    times: int = 3


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The settings of a driver that is for these tests alone."""

    url: str
    unit: int = 1
    retry: Retry = Retry()
    password_file: str = ""
    order: str | None = None

    def __post_init__(self) -> None:
        if self.unit > 247:
            raise ValueError("unit must be at most 247")


class Place(msgspec.Struct, frozen=True):
    """An address, which does not say what is read there."""

    text: str
    kind: None = None


class Plugin:
    """A driver whose addresses are a letter and digits."""

    name = "fake"
    Settings = Settings
    schemes = ("fake",)

    def parse_address(self, text: str) -> Place:
        if not (text[:1].isalpha() and text[1:].isdecimal()):
            raise BadAddress(f"{text!r} is no address", "Write a letter and digits, such as h100")
        return Place(text)

    def open(self, settings: Settings) -> Any:
        raise NotImplementedError

    def loopback(self, settings: Settings) -> bool:
        return "127.0.0.1" in settings.url


@pytest.fixture
def plugins() -> dict[str, Any]:
    return {"fake": Plugin()}


@pytest.fixture(autouse=True)
def _outside_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CREDENTIALS_DIRECTORY", "STATE_DIRECTORY", "RUNTIME_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def load(tmp_path: Path, plugins: dict[str, Any]) -> Callable[..., config.Config]:
    """Write a text (dedented, after a [gateway] unless it has one) to shoptwin.toml and load it."""

    def load(text: str, **options: Any) -> config.Config:
        path = tmp_path / "shoptwin.toml"
        text = dedent(text).lstrip()
        path.write_text(text if "[gateway]" in text else HEAD + text)
        return config.load(path, plugins, **options)

    return load


@pytest.fixture
def problems(load: Callable[..., config.Config]) -> Callable[..., list[str]]:
    """Load a text that is wrong and return what it is told, a line a problem."""

    def problems(text: str, **options: Any) -> list[str]:
        with pytest.raises(ConfigError) as wrong:
            load(text, **options)
        assert wrong.value.exit_code == 78
        return wrong.value.message.splitlines()

    return problems
