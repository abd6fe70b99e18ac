"""`python -m shoptwin.learn`: learn one indicator of one machine from the evidence in twin.db, then end.

Exit codes: 0 learned (the last line is the new version), 3 too little evidence yet (ask again later), 1 anything else.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from shoptwin.assess.progress import LearnRequest
from shoptwin.domain.timing import parse_time
from shoptwin.learn.jobs import Job, learn, stand_back

TOO_LITTLE = 3


def main(arguments: list[str] | None = None) -> int:
    """Run the command; see the module."""
    parser = argparse.ArgumentParser(prog="python -m shoptwin.learn", description="Learn what is normal of a machine.")
    parser.add_argument("--twin", type=Path, required=True, help="twin.db, which is only read")
    parser.add_argument("--learned", type=Path, required=True, help="where baselines are kept")
    parser.add_argument("--machine", required=True)
    parser.add_argument("--indicator", required=True, choices=("vibration", "process"))
    parser.add_argument("--since", type=_time, default=0, help="ISO 8601, or ns since 1970 UTC")
    parser.add_argument("--until", type=_time, required=True, help="the same; evidence from before it is used")
    parser.add_argument("--false-alarms", type=float, default=1.0, help="a month")
    parser.add_argument("--extends", default="", help="a version whose unknown regimes are learned too …")
    parser.add_argument("--after", type=_time, default=0, help="… from what was seen of them since this time …")
    parser.add_argument("--beyond", type=_time, default=0, help="… and before this one")
    parser.add_argument("--limit", nargs=3, action="append", default=[], metavar=("TAG", "CONDITION", "VALUE"))
    told = parser.parse_args(arguments)
    limits = tuple((tag, condition, float(value)) for tag, condition, value in told.limit)
    request = LearnRequest(
        told.machine, told.indicator, told.since, told.until, told.false_alarms, told.extends, told.beyond,
        after=told.after, limits=limits,
    )  # fmt: skip
    outcome = learn(Job(told.twin, told.learned, request))
    if outcome.problem:
        print(outcome.problem, file=sys.stderr)  # noqa: T201
        return TOO_LITTLE if outcome.early else 1
    print(outcome.version)  # noqa: T201 - what the daemon reads
    return 0


def _time(text: str) -> int:
    return int(text) if text.lstrip("-").isdigit() else parse_time(text)


if __name__ == "__main__":
    stand_back()
    sys.exit(main())
