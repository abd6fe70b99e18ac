"""Blocking calls in threads that the end of the process does not wait for: a name that no server answers for."""

from __future__ import annotations

import threading
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

GRACE = 1.0
"""Seconds in all for which the end waits for calls that are under way."""


def in_thread(name: str, work: Callable[[], T]) -> Future[T]:
    """Do `work` in a daemon thread of its own; the future cannot be cancelled, only left alone."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()

    def body() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - handed to who waits
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=body, name=name, daemon=True).start()
    return future


class Errands(ThreadPoolExecutor):
    """The loop's default executor: a daemon thread a call, so that one that hangs holds up neither others nor the end.

    asyncio resolves names there, and by itself would wait for all of them at the end, and the interpreter once more. It
    takes no executor but a `ThreadPoolExecutor`; nothing of that one's pool is used.
    """

    def __init__(self) -> None:
        super().__init__()
        self._under_way: set[Future[object]] = set()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Begin a call at once."""
        future = in_thread("errand", partial(fn, *args, **kwargs))
        self._under_way.add(future)  # type: ignore[arg-type]  # a future of anything is one of an object
        future.add_done_callback(self._under_way.discard)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Give what is under way a moment."""
        if wait:
            futures.wait(tuple(self._under_way), GRACE)
        super().shutdown(wait=wait, cancel_futures=cancel_futures)
