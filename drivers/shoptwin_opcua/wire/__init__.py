"""Bytes to values. Only `fast_request` knows asyncua."""
