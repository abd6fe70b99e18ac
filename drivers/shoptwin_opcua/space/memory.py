"""What a connection learns of its server that outlives it: namespaces, its kind, and until when data came."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from shoptwin.sdk import StatusCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shoptwin_opcua.address import NodeAddress


class _Kept(msgspec.Struct, omit_defaults=True):
    """As it is kept, in JSON."""

    namespaces: dict[int, str] = {}
    since: int = 0
    profile: str = ""


@dataclass(slots=True)
class Memory:
    """Begins empty, is filled by `recall`, and told by `news`."""

    namespaces: dict[int, str] = field(default_factory=dict)
    """The URIs that stood behind the indices of addresses when these were first used."""
    since: int = 0
    """Until when data came, ns UTC by the server's clock; 0: not known, or nobody has a history of it."""
    profile: str = ""
    """The id of the profile that held, empty for none."""
    moved: dict[int, str] = field(default_factory=dict)
    """Indices behind which stands another URI now: what is wrong, for people."""
    _told: str = "{}"

    def recall(self, text: str) -> None:
        """Take up what was kept; what cannot be understood is as good as nothing."""
        try:
            kept = msgspec.json.decode(text, type=_Kept)
        except msgspec.DecodeError:
            return
        self.namespaces, self.since, self.profile = dict(kept.namespaces), kept.since, kept.profile
        self._told = self._text()

    def news(self) -> str | None:
        """Return what to keep, None where it is what was kept before."""
        before, self._told = self._told, self._text()
        return None if self._told == before else self._told

    def _text(self) -> str:
        return msgspec.json.encode(_Kept(self.namespaces, self.since, self.profile)).decode()

    def index(self, address: NodeAddress, namespaces: Sequence[str]) -> tuple[int | None, StatusCode]:
        """Return the namespace that an address means at a server that has these; None, and why, where there is none.

        An index is a promise that nobody has given (Part 4, 5.6.2: clients shall not persist them): where another URI
        stands behind it than at first, its nodes may be others by the same name.
        """
        index = address.index(namespaces)
        if index is None:
            return None, StatusCode.BAD_NODE_ID_UNKNOWN
        if not index or not isinstance(address.namespace, int) or not namespaces:
            return index, StatusCode.GOOD
        if index >= len(namespaces) or not namespaces[index]:
            return None, StatusCode.BAD_NODE_ID_UNKNOWN
        uri = namespaces[index]
        first = self.namespaces.setdefault(index, uri)
        if uri == first:
            self.moved.pop(index, None)
            return index, StatusCode.GOOD
        where = f"{first} is ns={namespaces.index(first)} now" if first in namespaces else f"{first} is gone"
        self.moved[index] = f"was {first} and is {uri} now; {where}: write nsu=<its URI> instead of ns={index}"
        return None, StatusCode.BAD_CONFIGURATION_ERROR
