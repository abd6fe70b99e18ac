"""The control port: faults are injected by one line of JSON, answered by one line of JSON. Loopback only.

{"fault": "bearing-outer", "machine": "press-3", "over": "40m"}      also: "growth", "tag" (of a sensor fault)
{"clear": "bearing-outer", "machine": "press-3"}                     "" clears all
{"status": true}
"""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from shoptwin.sdk import ConfigError, NotConnected, iso, parse_duration

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from shoptwin_plant.clock import PlantClock
    from shoptwin_plant.faults import Fault, Faults

HOST = "127.0.0.1"
_LONGEST = 65_536
_SILENCE = 5.0
"""Seconds that `ask` waits for an answer."""


class Desk:
    """Carries out what the control port is asked."""

    def __init__(self, faults: Mapping[str, Faults], clock: PlantClock, status: Callable[[], dict[str, Any]]) -> None:
        self._faults = faults
        self._clock = clock
        self._status = status

    def answer(self, line: bytes) -> dict[str, Any]:
        """Return the answer to one line."""
        try:
            request = json.loads(line)
            return {"ok": True} | self._carry_out(request if isinstance(request, dict) else {})
        except ConfigError as e:
            return {"ok": False, "error": e.message, "hint": e.hint}
        except ValueError as e:
            return {"ok": False, "error": f"not understood: {e}", "hint": 'Such as {"status": true}'}

    def _carry_out(self, request: dict[str, Any]) -> dict[str, Any]:
        if unknown := request.keys() - {"fault", "clear", "status", "machine", "over", "growth", "tag"}:
            raise ConfigError(f"key {min(unknown)!r} is not known", "See docs/how-to/practice-plant.md", code="plant")
        now = self._clock.now()
        if "fault" in request:
            over = parse_duration(str(request["over"])) if request.get("over") else 0
            growth, tag = str(request.get("growth", "")), str(request.get("tag", ""))
            fault = self._machine(request).inject(str(request["fault"]), now, over, growth, tag)
            return {"machine": request["machine"]} | told(fault, now)
        if "clear" in request:
            return {"machine": request["machine"], "cleared": self._machine(request).clear(str(request["clear"]))}
        if request.get("status"):
            active = {name: [told(f, now) for f in faults.active()] for name, faults in self._faults.items()}
            return self._status() | {"now": iso(now), "faults": active}
        raise ConfigError("the request asks for nothing", 'Give "fault", "clear" or "status"', code="plant")

    def _machine(self, request: dict[str, Any]) -> Faults:
        name = request["machine"] = str(request.get("machine", ""))
        if name not in self._faults:
            raise ConfigError(f"there is no machine {name!r}", f"One of: {', '.join(self._faults)}", code="plant")
        return self._faults[name]


def told(fault: Fault, now: int) -> dict[str, Any]:
    """Return a fault as JSON says it; times are plant time."""
    return {
        "fault": fault.kind.name, "tag": fault.tag, "growth": fault.growth, "begin": iso(fault.begin),
        "full": iso(fault.begin + fault.over), "severity": round(fault.severity(now), 4),
    }  # fmt: skip


@asynccontextmanager
async def control(desk: Desk) -> AsyncIterator[str]:
    """Open the control port on any free port of loopback; yields HOST:PORT."""
    open_ones: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.add(writer)
        try:
            with suppress(ConnectionError, ValueError):  # the other end left, or its line was too long
                while line := await reader.readline():
                    writer.write(json.dumps(desk.answer(line)).encode() + b"\n")
                    await writer.drain()
        finally:
            open_ones.discard(writer)
            writer.close()

    server = await asyncio.start_server(serve, HOST, 0, limit=_LONGEST)
    try:
        yield f"{HOST}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in open_ones:
            writer.close()
        await server.wait_closed()


def ask(where: str, request: dict[str, Any]) -> dict[str, Any]:
    """Send one request to the control port HOST:PORT and return the answer.

    Raises:
        NotConnected: nobody answers there.
        ConfigError: the plant refuses; its message and hint.
    """
    host, _, port = where.rpartition(":")
    if not port.isdigit():
        raise ConfigError(f"{where!r} is not HOST:PORT", "The plant prints it when it starts", code="plant")
    try:
        with socket.create_connection((host or HOST, int(port)), _SILENCE) as link, link.makefile("rb") as lines:
            link.sendall(json.dumps(request).encode() + b"\n")
            answer: dict[str, Any] = json.loads(lines.readline())
    except (OSError, ValueError) as e:
        raise NotConnected(f"no practice plant answers at {where}: {e}", "Start one: shoptwin simulate") from e
    if not answer.pop("ok", False):
        raise ConfigError(str(answer.get("error")), str(answer.get("hint", "")), code="plant")
    return answer
