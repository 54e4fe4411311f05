"""`homecluster logs`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from homecluster import wiring
from homecluster.app import job_log, jobs
from homecluster.cli.output import harmless
from homecluster.errors import InputError, MissingError
from homecluster.store.job_store import JobFolder


@click.command()
@click.argument("job", required=False)
@click.option("--agent", is_flag=True, help="Instead: the log of this PC's agent.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the job ends, or Ctrl-C.")
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(min=0),
    default=40,
    show_default=True,
    help="Last lines to print.",
)
def logs(*, job: str | None, agent: bool, follow: bool, lines: int) -> int:
    """Print the engine's log of JOB, the running one, or the last one."""
    if agent:
        if job is not None:
            raise InputError(f"--agent is no log of {job!r}", hint="leave one of the two out.")
        log = _agent_log()
        _print(job_log.end_of(log, lines))
        if follow:
            _print(job_log.added_to(log, lambda: False))
        return 0
    folder = _folder_of(job)
    _print(job_log.last_lines(folder, lines))
    if follow:
        _print(job_log.new_lines(folder))
    return 0


def _folder_of(job: str | None) -> JobFolder:
    views = jobs.look_at_all(wiring.paths().jobs)
    was_last = job is None and views and not jobs.living(views)
    return (views[-1] if was_last else jobs.choose(views, job)).folder


def _agent_log() -> Path:
    from homecluster.agent.folder import AgentFolder  # noqa: PLC0415 - not needed for a job's log

    log = AgentFolder(home=wiring.paths().home).log
    if not log.exists():
        raise MissingError(
            "no agent has run on this PC", hint="homecluster join makes it a member."
        )
    return log


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(harmless(line))
