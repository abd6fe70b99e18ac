"""`python -m shoptwin`, and the command `shoptwin`."""

from __future__ import annotations

from shoptwin.cli.app import cli


def main() -> None:
    """Run the command line and exit with its code (docs/reference/cli.md)."""
    cli(prog_name="shoptwin")


if __name__ == "__main__":
    main()
