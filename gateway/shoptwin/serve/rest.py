"""The REST interface: thin routes over `Control`; msgspec checks what comes in, what is wrong is told in JSON."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from shoptwin.domain.errors import ConfigError, ShoptwinError, StoreError
from shoptwin.domain.text import sound
from shoptwin.store.resolution import step_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from shoptwin.serve.control import Control

LARGEST_BODY = 64 * 1024
"""Bytes: no request is larger than a few names and a reason."""
YEAR_SECONDS = 366 * 86_400

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
T = TypeVar("T")


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a request says; unknown keys are refused."""

    by: Name
    """Who asks: it goes on record."""


class AlarmBody(Body, frozen=True):
    """Which alarm."""

    alarm: Name


class MarkBody(AlarmBody, frozen=True):
    """Which alarm, what was found of it, and whatever else is to be remembered."""

    mark: Literal["true", "false", "maintenance-done"]
    note: Annotated[str, msgspec.Meta(max_length=1000)] = ""


class MachineBody(Body, frozen=True):
    """Which machine."""

    machine: Name


class TagBody(Body, frozen=True):
    """Which tag."""

    tag: Name


class MaintenanceBody(MachineBody, frozen=True):
    """Which machine, for how long and why; 0 seconds end it."""

    seconds: Annotated[int, msgspec.Meta(ge=0, le=YEAR_SECONDS)]
    reason: Annotated[str, msgspec.Meta(max_length=1000)] = ""


class RelearnBody(MachineBody, frozen=True):
    """Which machine, from when on (ns UTC); 0 is from now on."""

    since: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0


class RollbackBody(MachineBody, frozen=True):
    """Which machine and indicator, and to which version; none is the one before."""

    indicator: Name
    version: Annotated[str, msgspec.Meta(max_length=20, pattern="^[0-9]*$")] = ""


class MachineQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which machine."""

    machine: Name


class HistoryQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which tag, from when to when (ns UTC), in steps of how many ns or in at most how many; else the samples."""

    tag: Name
    start: Annotated[int, msgspec.Meta(ge=0)]
    stop: Annotated[int, msgspec.Meta(ge=0)]
    resolution: Annotated[int, msgspec.Meta(ge=0)] = 0
    points: Annotated[int, msgspec.Meta(ge=0)] = 0


class AlarmsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Only the alarms that stand, or all there are."""

    active: bool = True


class Routes:
    """One method a route."""

    def __init__(self, control: Control) -> None:
        self._control = control

    async def status(self, _: Request) -> object:
        """GET /v1/status."""
        return self._control.status()

    async def tags(self, _: Request) -> object:
        """GET /v1/tags."""
        return self._control.tags()

    async def alarms(self, request: Request) -> object:
        """GET /v1/alarms?active=true."""
        return self._control.alarms(active=_query(request, AlarmsQuery).active)

    async def acknowledge(self, request: Request) -> object:
        """POST /v1/alarms/acknowledge."""
        body = await _body(request, AlarmBody)
        return await self._control.acknowledge(body.alarm, body.by)

    async def mark(self, request: Request) -> object:
        """POST /v1/alarms/mark."""
        body = await _body(request, MarkBody)
        return await self._control.mark(body.alarm, body.mark, body.note, body.by)

    async def thresholds(self, request: Request) -> object:
        """GET /v1/thresholds?machine=."""
        return await self._control.thresholds(_query(request, MachineQuery).machine)

    async def reset_thresholds(self, request: Request) -> object:
        """POST /v1/thresholds/reset."""
        body = await _body(request, MachineBody)
        return await self._control.reset_thresholds(body.machine, body.by)

    async def test_alarm(self, request: Request) -> object:
        """POST /v1/alarms/test."""
        body = await _body(request, MachineBody)
        return await self._control.test_alarm(body.machine, body.by)

    async def maintenance(self, request: Request) -> object:
        """POST /v1/maintenance."""
        body = await _body(request, MaintenanceBody)
        if body.seconds and not body.reason.strip():
            raise ShoptwinError("Maintenance needs a reason", "It goes on record: --reason", code="bad-request")
        return await self._control.maintenance(body.machine, body.seconds, body.reason, body.by)

    async def sensor_replaced(self, request: Request) -> object:
        """POST /v1/sensor-replaced."""
        body = await _body(request, TagBody)
        return await self._control.sensor_replaced(body.tag, body.by)

    async def relearn(self, request: Request) -> object:
        """POST /v1/relearn."""
        body = await _body(request, RelearnBody)
        return await self._control.relearn(body.machine, body.since, body.by)

    async def learned(self, request: Request) -> object:
        """GET /v1/learned?machine=."""
        return await self._control.learned(_query(request, MachineQuery).machine)

    async def roll_back(self, request: Request) -> object:
        """POST /v1/rollback."""
        body = await _body(request, RollbackBody)
        return await self._control.roll_back(body.machine, body.indicator, body.version, body.by)

    async def reload(self, _: Request) -> object:
        """POST /v1/reload."""
        return await self._control.reload()

    async def history(self, request: Request) -> object:
        """GET /v1/history?tag=&start=&stop=&resolution=&points=."""
        query = _query(request, HistoryQuery)
        if query.start >= query.stop:
            raise ShoptwinError("The history ends before it begins", "Give --until after --since", code="bad-request")
        step = query.resolution or (step_for(query.stop - query.start, query.points) if query.points else 0)
        return {**await self._control.history(query.tag, query.start, query.stop, step), "step": step}


def application(control: Control) -> Starlette:
    """Return the ASGI application. It is reached over a Unix socket, whose mode says who may."""
    routes = Routes(control)
    reading = {
        "status": routes.status, "tags": routes.tags, "alarms": routes.alarms, "history": routes.history,
        "learned": routes.learned, "thresholds": routes.thresholds,
    }  # fmt: skip
    acting = {
        "alarms/acknowledge": routes.acknowledge,
        "alarms/mark": routes.mark,
        "alarms/test": routes.test_alarm,
        "thresholds/reset": routes.reset_thresholds,
        "maintenance": routes.maintenance,
        "sensor-replaced": routes.sensor_replaced,
        "relearn": routes.relearn,
        "rollback": routes.roll_back,
        "reload": routes.reload,
    }
    return Starlette(
        routes=[
            *(Route(f"/v1/{path}", _answer(route), methods=["GET"]) for path, route in reading.items()),
            *(Route(f"/v1/{path}", _answer(route), methods=["POST"]) for path, route in acting.items()),
        ],
        exception_handlers={HTTPException: _http_error},
    )


def _answer(route: Callable[[Request], Awaitable[object]]) -> Callable[[Request], Awaitable[Response]]:
    """Write what a route returns as JSON, and what it raises as an error that says what to do."""

    @functools.wraps(route)
    async def answer(request: Request) -> Response:
        try:
            found = await route(request)
        except ShoptwinError as error:
            return _error(_status(error), error.code, error.message, error.hint)
        return Response(_json(found), media_type="application/json")

    return answer


def _json(found: object) -> bytes:
    """Write JSON; a text that cannot be written (a device's words in an error) with `?` for what is no character."""
    try:
        return msgspec.json.encode(found)
    except UnicodeEncodeError:
        return msgspec.json.encode(_sound(msgspec.to_builtins(found)))


def _sound(found: Any) -> Any:  # noqa: ANN401 - whatever JSON can say
    if isinstance(found, str):
        return sound(found)
    if isinstance(found, dict):
        return {_sound(key): _sound(value) for key, value in found.items()}
    return [_sound(each) for each in found] if isinstance(found, list | tuple) else found


def _status(error: ShoptwinError) -> int:
    if error.code == "bad-request":
        return 400
    if error.code.startswith("unknown-"):
        return 404
    if isinstance(error, ConfigError):
        return 422
    return 503 if isinstance(error, StoreError) else 409


def _error(status: int, code: str, message: str, hint: str = "") -> Response:
    body = _json({"error": code, "message": message, "hint": hint})
    return Response(body, status, media_type="application/json")


def _http_error(_: Request, error: Exception) -> Response:
    """Tell of a path or a method that there is not."""
    status, what = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, str(error))
    codes = {404: "no-such-path", 405: "no-such-method"}
    return _error(status, codes.get(status, "http"), what, "See docs/reference/rest.md")


async def _body(request: Request, kind: type[T]) -> T:
    raw = bytearray()
    async for part in request.stream():
        raw += part
        if len(raw) > LARGEST_BODY:
            raise ShoptwinError("The request is too large", f"At most {LARGEST_BODY} bytes", code="bad-request")
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.MsgspecError as error:
        raise ShoptwinError(f"The request is wrong: {error}", code="bad-request") from error


def _query(request: Request, kind: type[T]) -> T:
    try:
        # A query has texts alone; `strict=False` reads numbers and truth from them.
        return msgspec.convert(dict(request.query_params), kind, strict=False)
    except msgspec.ValidationError as error:
        raise ShoptwinError(f"The request is wrong: {error}", code="bad-request") from error
