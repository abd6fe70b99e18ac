"""Bugs from the field: each folder under testcases/ has the bytes that caused one, and what must come of them."""

from __future__ import annotations

import asyncio
import math
import tomllib
from contextlib import suppress
from pathlib import Path

import pytest

from shoptwin.domain.quality import name
from shoptwin.testing import group_of, readings
from shoptwin_modbus.target import ModbusSettings

CASES = sorted((Path(__file__).parent.parent / "testcases").iterdir())


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
async def test_field_bug(folder, plugin):
    """The driver asks for exactly the bytes written down, and makes of the reply what is written down.

    Transactions are written down as 0001, 0002 and so on; what goes over the wire are the driver's own.
    """
    case = tomllib.loads((folder / "frames.toml").read_text("utf-8"))
    assert case.keys() == {"about", "source", "link", "addresses", "poll"}
    script = [exchange for poll in case["poll"] for exchange in poll["exchange"]]
    heard, wrong, serving, own = [], [], [], {}

    async def serve(reader, writer):
        serving.append(asyncio.current_task())
        with suppress(OSError, asyncio.IncompleteReadError):
            while len(heard) < len(script):
                wanted = bytes.fromhex(script[len(heard)]["request"])
                got = await reader.readexactly(len(wanted))
                reply = script[len(heard)]["reply"]
                heard.append(got)
                if case["link"] == "tcp":
                    own[wanted[:2]], got = got[:2], wanted[:2] + got[2:]
                if got != wanted:
                    wrong.append((got.hex(), wanted.hex()))
                for chunk in reply:
                    piece = bytes.fromhex(chunk)
                    writer.write(own.get(piece[:2], piece[:2]) + piece[2:])
                    await writer.drain()
                    await asyncio.sleep(0.02)
            await reader.read()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connection = plugin.open(ModbusSettings(url=f"{case['link']}://127.0.0.1:{port}", timeout="500ms"))
    await connection.connect()
    group = group_of(plugin, case["addresses"])
    try:
        for number, poll in enumerate(case["poll"]):
            found = readings(await connection.read(group))
            for i, expected in enumerate(poll["expect"]):
                [reading] = found[i]
                where = f"poll {number + 1}, {case['addresses'][i]}: {reading}"
                assert name(reading.status) == expected.get("status", "Good"), where
                if "value" in expected:
                    assert math.isclose(reading.value, expected["value"], rel_tol=1e-6), where
        assert wrong == []
        assert len(heard) == len(script)
    finally:
        await connection.aclose()
        server.close()
        await asyncio.gather(*serving)


def test_cases_are_there():
    """There are field bugs to test, each in a folder of its own with nothing but its frames."""
    assert len(CASES) >= 8
    for folder in CASES:
        assert [file.name for file in folder.iterdir()] == ["frames.toml"]
