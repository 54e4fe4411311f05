"""`homecluster logs`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from homecluster import wiring
from homecluster.app import job_log, jobs
from homecluster.cli.output import harmless, print_document
from homecluster.errors import InputError, MissingError
from homecluster.store.job_store import JobFolder

SCHEMA = "homecluster.logs/1"


@click.command()
@click.argument("job", required=False)
@click.option("--agent", is_flag=True, help="Instead: the log of this PC's agent.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the job ends, or Ctrl-C.")
@click.option("-n", "--lines", type=click.IntRange(min=0), default=40, show_default=True, help="Last lines to print.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one document.")
def logs(*, job: str | None, agent: bool, follow: bool, lines: int, as_json: bool) -> int:
    """Print the engine's log of JOB, the running one, or the last one."""
    if agent and job is not None:
        raise InputError(f"--agent is no log of {job!r}", hint="leave one of the two out.")
    if follow and as_json:
        raise InputError(
            "--follow has no end that a document could wait for", hint="without --json"
        )
    if agent:
        log = _agent_log()
        last, of = job_log.end_of(log, lines), "agent"
        later = job_log.added_to(log, lambda: False)
    else:
        folder = _folder_of(job)
        last, of = job_log.last_lines(folder, lines), str(folder.job_id)
        later = job_log.new_lines(folder)
    if as_json:
        print_document({"schema": SCHEMA, "of": of, "lines": list(last)})
        return 0
    _print(last)
    if follow:
        _print(later)
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
