"""Shoptwin: a digital twin and condition monitor for the machines of a shop floor, on a small box beside them."""

__version__ = "0.1.0"
