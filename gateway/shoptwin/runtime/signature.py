"""Is a message signed by one of these keys (Ed25519, RFC 8032)?

`cryptography` takes 10 MB for good, and what is asked of it here 2 MB more where OPC UA has loaded it: so a process is
asked, which ends.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import lru_cache

_SIGNED, _NOT_SIGNED = 0, 3
_AT_MOST = 60.0
"""Seconds."""


@lru_cache(8)
def signed(message: bytes, signature: bytes, keys: tuple[bytes, ...]) -> bool:
    """Tell whether `signature` is of `message` by one of the public `keys`, each a PEM.

    Raises:
        OSError: it cannot be told.
    """
    told = json.dumps([message.hex(), signature.hex(), [key.hex() for key in keys]])
    try:
        done = subprocess.run(
            [sys.executable, "-m", "shoptwin.runtime.signature"],
            input=told, capture_output=True, text=True, timeout=_AT_MOST, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise OSError(f"the check took more than {_AT_MOST:g} s") from error
    if done.returncode not in {_SIGNED, _NOT_SIGNED}:
        why = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise OSError(why[-1])
    return done.returncode == _SIGNED


def _verified(message: bytes, signature: bytes, keys: tuple[bytes, ...]) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - see the module
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415

    for pem in keys:
        key = load_pem_public_key(pem)
        if isinstance(key, Ed25519PublicKey):
            try:
                key.verify(signature, message)
            except InvalidSignature:
                continue
            return True
    return False


def main() -> int:
    """Answer one question, as JSON on the standard input, by the exit code."""
    message, signature, keys = json.load(sys.stdin)
    known = tuple(bytes.fromhex(key) for key in keys)
    return _SIGNED if _verified(bytes.fromhex(message), bytes.fromhex(signature), known) else _NOT_SIGNED


if __name__ == "__main__":
    sys.exit(main())
