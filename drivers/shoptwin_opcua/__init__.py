"""OPC UA: reads and subscriptions, over asyncua. It can read and never write (see the README)."""

from shoptwin_opcua.plugin import plugin

__all__ = ["plugin"]
