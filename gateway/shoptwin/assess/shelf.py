"""The shipped models: resources of the package `shoptwin_models`, which is data and is never imported by name."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from shoptwin.assess.seal import Seal
from shoptwin.assess.session import NO_RUNTIME, Session, same_shape
from shoptwin.domain.errors import ModelError, ModelRejected

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

PACKAGE = "shoptwin_models"
_CURE = "Install shoptwin again; the limit alarms stay on meanwhile"


@dataclass(frozen=True, slots=True)
class Shipped:
    """A shipped model whose hash and shapes are those of its manifest."""

    id: str
    version: str
    sha256: str
    features: tuple[str, ...]
    parameters: dict[str, Any]
    session: Session

    @property
    def name(self) -> str:
        """`<id>@<version>`, as an assessment names it."""
        return f"{self.id}@{self.version}"


class ModelShelf:
    """The shipped models, each opened and checked when it is first asked for."""

    def __init__(self, root: Traversable | None = None, *, unsigned: bool = False) -> None:
        """Take the models in `root`, else those that are installed; `unsigned` ones too where the user says so."""
        self._root = root
        self._unsigned = unsigned
        self._seal: Seal | None = None
        self._open: dict[str, Shipped] = {}
        self.unavailable = ""
        """Why no model at all can be run (onnxruntime is missing), empty where they can."""
        self.refused: dict[str, ModelError] = {}
        """Models that were asked for and refused, with the reason."""

    def get(self, model: str) -> Shipped:
        """Return a model, checked.

        Raises:
            ModelRejected: it is not there, not signed, or its hash or shapes are not those of its manifest.
            ModelError: onnxruntime is missing; `unavailable` says so from then on.
        """
        if model not in self._open:
            try:
                self._open[model] = self._load(model)
            except ModelError as e:
                self.refused[model] = e
                if e.code == NO_RUNTIME:
                    self.unavailable = str(e)
                raise
        return self._open[model]

    def find(self, model: str) -> Shipped | None:
        """Return a model, or None where it is refused; `refused` then holds why. Tried once."""
        if model in self.refused:
            return None
        try:
            return self.get(model)
        except ModelError:
            return None

    def _load(self, model: str) -> Shipped:
        try:
            root = self._root or resources.files(PACKAGE)
            told = (root / model / "manifest.toml").read_bytes()
            self._sealed(root, f"{model}/manifest.toml", told)
            manifest = tomllib.loads(told.decode("utf-8"))
            data = (root / model / manifest["file"]).read_bytes()
            self._sealed(root, f"{model}/{manifest['file']}", data)
        except (OSError, ModuleNotFoundError, KeyError, tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
            raise ModelRejected(f"model {model}: cannot be read: {e}", _CURE) from e
        check_hash(f"model {model}", data, str(manifest.get("sha256")))
        session = Session(data, f"model {model}")
        for kind, actual in (("inputs", session.inputs), ("outputs", session.outputs)):
            declared = {t["name"]: tuple(t["shape"]) for t in manifest.get(kind, [])}
            check_shapes(f"model {model}", declared, actual)
        return Shipped(
            model, str(manifest["version"]), manifest["sha256"], tuple(manifest.get("features", ())),
            manifest.get("parameters", {}), session,
        )  # fmt: skip

    def _sealed(self, root: Traversable, name: str, data: bytes) -> None:
        """Hold a file against the signed list, which is verified once. Raises ModelRejected."""
        if not self._unsigned:
            self._seal = self._seal or Seal(root)
            self._seal.check(name, data)


def check_hash(name: str, data: bytes, declared: str) -> None:
    """Hold a model's bytes against the hash in its manifest. Raises ModelRejected."""
    actual = hashlib.sha256(data).hexdigest()
    if actual != declared:
        raise ModelRejected(f"{name}: its sha256 is {actual[:12]}…, its manifest says {declared[:12]}…", _CURE)


def check_shapes(name: str, declared: dict[str, tuple[Any, ...]], actual: dict[str, tuple[Any, ...]]) -> None:
    """Hold tensors by name against what the manifest declares. Raises ModelRejected."""
    for tensor in sorted(declared.keys() | actual.keys()):
        if tensor not in declared or tensor not in actual or not same_shape(declared[tensor], actual[tensor]):
            found, said = actual.get(tensor, "absent"), declared.get(tensor, "absent")
            raise ModelRejected(f"{name}: {tensor} is {found}, its manifest says {said}", _CURE)
