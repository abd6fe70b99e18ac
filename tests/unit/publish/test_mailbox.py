from __future__ import annotations

import asyncio

import pytest

from shoptwin.domain.errors import StoreError
from shoptwin.domain.message import MessageClass, OutboxMessage
from shoptwin.publish.dispatch import Dispatcher
from shoptwin.publish.mailbox import Mailbox
from shoptwin.store.ledger import Ledger, add_message


class Switched:
    """A ledger whose file is replaced by another, as when a damaged one is set aside."""

    def __init__(self, folder):
        self.ledgers = [Ledger.open(folder / "one.db"), Ledger.open(folder / "two.db")]
        self.quarantined = None
        self.unreadable = False

    @property
    def writer(self):
        return self.ledgers[self.quarantined is not None].writer

    def reader(self):
        if self.unreadable:
            raise StoreError("the disk is gone")
        return self.ledgers[self.quarantined is not None].reader()

    def add(self, n):
        message = OutboxMessage(f"m{n}", "t", MessageClass.EVENT, "t", b"{}", 1, False, n)
        return self.writer.submit(lambda tx: add_message(tx, message)).result(10)


@pytest.fixture
def ledger(tmp_path):
    switched = Switched(tmp_path)
    yield switched
    for one in switched.ledgers:
        one.close()


def test_a_ledger_that_was_replaced_is_read_anew(ledger):
    """The reader does not go on looking into a file that was set aside."""
    mailbox = Mailbox(ledger, lambda: None)
    ledger.add(1)
    assert [m.id for _, m in mailbox.read(0, 10)] == ["m1"]
    ledger.quarantined = "one.db.corrupt-1"
    ledger.add(2)
    assert [m.id for _, m in mailbox.read(0, 10)] == ["m2"]
    mailbox.close()


def test_an_outbox_that_cannot_be_read_is_told_and_read_later(ledger):
    """A failing disk shows as trouble and not as an empty outbox; it is over when it can be read again."""
    mailbox = Mailbox(ledger, lambda: None)
    ledger.add(1)
    ledger.unreadable = True
    assert mailbox.read(0, 10) == ()
    assert "the disk is gone" in mailbox.trouble
    ledger.unreadable = False
    assert len(mailbox.read(0, 10)) == 1
    assert not mailbox.trouble
    mailbox.close()


async def test_what_cannot_be_deleted_is_deleted_later_and_not_sent_again(ledger):
    """A deletion that fails is tried again after a pause; meanwhile its messages are not sent a second time."""
    woken = asyncio.Event()
    loop = asyncio.get_running_loop()
    mailbox = Mailbox(ledger, lambda: loop.call_soon_threadsafe(woken.set))
    dispatcher = Dispatcher(mailbox.read)
    dispatcher.connected(20)
    ledger.add(1)
    dispatcher.sent(1, dispatcher.next(0), 0)
    dispatcher.acknowledge(1)
    closed = ledger.ledgers[0]
    await asyncio.to_thread(closed.close)
    mailbox.delete(dispatcher, 0.0, at_once=True)
    mailbox.delete(dispatcher, 0.1, at_once=True)
    assert "cannot be emptied" in mailbox.trouble
    assert mailbox.due == 5.1
    ledger.ledgers[0] = Ledger.open(closed.path)
    dispatcher.connected(20)
    assert dispatcher.next(1) is None
    mailbox.delete(dispatcher, 5.2)
    await woken.wait()
    while dispatcher.done():
        mailbox.delete(dispatcher, 5.3)
        await asyncio.sleep(0.01)
    assert not mailbox.trouble
    assert mailbox.read(0, 10) == []
    mailbox.close()
