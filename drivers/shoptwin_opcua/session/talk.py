"""What one connection counts of its talk with the server."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from asyncua.ua.uaerrors import UaStatusCodeError

from shoptwin.sdk import Talk
from shoptwin_opcua.errors import code_name

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True)
class Counters:
    """Figures since the connection was made."""

    requests: int = 0
    sent: int = 0
    received: int = 0
    timeouts: int = 0
    garbled: int = 0
    exceptions: Counter[str] = field(default_factory=Counter)

    def watch(self, protocol: Any) -> None:  # noqa: ANN401 - asyncua's UASocketProtocol
        """Count the bytes of a connection, of all services, as they go through its socket."""
        transport, take = protocol.transport, protocol.data_received
        give = transport.write

        def received(data: bytes) -> None:
            self.received += len(data)
            take(data)

        def write(data: bytes) -> None:
            self.sent += len(data)
            give(data)

        protocol.data_received, transport.write = received, write

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count a request, and how it ends."""
        self.requests += 1
        try:
            yield
        except TimeoutError:
            self.timeouts += 1
            raise
        except UaStatusCodeError as error:
            self.exceptions[code_name(error.code)] += 1
            raise
        except (ValueError, LookupError, TypeError):
            self.garbled += 1
            raise

    def talk(self) -> Talk:
        """Return the figures."""
        return Talk(
            requests=self.requests, bytes_sent=self.sent, bytes_received=self.received, timeouts=self.timeouts,
            garbled=self.garbled, exceptions=dict(sorted(self.exceptions.items())),
        )  # fmt: skip
