"""What a daemon's process has loaded, for what it is configured to do (DESIGN §6: memory is what the box lacks)."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

NEVER = ("scipy", "pandas", "sklearn", "numba", "onnx", "rich", "pygments", "nicegui", "numpy.ma")
"""What learning, people's terminals and the console use, in processes of their own."""

PROBE = """
import asyncio, json, sys
from pathlib import Path
from shoptwin.cli.app import cli
from shoptwin.runtime.lean import import_lean
import_lean()
from shoptwin import config
from shoptwin.acquire.registry import plugins
from shoptwin.daemon.gateway import Gateway
from shoptwin.runtime.clock import SystemClock

async def main(path, state):
    drivers = plugins()
    load = lambda: config.load(path, drivers, state_dir=state)
    gateway, stop = Gateway(load(), drivers, SystemClock(), load), asyncio.Event()
    asyncio.get_running_loop().call_later(1.0, stop.set)
    await gateway.run(stop)

asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
print(json.dumps(sorted({name.partition(".")[0] for name, module in sys.modules.items() if module is not None}
                        | {"numpy.ma"} & sys.modules.keys())))
"""
"""As `shoptwin run` does it: a gateway is built and runs for a second, its devices being away."""

GATEWAY = """
[gateway]
site = "plant-1"
name = "gw"

[[device]]
name = "plc"
driver = "{driver}"
url = "{url}"
period = "1s"

[[machine]]
name = "press-3"
{tag}
"""
LEVEL = """
[[machine.tag]]
name = "pressure"
role = "pressure"
device = "plc"
address = "holding:0:float32"
limits = { hi = 6 }
"""
WARM = """
[[machine.tag]]
name = "bearing_temp"
role = "temperature"
unit = "degC"
device = "plc"
address = "holding:0:float32"
"""
NODE = """
[[machine.tag]]
name = "pressure"
role = "pressure"
device = "plc"
address = "ns=2;s=Pressure"
"""
MODBUS = ("modbus", "tcp://127.0.0.1:1")
OPCUA = ("opcua", "opc.tcp://127.0.0.1:1")


@pytest.fixture
def loaded(tmp_path: Path):
    """Return the packages that a gateway has loaded after a second on a device and a tag."""

    def run(device: tuple[str, str], tag: str) -> set[str]:
        path = tmp_path / "shoptwin.toml"
        path.write_text(GATEWAY.format(driver=device[0], url=device[1], tag=tag))
        done = subprocess.run(
            [sys.executable, "-c", PROBE, str(path), str(tmp_path / "state")],
            capture_output=True, text=True, check=False, timeout=50,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return set(json.loads(done.stdout.splitlines()[-1]))

    return run


def test_modbus_alone(loaded):
    """A gateway that reads limits over Modbus loads neither OPC UA nor onnxruntime nor what serves metrics."""
    found = loaded(MODBUS, LEVEL)
    assert "pymodbus" in found
    assert not found & {"asyncua", "cryptography", "onnxruntime", "prometheus_client", "shoptwin_plant", *NEVER}


def test_models(loaded):
    """A gateway with a temperature to judge loads onnxruntime, and nothing that only training needs."""
    found = loaded(MODBUS, WARM)
    assert "onnxruntime" in found
    assert not found & {"asyncua", *NEVER}


def test_opcua_alone(loaded):
    """A gateway that reads OPC UA loads asyncua and not the library of another protocol."""
    found = loaded(OPCUA, NODE)
    assert "asyncua" in found
    assert not found & {"pymodbus", "serial", "onnxruntime", *NEVER}
