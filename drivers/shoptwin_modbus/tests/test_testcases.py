"""Bugs from the field: each folder under testcases/ has the bytes that caused one, and what must come of them.

A `frames.toml` has `about`, `source` (who reported it), `link` (the URL's scheme), `addresses` and, where they matter,
the driver's `settings`. Each `[[poll]]` says what to `expect` of the addresses in order (a value, a status, or both)
and has an `[[poll.exchange]]` for every request: its bytes, and the pieces of the reply. A piece is text, or a table
`{ after = "400ms", bytes = "…" }`.
"""

from __future__ import annotations

import asyncio
import math
import tomllib
from contextlib import suppress
from pathlib import Path

import pytest

from shoptwin.domain.quality import name
from shoptwin.sdk import parse_duration
from shoptwin.testing import group_of, readings
from shoptwin_modbus.target import ModbusSettings

CASES = sorted((Path(__file__).parent.parent / "testcases").iterdir())
KEYS = {"about", "source", "link", "addresses", "poll"}
BETWEEN = 0.02
"""Seconds between two pieces."""


class Script:
    """A device that has its part written down. Transactions are written as 0001, 0002 …, the driver's are its own."""

    def __init__(self, case):
        self.exchanges = [exchange for poll in case["poll"] for exchange in poll["exchange"]]
        self.heard = 0
        self.wrong = []
        """Requests that are not as written: (what came, what was wanted)."""
        self.serving = []
        self._tcp = case["link"] == "tcp"
        self._own = {}

    async def serve(self, reader, writer):
        """Play it, on from where the last connection ended."""
        self.serving.append(asyncio.current_task())
        with suppress(OSError, asyncio.IncompleteReadError):
            while self.heard < len(self.exchanges):
                exchange = self.exchanges[self.heard]
                wanted = bytes.fromhex(exchange["request"])
                self._take(await reader.readexactly(len(wanted)), wanted)
                for piece in exchange["reply"]:
                    timed = piece if isinstance(piece, dict) else {"after": "0s", "bytes": piece}
                    await asyncio.sleep(parse_duration(timed["after"]) / 1e9)
                    writer.write(self._reply(bytes.fromhex(timed["bytes"])))
                    await writer.drain()
                    await asyncio.sleep(BETWEEN)
            await reader.read()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    def _take(self, got, wanted):
        self.heard += 1
        if self._tcp:
            self._own[wanted[:2]], got = got[:2], wanted[:2] + got[2:]
        if got != wanted:
            self.wrong.append((got.hex(), wanted.hex()))

    def _reply(self, piece):
        return self._own.get(piece[:2], piece[:2]) + piece[2:] if self._tcp else piece


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
async def test_field_bug(folder, plugin):
    """The driver asks for exactly the bytes written down, and makes of the reply what is written down."""
    case = tomllib.loads((folder / "frames.toml").read_text("utf-8"))
    assert case.keys() - {"settings"} == KEYS
    script = Script(case)
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    url = f"{case['link']}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    connection = plugin.open(ModbusSettings(url=url, **{"timeout": "500ms", **case.get("settings", {})}))
    await connection.connect()
    group = group_of(plugin, case["addresses"])
    try:
        for number, poll in enumerate(case["poll"], 1):
            assert poll.keys() == {"expect", "exchange"}
            found = readings(await connection.read(group))
            assert script.wrong == []
            for address, expected, [reading] in zip(
                case["addresses"], poll["expect"], [found[i] for i in sorted(found)], strict=True
            ):
                where = f"poll {number}, {address}: {reading}"
                assert name(reading.status) == expected.get("status", "Good"), where
                if "value" in expected:
                    assert math.isclose(reading.value, expected["value"], rel_tol=1e-6), where
        assert script.heard == len(script.exchanges)
    finally:
        await connection.aclose()
        server.close()
        await asyncio.gather(*script.serving)


def test_cases_are_there():
    """There are field bugs to test, each in a folder of its own with nothing but its frames."""
    assert len(CASES) >= 10
    for folder in CASES:
        assert [file.name for file in folder.iterdir()] == ["frames.toml"]
