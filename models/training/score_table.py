"""Run the yardstick over the recorded data and put its table, as it is, into models/README.md.

    python models/training/score_table.py [--shared ../shared] [--vary SEED] [--table FILE]

`--table` takes what the scorer printed before instead of running it (a few minutes). Tells the missed goals and exits 0
whatever they are: being honest about today's figures is its purpose.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

README = Path(__file__).resolve().parents[1] / "README.md"
ROOT = README.parents[1]
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"


def main() -> int:
    """Run the command; see the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared", help="where evaluate/ and data/ are")
    parser.add_argument("--vary", help="tell the recordings in other words, by this seed; prints, does not write")
    parser.add_argument("--table", type=Path, help="what the scorer printed before")
    told = parser.parse_args()
    if told.table:
        printed = told.table.read_text("utf-8")
    else:
        scorer, data = told.shared / "evaluate" / "score.py", told.shared / "data"
        if not scorer.exists():
            print(f"{scorer} is not here: give --shared", file=sys.stderr)
            return 1
        command = [sys.executable, str(scorer), "--data", str(data)]
        command += ["--command", f"{sys.executable} -m shoptwin replay", *(["--vary", told.vary] if told.vary else [])]
        printed = subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603 - ours
    rows = [line for line in printed.splitlines() if line.startswith("|")]
    missed = [line for line in rows if line.endswith("| NO |")]
    print(printed.strip().splitlines()[-1], *missed, sep="\n")
    if not told.vary:
        before, _, rest = README.read_text("utf-8").partition(BEGIN)
        _, _, after = rest.partition(END)
        summary = printed.strip().splitlines()[-1]
        table = "\n".join(rows)
        README.write_text(f"{before}{BEGIN}\n\n{table}\n\n{summary}\n\n{END}{after}", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
