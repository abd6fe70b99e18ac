"""The systemd unit says what the daemon relies on."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

UNIT = Path(__file__).parents[2] / "systemd/shoptwin.service"


def _settings() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        key, sign, value = line.partition("=")
        if sign and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def test_what_the_daemon_relies_on() -> None:
    """Readiness, watchdog, restart, reload, state and the code on which it is not started again are as agreed."""
    agreed = {
        "Type": "notify", "WatchdogSec": "30", "Restart": "on-failure", "RestartPreventExitStatus": "78",
        "StateDirectory": "shoptwin", "RuntimeDirectory": "shoptwin", "ExecReload": "kill -HUP $MAINPID",
        "NoNewPrivileges": "yes", "ProtectSystem": "strict", "PrivateTmp": "yes",
    }  # fmt: skip
    found = _settings()
    assert {key: found[key] for key in agreed} == {key: [value] for key, value in agreed.items()}
    # The daemon itself needs up to 5 s to end: systemd must not kill it before.
    assert int(found["TimeoutStopSec"][0]) > 5


def test_systemd_takes_it(tmp_path: Path) -> None:
    """Where systemd is there, it finds nothing wrong with the unit."""
    unit = tmp_path / "shoptwin.service"
    unit.write_text(UNIT.read_text().replace("/opt/shoptwin/bin/shoptwin", sys.executable))
    assert sys.executable in unit.read_text()
    if (analyze := shutil.which("systemd-analyze")) is None:
        return
    told = subprocess.run([analyze, "verify", str(unit)], capture_output=True, text=True, check=False, timeout=30)
    assert (told.returncode, told.stderr) == (0, "")
