"""`python -m shoptwin`, and the command `shoptwin`."""

from __future__ import annotations

import sys

from shoptwin.runtime.lean import without_docstrings


def main() -> None:
    """Run the command line and exit with its code (docs/reference/cli.md)."""
    if sys.argv[1:2] == ["run"]:
        without_docstrings()
    from shoptwin.cli.app import cli  # noqa: PLC0415 - what it imports should be lean already

    cli(prog_name="shoptwin")


if __name__ == "__main__":
    main()
