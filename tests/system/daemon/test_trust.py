"""An OPC UA server and a daemon that do not know one another, until somebody says so on both sides."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest

SHOPTWIN = (sys.executable, "-m", "shoptwin")
DEVICE = """
[[device]]
name = "cell-4"
driver = "opcua"
url = "{url}"
period = "200ms"
timeout = "2s"

[[machine]]
name = "mill-5"

[[machine.tag]]
name = "spindle_temp"
role = "temperature"
device = "cell-4"
address = "nsu=urn:shoptwin:test;s=Double"
"""


def reason(status: dict[str, Any]) -> str:
    return str(status["devices"][0]["reason"])


@pytest.mark.timeout(150)
def test_both_sides_accept_one_another(node_opcua: Any, daemon: Any) -> None:
    """Each side refuses the other with the cure in the status, and without a restart values come once both accepted."""
    server = node_opcua(secure=True, strict=True)
    # By name: the watch on the wire, which all other tests run behind, cannot read what is encrypted.
    gateway = daemon(DEVICE.format(url=f"opc.tcp://localhost:{server.port}")).start()
    unknown = gateway.until(lambda s: "shoptwin trust accept" in reason(s))
    command = re.search(r"shoptwin (trust accept \w{40} --state-dir \S+)", reason(unknown))
    assert command is not None
    accepted = subprocess.run([*SHOPTWIN, *command[1].split()], capture_output=True, text=True, check=False)
    assert accepted.returncode == 0, accepted
    refused = gateway.until(lambda s: "does not accept this gateway's certificate" in reason(s), 60)
    own = (gateway.state / "pki" / "own" / "shoptwin.der").read_bytes()
    assert str(gateway.state / "pki" / "own" / "shoptwin.der") in reason(refused)
    alarm = "_gateway/cell-4.not-connected"
    assert "does not accept" in gateway.until_standing(alarm, seconds=30)[alarm]["text"]
    assert server.do("trust")["trusted"]
    assert server.do("refused")["refused"] == 0
    told = gateway.until(lambda s: s["devices"][0]["health"] == "connected" and s["devices"][0]["samples"], 90)
    assert set(told["devices"][0]["certificates"]) == {"gateway", "server"}
    assert (gateway.state / "pki" / "own" / "shoptwin.der").read_bytes() == own
    assert server.do("session")["mode"] == "SignAndEncrypt"
    assert server.do("counts")["sessions"] == 1
