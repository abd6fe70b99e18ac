"""A request whose parameters are encoded once; asyncua encodes its header each time, and sends it as any other.

asyncua finds out how to encode a field by the name of its type (`ua_binary.Primitives`). A type of ours, whose values
are encoded already, makes it take them as they are: handles, sequence numbers, chunks, signatures and time-outs stay
its own. Whether it still works like this is tried with each request before it is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from asyncua import ua
from asyncua.ua import ua_binary

if TYPE_CHECKING:
    from typing import Self


class Raw(bytes):
    """Bytes that stand for what they encode."""

    __slots__ = ()

    @staticmethod
    def pack(encoded: bytes) -> bytes:
        """Be asked by asyncua how to encode this."""
        return encoded


@dataclass(slots=True)
class EncodedRequest:
    """What asyncua takes for a request; it writes the session, the handle and the time-out into its header."""

    TypeId: ua.NodeId
    RequestHeader: ua.RequestHeader
    Parameters: Raw

    @classmethod
    def of(cls, request: ua.ReadRequest) -> Self:
        """Encode a request, with which it then shares a header.

        Raises:
            ValueError: this asyncua does not encode it to the same bytes; the text says what is different.
        """
        try:
            if not hasattr(ua_binary.Primitives, Raw.__name__):
                setattr(ua_binary.Primitives, Raw.__name__, Raw)
            encoded = cls(request.TypeId, ua.RequestHeader(), Raw(ua_binary.struct_to_binary(request.Parameters)))
            request.RequestHeader = encoded.RequestHeader
            encoded.RequestHeader.RequestHandle = 0x01020304
            same = ua_binary.struct_to_binary(encoded) == ua_binary.struct_to_binary(request)
        except (AttributeError, TypeError, LookupError, ua.UaError) as error:
            raise ValueError(f"asyncua does not encode as expected: {error}") from error
        if not same:
            raise ValueError("asyncua encodes the request otherwise")
        return encoded
