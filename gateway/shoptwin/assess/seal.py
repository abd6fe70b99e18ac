"""The signed list of the shipped models: SHA256SUMS beside them, and its signature by a key of the gateway.

The list is what `sha256sum --check` reads, the signature what openssl verifies: nobody need take our word for it.
"""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import TYPE_CHECKING

from shoptwin.domain.errors import ModelRejected
from shoptwin.runtime.signature import signed

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

LIST, SIGNATURE = "SHA256SUMS", "SHA256SUMS.sig"
_CURE = (
    "Install shoptwin again; or, if the models are your own, say [models] unsigned = true in the configuration. "
    "The limit alarms stay on meanwhile"
)


class Seal:
    """What the signed list says of the files beside it."""

    def __init__(self, root: Traversable) -> None:
        """Read and verify the list.

        Raises:
            ModelRejected: it is missing, or not signed by a key that this release knows.
        """
        try:
            told, signature = (root / LIST).read_bytes(), (root / SIGNATURE).read_bytes()
            known = signed(told, signature, keys())
        except OSError as error:
            raise ModelRejected(f"the signature of the shipped models cannot be checked: {error}", _CURE) from error
        if not known:
            raise ModelRejected("the shipped models are not signed by a key that this release knows", _CURE)
        lines = (line.split("  ", 1) for line in told.decode().splitlines())
        self._sums = {name: digest for digest, name in lines}

    def check(self, name: str, data: bytes) -> None:
        """Hold a file, named as in the list, against it. Raises ModelRejected."""
        if hashlib.sha256(data).hexdigest() != self._sums.get(name):
            raise ModelRejected(f"{name} is not the file that was signed: its sha256 is another", _CURE)


def keys() -> tuple[bytes, ...]:
    """Return the public keys that this release knows, as PEM; more than one while a key is being replaced."""
    folder = resources.files("shoptwin.assess") / "keys"
    found = sorted((key for key in folder.iterdir() if key.name.endswith(".pem")), key=lambda key: key.name)
    return tuple(key.read_bytes() for key in found)


def problem(root: Traversable) -> str:
    """Say what is wrong with the seal and the files beside it, or nothing."""
    try:
        seal = Seal(root)
        for model in sorted(p.name for p in root.iterdir() if (p / "manifest.toml").is_file()):
            for file in ("manifest.toml", "model.onnx"):
                seal.check(f"{model}/{file}", (root / model / file).read_bytes())
    except ModelRejected as error:
        return str(error)
    except OSError as error:
        return f"the shipped models cannot be read: {error}"
    return ""
