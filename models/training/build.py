"""Build the shipped models into models/shoptwin_models: `python models/training/build.py [--check] [--key FILE]`.

The same scripts and the same `onnx` give the same bytes; `--check` fails if the files differ from what would be built,
or if their list is not signed. `--key` names the release's private key (Ed25519, PEM), which is in no repository; where
nothing has changed the list is the same, so is its signature, and no key is needed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import temperature
import vibration
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from shoptwin.assess import seal

VERSION = "1"
TARGET = Path(__file__).resolve().parents[1] / "shoptwin_models"


def manifest(name: str, about: dict[str, Any], model: bytes) -> str:
    """Return manifest.toml: what goes in and comes out, in which unit, and the hash that the gateway insists on."""
    lines = [
        f'id = "{name}"', f'version = "{VERSION}"', f'title = "{about["title"]}"', 'file = "model.onnx"',
        f'sha256 = "{hashlib.sha256(model).hexdigest()}"', "opset = 20",
        *(f'{key} = "{about[key]}"' for key in ("licence", "training_data", "training_data_licence")),
        f"features = {json.dumps(list(about['features']))}",
    ]  # fmt: skip
    for kind in ("inputs", "outputs"):
        for tensor, dtype, shape, unit in about[kind]:
            lines += ["", f"[[{kind}]]", f'name = "{tensor}"', f"shape = {json.dumps(list(shape))}"]
            lines += [f'dtype = "{dtype}"', f'unit = "{unit}"']
    lines += ["", "[parameters]", *(f"{key} = {json.dumps(value)}" for key, value in about["parameters"].items())]
    return "\n".join(lines) + "\n"


def sums() -> str:
    """Return the list of all files of the models: sha256, two spaces, path, as sha256sum writes it."""
    files = sorted(path for path in TARGET.glob("*/*") if path.is_file() and path.parent.name != "__pycache__")
    return "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(TARGET).as_posix()}\n" for path in files
    )


def sign(message: bytes, key: Path) -> bytes:
    """Return the Ed25519 signature: the same key and message give the same 64 bytes."""
    private = load_pem_private_key(key.read_bytes(), None)
    if not isinstance(private, Ed25519PrivateKey):
        raise SystemExit(f"{key} is no Ed25519 key")
    return private.sign(message)


def main() -> int:
    """Write, or with --check compare, every shipped model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; fail if anything differs")
    parser.add_argument("--key", type=Path, help="private key of the release, to sign a list that has changed")
    told = parser.parse_args()
    check, wrong = told.check, []
    for name, module in (("vibration", vibration), ("temperature", temperature)):
        model = module.build()
        files = {"model.onnx": model, "manifest.toml": manifest(name, module.MANIFEST, model).encode()}
        for file, content in files.items():
            path = TARGET / name / file
            if check:
                wrong += [path.name] if not path.exists() or path.read_bytes() != content else []
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        print(f"{name}: {len(model)} bytes, sha256 {hashlib.sha256(model).hexdigest()}")
    listed = sums().encode()
    if check:
        wrong += [] if (TARGET / seal.LIST).read_bytes() == listed else [seal.LIST]
    else:
        (TARGET / seal.LIST).write_bytes(listed)
        if told.key is not None:
            (TARGET / seal.SIGNATURE).write_bytes(sign(listed, told.key))
    if unsigned := seal.problem(TARGET):
        print(f"not signed, and refused unless [models] unsigned = true: {unsigned}")
        return 1
    if wrong:
        print("differs from what the scripts build:", ", ".join(wrong))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
