"""What the text of an address means: places, types, device profiles. Pure; nothing here talks to a device."""
