"""An unknown device: what it serves (`scan`), and what stands at an address (`peek`)."""
