"""What browsing found as `[[machine.tag]]`, ready to paste: names made valid and unique, guesses marked as such."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shoptwin.domain.device import TagCandidate

_SPELT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})
_SEAM = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def tag_blocks(found: Sequence[TagCandidate], machine: str, device: str) -> Iterator[str]:
    """Yield the lines of a machine with a tag for each candidate."""
    yield "[[machine]]"
    yield f"name = {_text(machine)}"
    for candidate, name in zip(found, names(found), strict=True):
        yield ""
        yield "[[machine.tag]]"
        yield f"name = {_text(name)}"
        yield f"device = {_text(device)}"
        yield f"address = {_text(candidate.address)}"
        yield from _meaning(candidate)


def _meaning(candidate: TagCandidate) -> Iterator[str]:
    if candidate.role is not None:
        yield f'role = "{candidate.role}"  # a guess: {_line(candidate.why)}'
    else:
        yield 'role = "other"  # nothing suggests another'
    if candidate.unit:
        yield f"unit = {_text(candidate.unit)}"
    if candidate.kind == "waveform":
        told = f"rate = {candidate.rate}" if candidate.rate else "# rate =     in Hz: the device does not tell it"
        yield told
    elif candidate.labels:
        yield f"labels = {{ {', '.join(f'{number} = {_text(label)}' for number, label in candidate.labels)} }}"
    now = [f"now {candidate.sample}" if candidate.sample else "",
           f"range {candidate.span[0]:g} to {candidate.span[1]:g}" if candidate.span else ""]  # fmt: skip
    if told := ", ".join(part for part in now if part):
        yield f"# {_line(told)}"


def names(found: Sequence[TagCandidate]) -> list[str]:
    """Return a name for each, valid and unique: its own, with those of what it lies in as far as needed."""
    parts = [[slug(part) for part in (*each.path, each.name)] for each in found]
    depths = [1] * len(found)
    while True:
        made = ["_".join(part[-depth:]) for part, depth in zip(parts, depths, strict=True)]
        count = Counter(made)
        longer = [n for n, name in enumerate(made) if count[name] > 1 and depths[n] < len(parts[n])]
        if not longer:
            return _numbered(made)
        for n in longer:
            depths[n] += 1


def _numbered(made: Sequence[str]) -> list[str]:
    """Return names of which none is there twice."""
    taken = set(made)
    met: Counter[str] = Counter()
    unique = []
    for name in made:
        met[name] += 1
        new = name
        while met[name] > 1 and new in taken:
            new = f"{name}_{met[name]}"
            met[name] += new in taken
        taken.add(new)
        unique.append(new)
    return unique


def slug(text: str) -> str:
    """Return a text in small letters, digits and underscores: `SpindelTemp. Öl` is `spindel_temp_oel`."""
    plain = unicodedata.normalize("NFKD", _SEAM.sub("_", text.translate(_SPELT))).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_") or "tag"


def _text(text: str) -> str:
    """Write a TOML string: that of JSON, where DEL is written out too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _line(text: str) -> str:
    """Keep a comment in its line: what a device says may hold anything."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
