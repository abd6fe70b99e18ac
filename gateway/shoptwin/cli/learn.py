"""`shoptwin learn`: many machines at once, from a store that no daemon need be beside."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from shoptwin.cli.keeping import state_dir_option
from shoptwin.cli.options import config_option, json_option
from shoptwin.cli.printing import as_json as print_json
from shoptwin.cli.printing import table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from shoptwin.config import Config
    from shoptwin.learn.jobs import Job, Outcome


@click.command(short_help="Learn machines from what the store holds of them.")
@click.argument("machines", nargs=-1, metavar="[MACHINE]...")
@config_option
@state_dir_option
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, metavar="N",
              help="Processes that learn at a time, each of at most 200 MB and a core.")  # fmt: skip
@json_option
def learn(machines: tuple[str, ...], *, config_path: Path, state_dir: Path | None, workers: int, as_json: bool) -> None:
    """Learn what is normal for each MACHINE, else for all that the store holds, at the lowest priority.

    The daemon does this by itself. This is for many machines at once, on a larger box too, with copies of the
    configuration and of the state directory. What was learned from the same before is not learned again, so that a run
    that was interrupted goes on when it is started anew. A running daemon judges by what it learned itself until
    `shoptwin rollback` says otherwise. Exit code 1 says that something failed; too little evidence is no failure.

    \b
    Examples:
      shoptwin learn
      shoptwin learn press-3 mill-1 --workers 2
    """  # noqa: D301 - click's mark
    from shoptwin import config  # noqa: PLC0415 - `--help` needs none of it
    from shoptwin.acquire.registry import plugins  # noqa: PLC0415
    from shoptwin.cli.keeping import usual_state  # noqa: PLC0415

    loaded = config.load(config_path, plugins(), state_dir=state_dir or usual_state(config_path), secrets=False)
    known = {machine.name for machine in loaded.machines}
    if unknown := [name for name in machines if name not in known]:
        raise click.UsageError(f"there is no machine {unknown[0]}; there are {', '.join(sorted(known))}")
    directory = state_dir or loaded.store.directory
    outcomes = _run(_jobs(loaded, directory, machines or tuple(known)), workers)
    if as_json:
        print_json([_told(outcome) for outcome in outcomes])
    elif not outcomes:
        click.echo(f"{directory / 'twin.db'} holds nothing to learn from yet")
    else:
        headings = ["machine", "indicator", "version", "rows", "seconds", "why not"]
        table(headings, ([*_told(outcome).values()][:6] for outcome in outcomes))
    if any(outcome.problem and not outcome.early for outcome in outcomes):
        sys.exit(1)


def _jobs(loaded: Config, directory: Path, names: Sequence[str]) -> list[Job]:
    """Return what to learn: what the daemon would ask for, of each indicator that the store holds evidence of."""
    from shoptwin.assess.learned import read_pointer  # noqa: PLC0415 - as above
    from shoptwin.assess.progress import LearnRequest, ends  # noqa: PLC0415
    from shoptwin.learn.jobs import Job  # noqa: PLC0415
    from shoptwin.store.sample_reader import SampleReader  # noqa: PLC0415

    twin, learned, now = directory / "twin.db", directory / "learned", time.time_ns()
    machines = {machine.name: machine for machine in loaded.machines if machine.name in names}
    jobs, held = [], SampleReader(twin).observed_of()
    for name, indicator, last in held:
        if (machine := machines.get(name)) is not None:
            since = read_pointer(learned, name, indicator).since
            until = ends(machine.learning, since) or min(now, last + 1)
            # As the daemon does it: the indicators of a machine share what may go wrong.
            budget = machine.false_alarms_per_month / sum(other == name for other, *_ in held)
            jobs.append(Job(twin, learned, LearnRequest(name, indicator, since, until, budget)))
    return jobs


def _run(jobs: Sequence[Job], workers: int) -> list[Outcome]:
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415 - as above
    from multiprocessing import get_context  # noqa: PLC0415

    from shoptwin.learn.jobs import learn_all, stand_back  # noqa: PLC0415 - says to numpy how many threads

    with (
        ProcessPoolExecutor(min(workers, len(jobs) or 1), get_context("spawn"), initializer=stand_back) as pool,
        click.progressbar(length=len(jobs), label="learning", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar,
    ):
        return learn_all(jobs, pool, lambda _: bar.update(1))


def _told(outcome: Outcome) -> dict[str, str | int | float | bool]:
    request = outcome.job.request
    return {
        "machine": request.machine, "indicator": request.indicator, "version": outcome.version, "rows": outcome.rows,
        "seconds": round(outcome.seconds, 1), "problem": outcome.problem, "early": outcome.early,
    }  # fmt: skip
