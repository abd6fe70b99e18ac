"""The physics of the practice machines: pure functions and small state machines of numpy, in SI units unless told."""
