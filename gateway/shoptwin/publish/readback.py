"""Does the broker really take what it acknowledges? MQTT 3.1.1 has no way to say no to a publish.

mosquitto, for one, acknowledges a publish that its access list refuses, and drops it. MQTT 5 tells; under 3.1.1 the
only proof is to read back what was sent. So the gateway subscribes to its own topics when it connects, publishes a
probe (empty, not retained) below those on which nothing may be made up, and waits for something to return. A class of
topics from which nothing returns is *unverified*: its messages may arrive, or the user may lack the right to publish,
or only that to read. What has returned is unsubscribed from, so that it costs nothing afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoptwin.publish import topics

if TYPE_CHECKING:
    from collections.abc import Iterable

SETTLE_SECONDS = 5.0
"""How long after connecting the echo of a probe may take."""


class ReadBack:
    """What has been proved of one connection. `bases`: the machines' base topics; `gateway`: the gateway's own."""

    def __init__(self, bases: Iterable[str], gateway: str) -> None:
        self.filters: dict[str, str] = {topics.status(gateway): topics.status(gateway)}
        """Class of topics that is still unproved -> the filter that reads it."""
        self.probes: list[str] = []
        for base in (gateway, *bases):
            for place in (f"{base}/alarm", topics.event(base), topics.summary(base)):
                if base == gateway and place == topics.summary(base):
                    continue  # a gateway has none
                self.filters[place] = f"{place}/#"  # which the topic itself matches too
                self.probes.append(f"{place}/{topics.PROBE}")
            if base != gateway:
                self.filters[topics.state(base)] = topics.state(base)

    def received(self, topic: str, *, retained: bool) -> str | None:
        """Take note of an echo; return the filter that is no longer needed. What was retained before proves nothing."""
        if retained:
            return None
        place = topic if topic in self.filters else topic.rpartition("/")[0]
        return self.filters.pop(place, None)

    @property
    def unverified(self) -> tuple[str, ...]:
        """Classes of topics of which nothing has returned."""
        return tuple(self.filters)
