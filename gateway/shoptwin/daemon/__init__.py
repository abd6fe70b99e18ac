"""The composition root: the only room that knows everyone."""

from shoptwin.daemon.main import main

__all__ = ["main"]
