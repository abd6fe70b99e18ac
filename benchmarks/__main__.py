"""`make bench`: the numbers of the design, each beside its baseline; docs/reference/benchmarks.md explains them.

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

TOPICS = ("modbus", "opcua", "store", "inference", "alarms", "publishing", "latency", "memory", "plant")
"""The modules of this folder, each with a function `rows(*, quick)`; in the order of a value's way."""


def main() -> int:
    """Run what is asked for, print the table, write build/bench.json."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=TOPICS, help="run this topic alone; may be repeated")
    parser.add_argument("--quick", action="store_true", help="shorter runs: rougher numbers, under two minutes")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench.json", help="where the rows are written")
    arguments = parser.parse_args()
    began, load = time.monotonic(), os.getloadavg()
    found: list[Row] = []
    broken: list[str] = []
    for topic in arguments.only or TOPICS:
        print(f"{topic} …", file=sys.stderr, flush=True)
        try:
            found += importlib.import_module(topic).rows(quick=arguments.quick)
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
    write(arguments.out, found, about)
    held = [row.ok for row in found if row.ok is not None]
    print(f"\n{sum(held)} of {len(held)} hold; {took:.0f} s on {os.cpu_count()} cores; {arguments.out.name} has it all")
    print(f"load {about['load_before']} before, {about['load_after']} after: where others are at work, run it again")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
