"""`shoptwin trust`, on real files and on a real server where one is asked."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from shoptwin.testing.node_opcua import NodeOpcua, missing

REPOSITORY = Path(__file__).resolve().parents[3]
CONFIG = """
[gateway]
site = "plant"
name = "gw-1"

[[device]]
name = "cell-4"
driver = "opcua"
url = "{url}"
period = "1s"
security = "Basic256Sha256"

[[device]]
name = "meter"
driver = "modbus"
url = "tcp://127.0.0.1:1"
period = "1s"
"""


@pytest.fixture(scope="module")
def server():
    """Give one server for all tests of this module."""
    if why := missing(REPOSITORY):
        pytest.skip(why)
    node = NodeOpcua(REPOSITORY, secure=True).start()
    yield node
    node.kill()


@pytest.fixture
def trust(shoptwin, server, tmp_path, monkeypatch):
    """Give `shoptwin trust …` with a configuration that has an OPC UA device."""
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    config = tmp_path / "shoptwin.toml"
    config.write_text(CONFIG.format(url=server.url))

    def run(*words, **more):
        return shoptwin("trust", *words, "--config", str(config), **more)

    run.server = server.url
    run.pki = tmp_path / "state" / "pki"
    return run


def listed(trust):
    return {each["standing"]: each for each in json.loads(trust("list", "--json").stdout)}


def test_own_certificate_is_made_once(trust):
    """`show` makes the gateway's certificate, shows the same one ever after, and keeps the key to the owner."""
    assert "none yet" in trust("list").stdout
    (own,) = json.loads(trust("show", "--json").stdout)
    assert (own["subject"], own["standing"]) == ("CN=Shoptwin gw-1,O=plant", "own")
    assert own["uri"].endswith(":plant:gw-1")
    assert own["thumbprint"] in trust("show").stdout
    assert Path(own["file"]).read_bytes()[:2] == b"\x30\x82"
    assert stat.S_IMODE((trust.pki / "own" / "shoptwin.pem").stat().st_mode) == 0o600


def test_accept_and_reject_by_name(trust):
    """A device is asked, its certificate accepted once somebody says so, and rejected again."""
    refused = trust("accept", "cell-4")
    assert refused.exit_code == 2
    assert "--yes" in refused.stderr
    accepted = trust("accept", "cell-4", "--yes")
    assert accepted.exit_code == 0
    assert f"{trust.server} must show" in accepted.stdout
    assert "already" in trust("accept", "cell-4", "--yes").stdout
    thumbprint = listed(trust)["trusted"]["thumbprint"]
    assert thumbprint in trust("show", "cell-4").stdout
    assert thumbprint in trust("show", trust.server).stdout
    assert trust("reject", "cell-4").exit_code == 0
    assert listed(trust)["rejected"]["thumbprint"] == thumbprint
    assert "no certificate" in trust("reject", "cell-4").stderr


def test_accept_by_thumbprint(trust):
    """A thumbprint needs no question however it is written, nor a configuration where the state directory is named."""
    trust("show", trust.server)
    thumbprint = listed(trust)["rejected"]["thumbprint"]
    assert "8 digits" in trust("accept", thumbprint[:6]).stderr
    assert "was seen" in trust("accept", "0" * 40).stderr
    with_colons = ":".join(thumbprint[n : n + 2] for n in range(0, 40, 2))
    place = ("--state-dir", str(trust.pki.parent))
    accepted = trust("accept", with_colons.lower(), *place, "--config", "nowhere.toml", "--json")
    assert json.loads(accepted.stdout)["standing"] == "trusted"
    assert listed(trust)["trusted"]["server"] == trust.server
    assert trust("reject", thumbprint[:12]).exit_code == 0


def test_renew(trust):
    """A new certificate has another key and the same name; the old pair is kept; its own is not accepted here."""
    (before,) = json.loads(trust("show", "--json").stdout)
    old = (trust.pki / "own" / "shoptwin.pem").read_bytes()
    (after,) = json.loads(trust("renew", "--json").stdout)
    assert (after["uri"], after["subject"]) == (before["uri"], before["subject"])
    assert after["thumbprint"] != before["thumbprint"]
    kept = trust.pki / "former" / f"{before['thumbprint']}.pem"
    assert kept.read_bytes() == old
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert listed(trust)["former"]["thumbprint"] == before["thumbprint"]
    assert "accepted at the device" in trust("accept", after["thumbprint"]).stderr


def test_check_notes_the_certificate_of_another_gateway(trust, shoptwin, tmp_path):
    """A certificate that was made before the gateway had this name is noted by `check`, with what to do."""
    trust("show")
    config = tmp_path / "shoptwin.toml"
    check = ("check", "--config", str(config))
    assert "certificate" not in shoptwin(*check).stdout
    config.write_text(config.read_text().replace("gw-1", "gw-2"))
    note = "note the gateway's certificate is made out to CN=Shoptwin gw-1,O=plant"
    assert note in " ".join(shoptwin(*check).stdout.split())
    assert "and this gateway is plant/gw-2" in json.loads(shoptwin(*check, "--json").stdout)["notes"][-1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("show", "cell-5"), "known are cell-4, meter"), (("show", "meter"), "knows no certificates"),
        (("show", "http://plc"), "no driver knows"), (("accept", "opc.tcp://127.0.0.1:1", "--yes"), "refused"),
    ],
)  # fmt: skip
def test_mistakes_are_told(trust, words, says):
    """What cannot be shown or accepted is told with what there is instead."""
    found = trust(*words)
    assert found.exit_code in {1, 2}
    assert says in found.stderr


def test_without_a_name_nothing_is_made(shoptwin, tmp_path):
    """Without configuration and certificate the gateway has no name to make one out to."""
    found = shoptwin("trust", "renew", "--config", str(tmp_path / "none.toml"), "--state-dir", str(tmp_path / "state"))
    assert found.exit_code == 78
    assert "--config" in found.stderr
    assert not (tmp_path / "state").exists()


def test_folder_that_cannot_be_used(trust):
    """A state directory that cannot be written is told with the path."""
    trust.pki.parent.write_text("a file")
    found = trust("show")
    assert found.exit_code == 1
    assert str(trust.pki) in found.stderr
