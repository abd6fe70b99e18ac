"""Build the shipped models into models/shoptwin_models: `python models/training/build.py [--check]`.

The same scripts and the same `onnx` give the same bytes; `--check` fails if the files differ from what would be built.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import temperature
import vibration

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


def main() -> int:
    """Write, or with --check compare, every shipped model."""
    check, wrong = "--check" in sys.argv[1:], []
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
    if wrong:
        print("differs from what the scripts build:", ", ".join(wrong))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
