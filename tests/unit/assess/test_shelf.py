"""The shipped models."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

from shoptwin.assess import ModelShelf
from shoptwin.domain.errors import ModelRejected

ROOT = Path(__file__).parents[3]


@pytest.fixture
def copy(tmp_path):
    """A copy of the shipped models that may be spoilt."""
    with resources.as_file(resources.files("shoptwin_models")) as models:
        return Path(shutil.copytree(models, tmp_path / "models"))


@pytest.mark.parametrize("model", ["vibration", "temperature"])
def test_shipped_models_are_accepted(model):
    """Each shipped model opens, and is named with its version and hash."""
    shelf = ModelShelf()
    shipped = shelf.get(model)
    assert shipped.name == f"{model}@{shipped.version}"
    assert len(shipped.sha256) == 64
    assert shelf.refused == {}
    assert shelf.unavailable == ""


def test_one_wrong_bit_is_refused(copy):
    """A model whose bytes are not those of its manifest is refused, with a cure, and is not tried again."""
    file = copy / "vibration" / "model.onnx"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    shelf = ModelShelf(copy)
    with pytest.raises(ModelRejected, match="sha256") as caught:
        shelf.get("vibration")
    assert caught.value.hint
    assert shelf.find("vibration") is None
    assert "sha256" in str(shelf.refused["vibration"])
    assert shelf.find("temperature") is not None


def test_a_wrong_shape_is_refused(copy):
    """A model whose tensors are not those of its manifest is refused."""
    manifest = copy / "vibration" / "manifest.toml"
    manifest.write_text(manifest.read_text().replace('"segments", 2048]', '"segments", 4096]'))
    with pytest.raises(ModelRejected, match="waveform"):
        ModelShelf(copy, unsigned=True).get("vibration")


def test_bytes_that_are_no_model_are_refused(copy):
    """A file with the right hash that onnxruntime cannot open is refused."""
    import hashlib  # noqa: PLC0415 - this test's own

    (copy / "vibration" / "model.onnx").write_bytes(b"not a model")
    manifest = copy / "vibration" / "manifest.toml"
    lines = manifest.read_text().splitlines()
    digest = hashlib.sha256(b"not a model").hexdigest()
    manifest.write_text("\n".join(f'sha256 = "{digest}"' if ln.startswith("sha256") else ln for ln in lines))
    with pytest.raises(ModelRejected, match="cannot be opened"):
        ModelShelf(copy, unsigned=True).get("vibration")


def test_an_absent_model_is_refused(tmp_path):
    """A model that is not installed is refused with a cure."""
    with pytest.raises(ModelRejected, match="cannot be read"):
        ModelShelf(tmp_path).get("vibration")


def test_without_onnxruntime_limits_alone_remain():
    """Without onnxruntime every window still gets a verdict, no-data, that says why and how to mend it."""
    code = """
import sys
sys.modules["onnxruntime"] = None
from pathlib import Path
import numpy as np
from shoptwin.assess import Assessor, ModelShelf
from shoptwin.domain.assessment import Window
from shoptwin.domain.machine import Machine, MachineState
from shoptwin.domain.tag import Role, Tag, TagTable
tags = (Tag("a", "a", "m", Role.TEMPERATURE), Tag("b", "b", "m", Role.WAVEFORM))
table = TagTable(tags)
assessor = Assessor(table, [Machine("m", tags)], ModelShelf(), Path("nowhere"))
now = 10**18
one = np.full(2, now)
window = Window("m", now, MachineState.UNKNOWN, np.arange(2, dtype="i4"), np.array([20.0, np.nan]),
                np.zeros(2, "u4"), one, one, {}, frozenset({0, 1}))
[health] = assessor.assess([window]).assessments
assert assessor.due("m", frozenset({0, 1}), now)
assert health.indicator == "health" and health.state == "no-data" and not health.alarm
assert "onnxruntime" in health.note and "pip install" in health.note, health.note
assert "onnxruntime" in assessor.unavailable
assert assessor.requests(now) == ()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_assessing_is_light_to_import():
    """Importing the room loads neither onnxruntime nor onnx, and nothing of the scientific stack."""
    code = (
        "import sys, shoptwin.assess\n"
        "heavy = {'onnxruntime', 'onnx', 'scipy', 'pandas', 'sklearn', 'shoptwin_models'} & sys.modules.keys()\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_onnxruntime_does_not_report_home(tmp_path):
    """Opening a model leaves no telemetry session behind, and the switch against it is set before the import."""
    code = (
        "import os, sys\nfrom shoptwin.assess import ModelShelf\nModelShelf().get('temperature')\n"
        "assert 'onnxruntime' in sys.modules and os.environ['ORT_DISABLE_TELEMETRY'] == '1'\n"
    )
    kept = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    subprocess.run([sys.executable, "-c", code], env=kept | {"TMPDIR": str(tmp_path)}, check=True)
    assert list(tmp_path.iterdir()) == []


def test_training_gives_the_shipped_bytes():
    """The training scripts build exactly the models and manifests that are shipped."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "models/training/build.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("model", ["vibration", "temperature"])
def test_each_model_has_a_card(model):
    """Each shipped model has a card that tells its data, licence, figures and limits."""
    text = (resources.files("shoptwin_models") / model / "MODEL_CARD.md").read_text("utf-8")
    for word in ("Training data and licence", "Figures", "Limits", "Inputs", "Use"):
        assert word in text
