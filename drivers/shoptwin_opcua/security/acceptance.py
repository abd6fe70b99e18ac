"""How a server is made to accept the gateway's certificate, by what the server is: a table of data, with sources."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import msgspec

ANYWHERE = (
    "accept it there: servers keep what they refused in a folder `rejected` or a page for refused or quarantined "
    "certificates; where there is none, import the file into the list of trusted clients"
)


class Server(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One kind of server; `do` says how a client's certificate is accepted there."""

    name: str
    marks: tuple[str, ...]
    do: str
    source: str


class Way(NamedTuple):
    """What to do, and at which kind of server; `server` is empty where it is not known."""

    server: str
    do: str


@cache
def servers() -> tuple[Server, ...]:
    """Return the table of acceptance.toml."""
    text = files("shoptwin_opcua.security").joinpath("acceptance.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text)["server"], tuple[Server, ...])


def way(*said: str) -> Way:
    """Return how a certificate is accepted at a server that says this of itself."""
    text = " ".join(said).lower()
    for server in servers():
        if any(mark in text for mark in server.marks):
            return Way(server.name, server.do)
    return Way("", ANYWHERE)
