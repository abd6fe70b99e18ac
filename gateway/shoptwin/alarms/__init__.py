"""Alarms by ISA-18.2 / IEC 62682: what is judged, how it is announced, and what maintenance does to it (pure)."""
