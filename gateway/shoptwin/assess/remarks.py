"""What is told beside a verdict: what it does without, what marks have moved, what is doubtful of what was learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shoptwin.assess.track import Track


_QUIET = "constant"
"""What `shoptwin learned` tells alone: a tag that never moves is no evidence, and may well be coarse."""


def remarks(track: Track, lacking: str) -> str:
    """Return the note of a verdict on the latest row; `lacking` names the tags without a value, and why."""
    known = track.learned.manifest.get("doubts", ()) if track.learned else ()
    doubts = [doubt["text"] for doubt in known if doubt["kind"] != _QUIET]
    told = [f"without {lacking}" if lacking else "", track.allowance.note]
    if doubts:
        more = f" (and {len(doubts) - 1} more: shoptwin learned {track.machine})" if len(doubts) > 1 else ""
        told.append(f"learned, but {doubts[0]}{more}")
    return "; ".join(filter(None, told))
