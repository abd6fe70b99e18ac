"""Commissioning: what a server offers, and walking through what it has."""
