"""Profiles: data that is complete, documented, recognised and only ever makes the driver more careful."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoptwin_opcua import plugin
from shoptwin_opcua.profiles import Profile, profiles, recognised
from shoptwin_opcua.space.limits import Limits, apply

FOLDER = Path(__file__).resolve().parents[1]
WHOLE = {"vendor": "V", "models": ["M"], "source": ["S"], "marks": ["m"]}


def test_every_file_is_a_profile_with_its_source():
    """Each file is read without a rest, and names where its figures come from."""
    assert len(profiles()) == len(list((FOLDER / "profiles").iterdir()))
    for profile in profiles().values():
        assert all(len(source) > 20 for source in profile.source)


def test_readme_has_every_profile():
    """The table in the README is that of the files."""

    def cell(figure, unit=""):
        return f"{figure:g}{unit}" if figure else "-"

    text = (FOLDER / "README.md").read_text()
    table = text[text.index("<!-- profiles") : text.index("<!-- /profiles")].splitlines()[3:]
    assert table == [
        f"| `{id_}` | {p.vendor}: {', '.join(p.models)} | {cell(p.nodes_per_read)} | {cell(p.items_per_call)} "
        f"| {cell(p.sessions)} | {cell(p.items)} | {cell(p.publishing_ms, ' ms')} | {cell(p.sampling_ms, ' ms')} |"
        for id_, p in profiles().items()
    ]


@pytest.mark.parametrize(
    ("said", "id_"),
    [
        (["http://siemens.com/s7-1500", "Siemens AG", "CPU 1516-3 PN/DP"], "s7-1500"),
        (["", "Siemens AG", "SIMATIC.S7-1200.OPC-UA.Application:PLC_1"], "s7-1200"),
        (["http://www.3s-software.com", "3S - Smart Software Solutions GmbH", "OPC UA Server"], "codesys"),
        (["urn:BMENUA0100", "Schneider Electric", "BMENUA0100"], "bmenua0100"),
        (["", "OMRON Corporation", "NX102-9000"], "omron-nj-nx"),
        (["http://br-automation.com/", "B&R", "Embedded OPC-UA Server"], "br"),
        (["", "Phoenix Contact", "AXC F 2152"], "plcnext"),
        (["urn:node-opcua", "NodeOPCUA", "server"], ""),
        ([], ""),
    ],
)
def test_a_server_is_recognised_by_what_it_says_of_itself(said, id_):
    """The BuildInfo of a known kind of server leads to its profile, that of another to none."""
    assert recognised(said) == id_


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"marks": ["Upper"]}, "lower case"), ({"source": []}, "sources"), ({"speed": 1}, "unknown field"),
     ({"mode": "write"}, "enum")],
)  # fmt: skip
def test_a_wrong_profile_is_refused(wrong, says):
    """A file that says too little, too much or the wrong thing is refused with the reason."""
    with pytest.raises(msgspec.ValidationError, match=says):
        msgspec.convert(WHOLE | wrong, Profile)


def test_an_unknown_profile_is_refused():
    """A profile that nobody has is an error of the configuration, which names those there are."""
    with pytest.raises(msgspec.ValidationError, match="s7-1200"):
        msgspec.convert({"url": "opc.tcp://plc", "security": "none", "profile": "s7-300"}, plugin.Settings)


@given(
    profile=st.builds(
        lambda **figures: msgspec.convert(WHOLE | figures, Profile),
        nodes_per_read=st.integers(0, 900), items_per_call=st.integers(0, 900), nodes_per_browse=st.integers(0, 900),
        subscriptions=st.integers(0, 90), items=st.integers(0, 9000), publishing_ms=st.floats(0, 9000),
        sampling_ms=st.floats(0, 9000),
    ),
    read=st.integers(1, 500), publishing=st.floats(0, 10), watched=st.integers(0, 5000),
)  # fmt: skip
def test_a_profile_only_makes_more_careful(profile, read, publishing, watched):
    """Whatever server and profile say, requests become no larger and intervals no shorter by a profile."""
    limits = Limits(read=read, publishing=publishing, watched=watched)
    apply(limits, profile)
    assert 1 <= limits.read <= read
    assert limits.items <= Limits().items
    assert limits.publishing >= publishing
    assert limits.publishing >= profile.publishing_ms / 1000
    assert limits.watched == watched
