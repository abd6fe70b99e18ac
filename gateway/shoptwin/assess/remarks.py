"""What is told beside a verdict: what it does without, what marks have moved, what is doubtful of what was learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shoptwin.assess.track import Track


def remarks(track: Track, lacking: str) -> str:
    """Return the note of a verdict on the latest row; `lacking` names the tags without a value, and why."""
    doubts = [doubt["text"] for doubt in track.learned.manifest.get("doubts", ())] if track.learned else []
    told = [f"without {lacking}" if lacking else "", track.allowance.note]
    if doubts:
        more = f" (and {len(doubts) - 1} more: shoptwin learned {track.machine})" if len(doubts) > 1 else ""
        told.append(f"learned, but {doubts[0]}{more}")
    return "; ".join(filter(None, told))
