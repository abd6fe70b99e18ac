"""The device by whose values a wrong one is known: servers ask it from threads of their own."""

from __future__ import annotations

import sys
import threading

from shoptwin.testing.faults import Place, Truth


def test_asked_while_threads_serve():
    """What was served can be looked through while servers' threads go on serving."""
    truth, over = Truth(), threading.Event()

    def serve() -> None:
        while not over.is_set():
            truth.read(1, 3, 0, 1)

    threads = [threading.Thread(target=serve) for _ in range(2)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            assert sum(1 for _ in truth.candidates(Place(1, 3, 0, 1), 0, 1 << 60)) <= 4000
    finally:
        over.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(before)
