"""The outbox: how fast what has waited for the broker reaches it, each message acknowledged before it is deleted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from measure import spent
from rows import Row, plain, skipped
from servers import broker, no_broker, scratch

from shoptwin.config.settings import Mqtt
from shoptwin.domain.message import MessageClass, OutboxMessage
from shoptwin.publish.composer import Composer
from shoptwin.publish.publisher import Publisher
from shoptwin.runtime.clock import SystemClock
from shoptwin.store.ledger import Ledger, add_message, counts

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from pathlib import Path

NAME = "publish: the outbox drains"
TOPICS = 100


def rows(*, quick: bool) -> Iterable[Row]:
    """Return messages a second."""
    if why := no_broker():
        return [skipped(NAME, "1/s", why)]
    with scratch() as folder, broker(folder) as port:
        return asyncio.run(_drain(folder, port, 1_000 if quick else 5_000))


async def _drain(folder: Path, port: int, messages: int) -> list[Row]:
    ledger, clock = Ledger.open(folder / "ledger.db"), SystemClock()
    now = clock.now()

    def fill(tx: sqlite3.Connection) -> None:
        for i in range(messages):
            topic = f"bench/{i % TOPICS}"
            add_message(tx, OutboxMessage(f"m{i}", topic, MessageClass.EVENT, topic, b"x" * 700, 1, False, now))

    await asyncio.wrap_future(ledger.writer.submit(fill))
    composer = Composer("bench", "bench", [], version="0", started=now)
    publisher = Publisher(Mqtt(url=f"mqtt://127.0.0.1:{port}", client_id="bench"), composer, ledger, clock)
    reader = ledger.reader()
    with spent() as cost:
        task = asyncio.create_task(publisher.run())
        while counts(reader).messages:
            if task.done():
                await task
            await asyncio.sleep(0.02)
    reader.close()
    await publisher.aclose(3.0)
    await task
    ledger.close()
    note = f"700 bytes, QoS 1, {TOPICS} topics, {cost.cpu / messages * 1e6:.0f} us CPU each"
    return [plain(NAME, messages / cost.wall, "1/s", note)]
