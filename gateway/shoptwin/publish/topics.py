"""The topics: where each kind of message goes. A level of a topic never holds what MQTT gives a meaning of its own.

shoptwin/v1/<site>/<area>/<line>/<machine>/{state, alarm/<id>, event, summary}
shoptwin/v1/<site>/_gateway/<name>/{status, alarm/<id>, event}
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shoptwin.domain.machine import Machine

ROOT = "shoptwin/v1"
GATEWAY = "_gateway"
PROBE = "_probe"
"""Last level of the topics by which publishing is tried out where the broker gives no reason codes (MQTT 3.1.1)."""

_FORBIDDEN = re.compile(r"[+#/%\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufeff\ufffe\uffff]")


def level(text: str) -> str:
    """Return `text` as one level of a topic: `-` for none; what must not stand there as %XX of its UTF-8.

    Two different names never become the same level, but for `-` itself.
    """
    return _FORBIDDEN.sub(lambda m: "".join(f"%{b:02X}" for b in m[0].encode("utf-8", "surrogatepass")), text) or "-"


def of_machine(site: str, machine: Machine) -> str:
    """Return the base topic of a machine."""
    area = level(machine.area)
    if area == GATEWAY:  # that place in the tree is the gateways'
        area = area.replace("_", "%5F", 1)
    return f"{ROOT}/{level(site)}/{area}/{level(machine.line)}/{level(machine.name)}"


def of_gateway(site: str, name: str) -> str:
    """Return the base topic of a gateway."""
    return f"{ROOT}/{level(site)}/{GATEWAY}/{level(name)}"


def state(base: str) -> str:
    """Return the topic of a machine's state, retained."""
    return f"{base}/state"


def alarm(base: str, alarm_id: str) -> str:
    """Return the topic of one alarm, retained while the alarm stands."""
    return f"{base}/alarm/{level(alarm_id)}"


def event(base: str) -> str:
    """Return the topic of what happened."""
    return f"{base}/event"


def summary(base: str) -> str:
    """Return the topic of the figures of each minute and hour."""
    return f"{base}/summary"


def status(base: str) -> str:
    """Return the topic of a gateway's status, retained; the broker itself says `offline` there."""
    return f"{base}/status"
