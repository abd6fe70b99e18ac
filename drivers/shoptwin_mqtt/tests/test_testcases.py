"""What real devices publish, and what the driver makes of it: each folder of `testcases` has the messages of one."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from shoptwin.sdk import StatusCode
from shoptwin_mqtt import feed

CASES = sorted((Path(__file__).parent.parent / "testcases").glob("*/messages.toml"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.parent.name)
async def test_messages(path, broker, publish, listen, monkeypatch):
    """Each message gives each address the value, the time and the status that its file names."""
    monkeypatch.setattr(feed, "time_ns", lambda: 1_795_349_700 * 10**9)  # a quarter past noon, 22 November 2026
    here = broker()
    messages = tomllib.loads(path.read_text("utf-8"))["message"]
    addresses = list(dict.fromkeys(expect["address"] for message in messages for expect in message["expect"]))
    async with listen(here, *addresses, first="60s") as one:
        await one.ready()
        for message in messages:
            before = {address: len(rows) for address, rows in one.heard.items()}
            data = bytes.fromhex(message["hex"]) if "hex" in message else message["payload"]
            publish(here, message["topic"], data)
            told = [expect["address"] for expect in message["expect"]]
            heard = await one.take(lambda h, told=told, before=before: all(len(h[a]) > before[a] for a in told))
            for expect in message["expect"]:
                value, status, time = heard[expect["address"]][-1]
                assert StatusCode(status).name == expect.get("status", "GOOD"), expect
                if "value" in expect:
                    assert value == expect["value"], expect
                    assert time == expect.get("time", time), expect


def test_there_are_cases():
    """The folder holds more than one device's messages, each with what is expected of it."""
    assert len(CASES) > 4
