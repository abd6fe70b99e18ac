"""What a Bad quality of a tag means on an OPC UA server, and what to do about it."""

from __future__ import annotations

_BROWSE = "look what there is with: shoptwin browse {device}"
CURES = {
    "BadNodeIdUnknown": f"the server has no such node; {_BROWSE}",
    "BadNodeIdInvalid": f"the server does not take this for a node; {_BROWSE}",
    "BadNotReadable": "this user may not read the node: allow it in the server's project, or set user",
    "BadTypeMismatch": f"the node's type is none that a tag of this role can have; {_BROWSE}",
}
"""By quality; `{device}` is how a command names the device."""
