"""The signed list of the shipped models: what is not on it, or was changed, is refused unless somebody wants it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shoptwin.assess import ModelShelf
from shoptwin.assess.seal import LIST, SIGNATURE, keys, problem
from shoptwin.domain.errors import ModelRejected
from shoptwin.runtime import signature


@pytest.fixture
def copy(tmp_path):
    """A copy of the shipped models that may be spoilt."""
    with resources.as_file(resources.files("shoptwin_models")) as models:
        return Path(shutil.copytree(models, tmp_path / "models"))


def listed(copy):
    return "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(copy).as_posix()}\n"
        for path in sorted(copy.glob("*/*"))
    )


def test_what_is_shipped_is_signed():
    """The list that is shipped is signed by a key of this release, and names every file of every model as it is."""
    root = resources.files("shoptwin_models")
    assert problem(root) == ""
    with resources.as_file(root) as models:
        files = {p.relative_to(models).as_posix(): p for p in models.glob("*/*") if p.parent.name != "__pycache__"}
        told = dict(line.split("  ")[::-1] for line in (models / LIST).read_text().splitlines())
        assert told == {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}


def spoil_model(copy):
    (copy / "vibration" / "model.onnx").write_bytes(b"another model")


def spoil_manifest(copy):
    """A whole model of somebody else's: its manifest fits, but nobody signed it."""
    (copy / "vibration" / "model.onnx").write_bytes((copy / "temperature" / "model.onnx").read_bytes())
    (copy / "vibration" / "manifest.toml").write_bytes((copy / "temperature" / "manifest.toml").read_bytes())


def spoil_list(copy):
    """The list was written anew for it, with the old signature."""
    spoil_manifest(copy)
    (copy / LIST).write_text(listed(copy))


def sign_by_another(copy):
    """And the list was signed, by a key that nobody knows."""
    spoil_list(copy)
    (copy / SIGNATURE).write_bytes(Ed25519PrivateKey.generate().sign((copy / LIST).read_bytes()))


def lose_signature(copy):
    (copy / SIGNATURE).unlink()


def add_model(copy):
    shutil.copytree(copy / "temperature", copy / "vibration-2")
    shutil.rmtree(copy / "vibration")
    (copy / "vibration-2").rename(copy / "vibration")


@pytest.mark.parametrize(
    "spoil", [spoil_model, spoil_manifest, spoil_list, sign_by_another, lose_signature, add_model]
)  # fmt: skip
def test_what_was_changed_is_refused_unless_somebody_wants_it(copy, spoil):
    """A changed model, manifest, list or signature is refused with a cure; with `unsigned` a fitting one runs."""
    spoil(copy)
    shelf = ModelShelf(copy)
    assert shelf.find("vibration") is None
    assert "[models] unsigned = true" in shelf.refused["vibration"].hint
    assert problem(copy)
    wanted = ModelShelf(copy, unsigned=True)
    if spoil is spoil_model:
        with pytest.raises(ModelRejected, match="sha256"):
            wanted.get("vibration")
    else:
        assert wanted.find("vibration") is not None


def test_one_changed_model_does_not_take_the_other_along(copy):
    """Where one file is not as it was signed, the models whose files are go on."""
    spoil_model(copy)
    shelf = ModelShelf(copy)
    assert shelf.find("vibration") is None
    assert shelf.find("temperature") is not None


def test_a_key_may_be_replaced():
    """While two keys are known, what either of them signed is accepted; what a third one signed is not."""
    old, new, third = (Ed25519PrivateKey.generate() for _ in range(3))
    known = tuple(
        k.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo) for k in (old, new)
    )  # fmt: skip
    assert [signature.signed(b"list", k.sign(b"list"), known) for k in (old, new, third)] == [True, True, False]


def test_a_key_that_cannot_be_read_is_no_verdict():
    """Where the check itself fails that is told as such, and nothing is accepted."""
    with pytest.raises(OSError, match=r"PEM|key"):
        signature.signed(b"x", b"y" * 64, (b"no key",))


def test_checking_costs_the_daemon_no_library():
    """Opening a signed model leaves `cryptography` out of a process that has no other use for it."""
    code = (
        "import sys\nfrom shoptwin.assess import ModelShelf\nModelShelf().get('temperature')\n"
        "sys.exit('cryptography' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_private_key_is_shipped():
    """What is beside the verifier are public keys alone."""
    assert keys()
    for key in keys():
        assert key.startswith(b"-----BEGIN PUBLIC KEY-----")
