"""`make bench`: the numbers of the design, each beside its baseline; docs/reference/benchmarks.md explains them.

`make soak` runs those that need long: each topic of SOAKS for its minutes.

A number that does not hold is shown as it is. The exit code is 1 only where a benchmark itself breaks.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path

from rows import Row, lines, write
from servers import ROOT

TOPICS = (
    "modbus", "fleet", "unreachable", "flapping", "bus", "opcua", "opcua-fleet", "store", "inference", "learning",
    "symptoms", "alarms", "publishing", "latency", "memory", "plant",
)  # fmt: skip
"""The modules of this folder (with _ for -), each with a function `rows(*, quick)`; in the order of a value's way."""
SOAKS = {"fleet": 10.0, "opcua-fleet": 10.0, "flapping": 60.0, "endurance": 20.0}
"""Minutes that `make soak` gives to topics with a function `soak(minutes)`."""


def main() -> int:
    """Run what is asked for, print the table, write build/bench.json."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument(
        "--only", action="append", choices=sorted({*TOPICS, *SOAKS}), help="run this topic alone; may be repeated"
    )
    parser.add_argument("--quick", action="store_true", help="shorter runs: rougher numbers, about four minutes")
    parser.add_argument("--soak", action="store_true", help=f"the long runs: {', '.join(SOAKS)}")
    usual = ", ".join(f"{minutes:g} of {topic}" for topic, minutes in SOAKS.items())
    parser.add_argument("--minutes", type=float, help=f"of each long run; else {usual}")
    parser.add_argument("--out", type=Path, help="where the rows are written, else build/bench.json or build/soak.json")
    arguments = parser.parse_args()
    if arguments.soak and (short := [topic for topic in arguments.only or () if topic not in SOAKS]):
        parser.error(f"there is no long run of {', '.join(short)}; there is one of {', '.join(SOAKS)}")
    out = arguments.out or ROOT / "build" / ("soak.json" if arguments.soak else "bench.json")
    began, load = time.monotonic(), os.getloadavg()
    found: list[Row] = []
    broken: list[str] = []
    for topic in arguments.only or (SOAKS if arguments.soak else TOPICS):
        print(f"{topic} …", file=sys.stderr, flush=True)
        try:
            module = importlib.import_module(topic.replace("-", "_"))
            if arguments.soak:
                found += module.soak(arguments.minutes or SOAKS[topic])
            else:
                found += module.rows(quick=arguments.quick)
        except Exception as error:  # noqa: BLE001 - the others are still worth their table
            traceback.print_exc()
            broken.append(topic)
            found.append(Row(topic, None, "", note=f"broken: {type(error).__name__}, see above"))
    print("\n".join(lines(found)))
    took = time.monotonic() - began
    about: dict[str, object] = {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(took, 1),
        "quick": arguments.quick,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "load_before": round(load[0], 2),
        "load_after": round(os.getloadavg()[0], 2),
    }
    write(out, found, about)
    held = [row.ok for row in found if row.ok is not None]
    print(f"\n{sum(held)} of {len(held)} hold; {took:.0f} s on {os.cpu_count()} cores; {out.name} has it all")
    print(f"load {about['load_before']} before, {about['load_after']} after: where others are at work, run it again")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
