"""Types that other packages bring: found by entry points, loaded when an address names them, refused with a cause."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from shoptwin.sdk import BadAddress, ValueKind
from shoptwin_modbus.addresses.address import parse_address
from shoptwin_modbus.addresses.codec_plugins import plugged
from shoptwin_modbus.addresses.codecs import CODECS, Codec, Order, Values

README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return what installs a package of one module: the module's name, its text and its entry points."""
    before = set(sys.modules)

    def install(module: str, text: str, *points: str) -> None:
        """Put a module and its metadata where Python finds them."""
        (tmp_path / f"{module}.py").write_text(text, "utf-8")
        about = tmp_path / f"{module}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n", "utf-8")
        (about / "entry_points.txt").write_text("\n".join(["[shoptwin_modbus.codecs]", *points]), "utf-8")
        importlib.invalidate_caches()

    monkeypatch.syspath_prepend(tmp_path)
    plugged.cache_clear()
    yield install
    plugged.cache_clear()
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and tmp_path in Path(sys.modules[name].__file__).parents:
            del sys.modules[name]


def block_of(language: str, beginning: str) -> str:
    """Return the README's block of code that begins so."""
    [block] = re.findall(rf"```{language}\n({re.escape(beginning)}.*?)```", README, re.DOTALL)
    return block


@pytest.mark.parametrize(
    ("order", "raw"),
    [("ABCD", "0102030405F6"), ("CDAB", "05F603040102"), ("BADC", "02010403F605"), ("DCBA", "F60504030201")],
)
def test_the_readmes_package_is_a_type(install, order, raw):
    """The README's 48-bit counter, installed as it stands there, is a type like any other, in each word order."""
    [point] = re.findall(r'^uint48 = "meter48:UINT48"$', block_of("toml", "[project.entry-points"), re.MULTILINE)
    install("meter48", block_of("python", "# meter48.py"), point.replace('"', ""))
    address = parse_address(f"input:20:UINT48:{order}")
    assert (address.kind, address.count, parse_address(str(address))) == (ValueKind.I8, 3, address)
    column = np.empty(2, address.kind.dtype)
    buffer = np.frombuffer(bytes.fromhex(raw + "FF" * 6), np.uint8)
    assert Values.of(address.codec, [0, 6], [address.order] * 2, [0, 1]).put(buffer, column) is None
    assert column.tolist() == [0x0102030405F6, 2**48 - 1]
    assert address.delivered(2**48 - 1) == 2**48 - 1


def test_nothing_is_imported_until_it_is_needed(install):
    """A package is imported by the first address that names its type, not before, and is named among the known."""
    install("lazy_codec", "raise ImportError('meterlib is missing')", "lazy48 = lazy_codec:LAZY")
    parse_address("holding:1:int16")
    with pytest.raises(BadAddress) as caught:
        parse_address("holding:1:laxy48")
    assert "did you mean lazy48?" in caught.value.hint
    assert "lazy_codec" not in sys.modules


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("raise ImportError('meterlib is missing')", "meterlib is missing"),
        ("OTHER = 1", "LAZY"),
        ("def (", "invalid syntax"),
        ("LAZY = int('x')", "invalid literal"),
        ("LAZY = {{}}['x']", "'x'"),
        ("LAZY = 48", "is a int"),
        ("LAZY = Codek(48)", "Codek"),
        ("{codec}LAZY = Codec('other', 3, ValueKind.I8, len)", "'other'"),
        ("{codec}LAZY = Codec('lazy48', 126, ValueKind.I8, len)", "1 to 125"),
        ("{codec}LAZY = Codec('lazy48', 3, ValueKind.WAVEFORM, len)", "no waveform"),
    ],
)
def test_a_package_that_is_broken_is_named_with_the_cause(install, text, cause):
    """A type whose package cannot be used is BadAddress with the address, the cause and what to do."""
    codec = "from shoptwin.sdk import ValueKind\nfrom shoptwin_modbus.addresses.codecs import Codec\n"
    install("broken_codec", text.format(codec=codec), "lazy48 = broken_codec:LAZY")
    with pytest.raises(BadAddress) as caught:
        parse_address("holding:1:lazy48")
    assert cause in str(caught.value)
    assert "'holding:1:lazy48'" in caught.value.message
    assert caught.value.hint


def test_two_packages_with_one_type_are_refused(install):
    """Where two packages bring a type of the same name, neither is taken: the numbers would depend on chance."""
    install("one_codec", "", "twice = one_codec:A")
    install("other_codec", "", "twice = other_codec:B")
    with pytest.raises(BadAddress) as caught:
        parse_address("holding:1:twice")
    assert "one_codec:A" in caught.value.hint
    assert "other_codec:B" in caught.value.hint


def test_a_decoder_may_work_in_place():
    """What a package's decoder does to the bytes that it gets is not seen by other types at the same place."""

    def decode(raw):
        raw[:, 0] &= 0x0F  # the upper four bits are flags
        return raw.view(">u2")[:, 0]

    buffer, column = np.frombuffer(bytes.fromhex("F123F456"), np.uint8).copy(), np.empty(2, np.int64)
    masked = Codec("masked", 1, ValueKind.I8, decode)
    Values.of(masked, [0, 2], [Order.ABCD] * 2, [0, 1]).put(buffer, column)
    assert column.tolist() == [0x123, 0x456]
    Values.of(CODECS["uint16"], [0, 2], [Order.ABCD] * 2, [0, 1]).put(buffer, column)
    assert column.tolist() == [0xF123, 0xF456]
