"""One blocking call in a thread that the end of the process does not wait for."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def in_thread(name: str, work: Callable[[], None]) -> Future[None]:
    """Do `work` in a daemon thread of its own; the future cannot be cancelled, only left alone."""
    future: Future[None] = Future()
    future.set_running_or_notify_cancel()

    def body() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - handed to who waits
            future.set_exception(error)
        else:
            future.set_result(None)

    threading.Thread(target=body, name=name, daemon=True).start()
    return future
