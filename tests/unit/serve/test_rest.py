"""REST over a real Unix socket, asked by the real client."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from unittest.mock import AsyncMock

import pytest

from shoptwin.domain.errors import NotRunning, ShoptwinError
from shoptwin.serve.client import Client


async def test_reads(serving: Any) -> None:
    """Status, tags and alarms come back as they are, a 64-bit counter to the last digit."""
    async with serving() as client:
        assert (await asyncio.to_thread(client.get, "/v1/status"))["gateway"] == "gw"
        assert (await asyncio.to_thread(client.get, "/v1/tags"))[0]["value"] == 2**63
        assert (await asyncio.to_thread(client.get, "/v1/alarms", active="false"))[0]["active"] is False
        assert (await asyncio.to_thread(client.get, "/v1/alarms"))[0]["active"] is True


async def test_history_has_no_value_where_there_is_none(serving: Any) -> None:
    """A NaN of the store is null in JSON, and times are exact."""
    async with serving() as client:
        start = 1_700_000_000_123_456_789
        found = await asyncio.to_thread(client.get, "/v1/history", tag="m.temp", start=start, stop=start + 1)
        assert found == {"tag": "m.temp", "time": [start, start + 1], "values": [1.5, None], "resolution": 0, "step": 0}


async def test_history_in_so_many_points(serving: Any) -> None:
    """Asked for at most so many points, the daemon is asked for a step that people would take, and says which."""
    async with serving() as client:
        stop = 24 * 3600 * 10**9
        found = await asyncio.to_thread(client.get, "/v1/history", tag="m.temp", start=0, stop=stop, points=1000)
        assert found["step"] == found["resolution"] == 120 * 10**9


async def test_actions_say_who(serving: Any, control: Any) -> None:
    """An action reaches the daemon with the name of who asked."""
    async with serving() as client:
        await asyncio.to_thread(client.post, "/v1/alarms/acknowledge", alarm="m/temp.hi", by="kim")
        body = {"machine": "m", "seconds": 7200, "reason": "new belt", "by": "kim"}
        await asyncio.to_thread(lambda: client.post("/v1/maintenance", **body))
        await asyncio.to_thread(client.post, "/v1/relearn", machine="m", since=7, by="kim")
        await asyncio.to_thread(client.post, "/v1/rollback", machine="m", indicator="process", by="kim")
        await asyncio.to_thread(client.get, "/v1/learned", machine="m")
        await asyncio.to_thread(client.post, "/v1/alarms/mark", alarm="m/temp.hi", mark="false", by="kim")
        await asyncio.to_thread(client.get, "/v1/thresholds", machine="m")
        await asyncio.to_thread(client.post, "/v1/thresholds/reset", machine="m", by="kim")
        assert control.asked == [
            ("acknowledge", "m/temp.hi", "kim"),
            ("maintenance", "m", 7200, "new belt", "kim"),
            ("relearn", "m", 7, "kim"),
            ("rollback", "m", "process", "", "kim"),
            ("learned", "m"),
            ("mark", "m/temp.hi", "false", "", "kim"),
            ("thresholds", "m"),
            ("reset-thresholds", "m", "kim"),
        ]


@pytest.mark.parametrize(
    ("route", "body", "code"),
    [
        ("/v1/alarms/acknowledge", {"alarm": "temp.hihi", "by": "kim"}, "unknown-alarm"),
        ("/v1/alarms/acknowledge", {"alarm": "temp.hi"}, "bad-request"),
        ("/v1/alarms/acknowledge", {"alarm": "temp.hi", "by": "kim", "extra": 1}, "bad-request"),
        ("/v1/alarms/acknowledge", {"alarm": "", "by": "kim"}, "bad-request"),
        ("/v1/maintenance", {"machine": "m", "seconds": -1, "reason": "x", "by": "kim"}, "bad-request"),
        ("/v1/maintenance", {"machine": "m", "seconds": 60, "reason": " ", "by": "kim"}, "bad-request"),
        ("/v1/maintenance", {"machine": "m", "seconds": 60, "reason": "x" * 70_000, "by": "kim"}, "bad-request"),
        ("/v1/sensor-replaced", {"tag": "m.temp", "by": "kim"}, "store-full"),
        ("/v1/relearn", {"machine": "m", "since": -1, "by": "kim"}, "bad-request"),
        ("/v1/relearn", {"machine": "m"}, "bad-request"),
        ("/v1/rollback", {"machine": "m", "indicator": "process", "version": "../1", "by": "kim"}, "bad-request"),
        ("/v1/alarms/mark", {"alarm": "temp.hi", "mark": "perhaps", "by": "kim"}, "bad-request"),
        ("/v1/thresholds/reset", {"machine": "m"}, "bad-request"),
        ("/v1/reload", {}, "config"),
        ("/v1/nothing", {}, "no-such-path"),
        ("/v1/status", {}, "no-such-method"),
    ],
)
async def test_refusals(serving: Any, route: str, body: dict[str, Any], code: str) -> None:
    """What is wrong comes back as an error with a code, and the daemon goes on."""
    async with serving() as client:
        with pytest.raises(ShoptwinError) as refused:
            await asyncio.to_thread(lambda: client.post(route, **body))
        assert refused.value.code == code
        assert (await asyncio.to_thread(client.get, "/v1/status"))["gateway"] == "gw"


async def test_near_matches_reach_the_user(serving: Any) -> None:
    """An unknown alarm is 404 with the alarm that was probably meant."""
    async with serving() as client:
        reader, writer = await asyncio.open_unix_connection(client.path)
        body = json.dumps({"alarm": "temp.hihi", "by": "kim"}).encode()
        head = f"POST /v1/alarms/acknowledge HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        assert b"404" in await reader.readline()
        writer.close()
        with pytest.raises(ShoptwinError, match=r"Did you mean m/temp\.hi"):
            await asyncio.to_thread(lambda: client.post("/v1/alarms/acknowledge", alarm="temp.hihi", by="kim"))


async def test_a_query_that_is_wrong(serving: Any) -> None:
    """A history that ends before it begins, or whose times are no numbers, is refused."""
    async with serving() as client:
        for start, stop in ((5, 5), ("now", 9), (-4, 9)):
            with pytest.raises(ShoptwinError) as refused:
                await asyncio.to_thread(lambda a=start, o=stop: client.get("/v1/history", tag="t", start=a, stop=o))
            assert refused.value.code == "bad-request"


async def test_text_that_is_no_unicode(serving: Any, control: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a surrogate pair in a value or an error does not keep the rest from being told."""
    monkeypatch.setattr(
        control, "tags", lambda: [{"id": "m.text", "value": "a\ud800b", "labels": {"\udfff": [1, "ä"]}}]
    )
    refusal = ShoptwinError("It says \ud800", "Ask it", code="unknown-tag")
    monkeypatch.setattr(control, "history", AsyncMock(side_effect=refusal))
    async with serving() as client:
        found = await asyncio.to_thread(client.get, "/v1/tags")
        assert found == [{"id": "m.text", "value": "a?b", "labels": {"?": [1, "ä"]}}]
        with pytest.raises(ShoptwinError, match=r"It says \?"):
            await asyncio.to_thread(client.get, "/v1/history", tag="m.text", start=0, stop=1)


async def test_a_daemon_that_fails(serving: Any, control: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the daemon fails to answer its log is named, and not taken for another program."""
    monkeypatch.setattr(control, "tags", lambda: 1 / 0)
    async with serving() as client:
        with pytest.raises(ShoptwinError, match=r"failed to answer \(500\)") as failed:
            await asyncio.to_thread(client.get, "/v1/tags")
    assert "log" in failed.value.hint


async def test_nobody_there(tmp_path: Any) -> None:
    """Where no daemon answers the client says so, with exit code 69 and a cure."""
    with pytest.raises(NotRunning) as missing:
        Client(tmp_path / "shoptwin.sock").get("/v1/status")
    assert missing.value.exit_code == 69
    assert "systemctl start shoptwin" in missing.value.hint
