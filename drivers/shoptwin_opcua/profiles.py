"""What is known of kinds of servers, small PLCs above all: tables of data in `profiles/`, each with its sources."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Profile(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One kind of server. A figure of 0 is not known."""

    vendor: str
    models: tuple[str, ...]
    source: tuple[str, ...]
    """Where each figure comes from: documents and pages."""
    marks: tuple[str, ...]
    """What such a server says of itself in its BuildInfo (Part 5, 12.4), in lower case; one of them must occur."""
    mode: Literal["auto", "poll"] = "auto"
    """What suits it, where the configuration leaves it open (`mode = "auto"`)."""
    nodes_per_read: int = 0
    items_per_call: int = 0
    nodes_per_browse: int = 0
    sessions: int = 0
    subscriptions: int = 0
    """That one session may have."""
    items: int = 0
    """Nodes that it watches for all clients together."""
    publishing_ms: float = 0.0
    sampling_ms: float = 0.0
    """The shortest intervals that it keeps."""
    filters: bool = True
    """Whether it knows DataChangeFilters: triggers and deadbands."""
    notes: str = ""

    def __post_init__(self) -> None:
        """Check what types cannot say. Raises ValueError."""
        if not self.models or not self.source or not self.marks:
            raise ValueError("a profile names models, sources and marks")
        if any(mark != mark.lower() or not mark.strip() for mark in self.marks):
            raise ValueError("marks are in lower case")


@cache
def profiles() -> Mapping[str, Profile]:
    """Return all profiles by id, which is the name of the file."""
    folder = files("shoptwin_opcua").joinpath("profiles")
    found = {}
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".toml"):
            found[file.name.removesuffix(".toml")] = msgspec.convert(tomllib.loads(file.read_text("utf-8")), Profile)
    return found


def recognised(said: Iterable[str]) -> str:
    """Return the id of the profile that fits what a server says of itself, empty for none.

    The longest mark that occurs decides: `s7-1200` before `simatic`.
    """
    text = "\n".join(said).lower()
    fitting = [(len(mark), id_) for id_, profile in profiles().items() for mark in profile.marks if mark in text]
    return max(fitting)[1] if fitting else ""


def sessions_of(id_: str) -> str:
    """Return how many sessions such a server has, for people; empty where that is not known."""
    profile = profiles().get(id_)
    most = 0 if profile is None else profile.sessions
    return f"; such a server has {most} for all its clients together (profile {id_})" if most else ""
