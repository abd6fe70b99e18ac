"""What is published: each value that was heard within some seconds, with the address to copy."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from shoptwin.sdk import BadAddress, StatusCode, TagCandidate, ValueKind
from shoptwin_mqtt import pointer
from shoptwin_mqtt.address import SPARKPLUG, parse
from shoptwin_mqtt.edge import CERTIFICATES, NAMESPACE
from shoptwin_mqtt.protobuf import MalformedError
from shoptwin_mqtt.sparkplug import decode, value_of
from shoptwin_mqtt.values import UnreadableError, Wish, document, value_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shoptwin_mqtt.pointer import Pointer
    from shoptwin_mqtt.session import Session
    from shoptwin_mqtt.values import Value

MOST_TOPICS, MOST_PLACES = 20_000, 1000
"""What a broker of a whole plant, and one message, may show."""
_LONGEST = 40
"""Characters of a sample value that are shown."""
_ANY_RATE = Wish(rate=1.0)
"""So that an array is shown as the waveform that it will be."""


async def browse(session: Session, seconds: float, at: str | None) -> list[TagCandidate]:
    """Listen for so long; return what was heard below a topic, or anywhere, by topic.

    Raises:
        BadAddress: `at` is no topic, or the broker does not let us listen there. NotConnected: it is lost.
    """
    below = at.strip().rstrip("/") if at else ""
    if at is not None and not below:
        raise BadAddress(f"{at!r} is no topic", "write the beginning of topics: sensors/hall-2")
    if "+" in below or "#" in below:
        raise BadAddress(f"{at!r} has a wildcard", "write the beginning of topics without it: sensors/hall-2")
    asked = f"{below}/#" if below else "#"
    refused = await session.subscribe([asked, *([] if below else [f"{CERTIFICATES}#"])])
    if asked in refused:
        raise BadAddress(
            f"the broker does not let us listen to {asked}", "listen below a topic that this user may read: --at TOPIC"
        )
    heard = await _listen(session, seconds)
    found = {candidate.address: candidate for topic in sorted(heard) for candidate in _candidates(topic, heard[topic])}
    return [candidate for candidate in found.values() if _can_be_written(candidate.address)]


async def _listen(session: Session, seconds: float) -> dict[str, bytes]:
    """Return the last payload of each topic."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    heard: dict[str, bytes] = {}
    while (left := end - loop.time()) > 0:
        for message in await session.messages(left):
            if message.topic in heard or len(heard) < MOST_TOPICS:
                heard[message.topic] = message.payload
    return heard


def _candidates(topic: str, payload: bytes) -> Iterator[TagCandidate]:
    parts = topic.removeprefix(CERTIFICATES).split("/", 4)
    if parts[0] == NAMESPACE:
        yield from _metrics(parts, payload)
        return
    try:
        found = document(payload)
    except UnreadableError:
        return
    for place in _places(found):
        name = "/".join(place) or topic.rpartition("/")[2]
        yield _candidate(f"{topic}#{pointer.write(place)}" if place else topic, name, value_at(found, place, _ANY_RATE))


def _metrics(parts: list[str], payload: bytes) -> Iterator[TagCandidate]:
    """Give the metrics that a birth of Sparkplug B names."""
    if len(parts) < 4 or not parts[2].endswith("BIRTH"):  # noqa: PLR2004 - namespace, group, kind, node
        return
    device = parts[4] if len(parts) > 4 else ""  # noqa: PLR2004 - a device's own
    try:
        metrics = decode(payload).metrics
    except MalformedError:
        return
    for metric in metrics:
        value = value_of(metric, 0, _ANY_RATE)
        if metric.name and value is not None:
            yield _candidate(f"{SPARKPLUG}{parts[1]}/{parts[3]}/{device}/{metric.name}", metric.name, value)


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


def _candidate(address: str, name: str, value: Value) -> TagCandidate:
    good = value.status < StatusCode.BAD
    if not good:
        sample = "".join(part.capitalize() for part in StatusCode(value.status).name.split("_"))
    elif value.kind is ValueKind.WAVEFORM:
        sample = f"{len(value.value.samples)} samples"
    else:
        sample = str(value.value)
    shown = sample if len(sample) <= _LONGEST else f"{sample[: _LONGEST - 1]}…"
    return TagCandidate(address, name, True, value.kind if good else None, sample=shown)


def _can_be_written(address: str) -> bool:
    try:
        parse(address)
    except BadAddress:
        return False
    return True
