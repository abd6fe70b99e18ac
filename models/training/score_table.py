"""Run the yardstick over the recorded data, in each way it can be told, and make docs/reference/detection.md's table.

    python models/training/score_table.py [--telling as-is 1 2 3 4 5] [--print]

It runs the product itself, `shoptwin replay`, with its defaults: two minutes a telling on two cores. With `--print`, or
with some tellings alone, the table is printed and the page stays as it is. Exits 0 whatever goals are missed: being
honest about today's figures is its purpose.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from pages import write_between

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "detection.md"
AS_IS = "as-is"
TELLINGS = [AS_IS, *"12345"]
MISSED = "✗"

Row = tuple[str, str]
"""Family and figure."""


def score(shared: Path, telling: str) -> tuple[dict[Row, list[str]], str]:
    """Return the scorer's rows (value, to beat, goal, met) by family and figure, and its last line.

    Raises:
        RuntimeError: it gave no table.
    """
    scorer, data = shared / "evaluate" / "score.py", shared / "data"
    command = [sys.executable, str(scorer), "--data", str(data), "--command", f"{sys.executable} -m shoptwin replay"]
    command += [] if telling == AS_IS else ["--vary", telling]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in done.stdout.splitlines() if line[:1] == "|"]
    if len(cells) < 3:
        raise RuntimeError(f"{scorer} gave no table: {done.stderr.strip()}")
    return {(row[0], row[1]): row[2:] for row in cells[2:]}, done.stdout.strip().splitlines()[-1]


def table(found: dict[str, dict[Row, list[str]]]) -> list[str]:
    """Return the lines of the table: a column a telling, what is missed marked."""
    first = next(iter(found.values()))
    lines = [
        f"| family | figure | goal | to beat | {' | '.join(found)} |",
        f"| --- | --- | --- |{' ---: |' * (1 + len(found))}",
    ]
    for (family, figure), (_, beat, goal, _) in first.items():
        values = [rows[family, figure] for rows in found.values()]
        shown = [f"{value}{f' {MISSED}' if met == 'NO' else ''}" for value, _, _, met in values]
        lines.append(f"| {family} | {figure} | {goal} | {beat} | {' | '.join(shown)} |")
    missed = [str(sum(row[3] == "NO" for row in rows.values())) for rows in found.values()]
    goals = sum(bool(row[2]) for row in first.values())
    lines.append(f"| all | goals missed, of {goals} | | | {' | '.join(missed)} |")
    return lines


def main() -> int:
    """Run the command; see the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared", help="where evaluate/ and data/ are")
    parser.add_argument("--telling", nargs="+", default=TELLINGS, help="as-is, or seeds of --vary")
    parser.add_argument("--print", dest="only", action="store_true", help="print the table, write nothing")
    told = parser.parse_args()
    if not (told.shared / "evaluate" / "score.py").exists():
        print(f"{told.shared}/evaluate is not here: give --shared", file=sys.stderr)
        return 1
    found = {}
    for telling in told.telling:
        found[telling], last = score(told.shared, telling)
        print(f"{telling}: {last}", flush=True)
    text = "\n".join(table(found))
    if told.only or told.telling != TELLINGS:
        print(text)
        return 0
    return write_between(PAGE, "table", text.splitlines())


if __name__ == "__main__":
    sys.exit(main())
