"""Logs: one line an event, for people on a terminal and as JSON for machines; secrets never reach them."""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import TYPE_CHECKING, Any, TextIO, cast

import structlog

if TYPE_CHECKING:
    from collections.abc import MutableMapping

_SECRET = ("password", "secret", "token", "private_key", "credential")


def hide_secrets(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:  # noqa: ANN401
    """Blank the value of every key that could hold a secret."""
    for key in event:
        if any(word in key.lower() for word in _SECRET):
            event[key] = "***"
    return event


class Unbreakable:
    """A stream for logs: one that is full or gone loses lines, and never ends what it tells of."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write as far as it goes."""
        with contextlib.suppress(OSError, ValueError):  # a closed pipe, a full disk; a closed file
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush as far as it goes."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


def configure(style: str = "auto", *, level: int = logging.INFO) -> None:
    """Set up structlog: `console`, `json`, or `auto` (console on a terminal). Other libraries log from WARNING on."""
    to_console = style == "console" or (style == "auto" and sys.stderr.isatty())
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        if to_console
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            hide_secrets,
            *([] if to_console else [structlog.processors.format_exc_info]),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", Unbreakable(sys.stderr))),
        cache_logger_on_first_use=True,
    )
    logging.raiseExceptions = False  # as above
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
