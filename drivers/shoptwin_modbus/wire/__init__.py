"""Bytes: connections, serial lines, frames, and whose reply is whose. Nothing but reads can leave here."""
