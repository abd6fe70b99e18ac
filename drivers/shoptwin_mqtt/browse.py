"""What is published: each value that was heard within some seconds, with the address to copy, as it comes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shoptwin.sdk import BadAddress, StatusCode, TagCandidate, ValueKind
from shoptwin_mqtt import pointer
from shoptwin_mqtt.address import SPARKPLUG, parse
from shoptwin_mqtt.edge import CERTIFICATES, origin
from shoptwin_mqtt.protobuf import MalformedError
from shoptwin_mqtt.sparkplug import decoding, value_of
from shoptwin_mqtt.turns import Turns, in_turns
from shoptwin_mqtt.values import UnreadableError, Wish, clean, document, value_at

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from shoptwin.sdk import BrowseWish
    from shoptwin_mqtt.edge import Origin
    from shoptwin_mqtt.pointer import Pointer
    from shoptwin_mqtt.session import Message, Session
    from shoptwin_mqtt.settings import Settings
    from shoptwin_mqtt.sparkplug import Payload
    from shoptwin_mqtt.values import Value

MOST_PLACES = 1000
"""What one message may show."""
MOST = 100_000
"""Values of a broker of a whole plant; what is beyond is found below a topic."""
_LONGEST = 40
"""Characters of a sample value that are shown."""
_ANY_RATE = Wish(rate=1.0)
"""So that an array is shown as the waveform that it will be."""


async def walk(session: Session, settings: Settings, wish: BrowseWish) -> AsyncIterator[list[TagCandidate]]:
    """Listen for as long as `first` says; yield what is heard below a topic, or anywhere, once, as it comes.

    Raises:
        BadAddress: `wish.at` is no topic, or the broker does not let us listen there. NotConnected: it is lost.
    """
    below = _below(wish.at)
    asked = f"{below}/#" if below else "#"
    session.subscribe([asked, *([] if below else [f"{CERTIFICATES}#"])])
    heard = _Heard(settings, below, wish)
    loop = asyncio.get_running_loop()
    end = loop.time() + settings.seconds("first")
    while (left := end - loop.time()) > 0:
        for message in await session.messages(left):
            if some := [each async for each in heard.take(message)]:
                yield some
        if asked in session.refusals():
            hint = "listen below a topic that this user may read: --at TOPIC"
            raise BadAddress(f"the broker does not let us listen to {asked}", hint)


def _below(at: str | None) -> str:
    """Return the topic to listen below, without a slash at its end; empty: all."""
    below = at.strip().rstrip("/") if at else ""
    if at is not None and not below:
        raise BadAddress(f"{at!r} is no topic", "write the beginning of topics: sensors/hall-2")
    if "+" in below or "#" in below:
        raise BadAddress(f"{at!r} has a wildcard", "write the beginning of topics without it: sensors/hall-2")
    return below


class _Heard:
    """Makes of messages what is new in them; keeps addresses, and no payload."""

    def __init__(self, settings: Settings, below: str, wish: BrowseWish) -> None:
        self._settings = settings
        self._wish = wish
        self._skip = below.count("/") + 1 if below else 0
        """Levels of topics in which browsing began."""
        self._known: dict[str, bool] = {}
        """What was listed, by address; False: without a kind, which a later message may show."""
        self._born: set[tuple[str, str, str]] = set()
        self._turns = Turns()

    async def take(self, message: Message) -> AsyncIterator[TagCandidate]:
        """Give what a message shows that was not known before."""
        await self._turns.work(len(message.payload))
        said = origin(message.topic)
        if said is None:
            found = self._plain(message)
        elif (payload := await self._payload(message)) is not None:
            found = self._metrics(said, payload, live=not message.retained)
        else:
            return
        for candidate in found:
            if self._is_new(candidate):
                yield candidate if self._wish.values else replace(candidate, sample="")

    def _is_new(self, candidate: TagCandidate) -> bool:
        address, kind = candidate.address, candidate.kind is not None
        if not candidate.is_value:
            return True
        if self._known.get(address, False) >= kind and address in self._known:
            return False
        if (address not in self._known and len(self._known) >= MOST) or not _can_be_written(address):
            return False
        self._known[address] = kind
        deep = self._wish.depth and len(candidate.path) >= self._wish.depth
        return not deep and (self._wish.wanted is None or self._wish.wanted(candidate))

    async def _payload(self, message: Message) -> Payload | None:
        try:
            return await in_turns(decoding(message.payload))
        except MalformedError:
            return None

    def _plain(self, message: Message) -> Iterator[TagCandidate]:
        topic, size = message.topic, len(message.payload)
        path = tuple(topic.split("/")[self._skip :])
        name = path[-1] if path else topic.rpartition("/")[2]
        if size > self._settings.max_payload:
            yield TagCandidate(topic, name, True, sample=f"{size} bytes, too large", path=path[:-1])
            return
        try:
            found = document(message.payload)
        except UnreadableError:
            yield TagCandidate(topic, name, True, sample=f"{size} bytes, no text", path=path[:-1])
            return
        for place in _places(found):
            value = value_at(found, place, _ANY_RATE)
            if place:
                yield _candidate(f"{topic}#{pointer.write(place)}", "/".join(place), value, path)
            else:
                yield _candidate(topic, name, value, path[:-1])

    def _metrics(self, said: Origin, payload: Payload, *, live: bool) -> Iterator[TagCandidate]:
        """Give the metrics that a message of Sparkplug B names, and who speaks without a birth that was heard."""
        part = (said.group, said.node, said.device)
        path = tuple(filter(None, part))
        if said.kind.endswith("BIRTH"):
            self._born.add(part)
        elif not said.kind.endswith("DATA"):
            return
        elif part not in self._born and live:
            self._born.add(part)
            yield TagCandidate("", path[-1], False, path=path[:-1], type="alive, birth not heard")
        for metric in payload.metrics:
            if metric.name:
                address = f"{SPARKPLUG}{said.group}/{said.node}/{said.device}/{metric.name}"
                value = value_of(metric, 0, _ANY_RATE)
                if value is None:
                    yield TagCandidate(address, metric.name, True, sample="type told by its birth", path=path)
                else:
                    yield _candidate(address, metric.name, value, path)


def _places(found: Any) -> list[Pointer]:  # noqa: ANN401 - whatever JSON can hold
    """Return the places of values in a decoded payload; a list of numbers is one."""
    places: list[Pointer] = []
    waiting: list[tuple[Pointer, Any]] = [((), found)]
    while waiting and len(places) < MOST_PLACES:
        place, here = waiting.pop()
        if isinstance(here, dict):
            waiting += [((*place, name), inner) for name, inner in reversed(here.items())]
        elif isinstance(here, list) and not set(map(type, here)) <= {int, float}:
            waiting += [((*place, str(i)), inner) for i, inner in reversed(list(enumerate(here)))]
        else:
            places.append(place)
    return places


def _candidate(address: str, name: str, value: Value, path: tuple[str, ...]) -> TagCandidate:
    good = value.status < StatusCode.BAD
    if not good:
        sample = "".join(part.capitalize() for part in StatusCode(value.status).name.split("_"))
    elif value.kind is ValueKind.WAVEFORM:
        sample = f"{len(value.value.samples)} samples"
    else:
        sample = str(value.value)
    shown = sample if len(sample) <= _LONGEST else f"{sample[: _LONGEST - 1]}…"
    return TagCandidate(address, clean(name), True, value.kind if good else None, sample=shown, path=path)


def _can_be_written(address: str) -> bool:
    try:
        parse(address)
        address.encode()
    except (BadAddress, UnicodeEncodeError):
        return False
    return True
