"""`homecluster logs`."""

from __future__ import annotations

import click

from homecluster import wiring
from homecluster.app import job_log, jobs
from homecluster.cli.output import harmless
from homecluster.errors import InputError


@click.command()
@click.argument("job", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on until the job ends.")
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(min=0),
    default=40,
    show_default=True,
    help="Last lines to print.",
)
def logs(*, job: str | None, follow: bool, lines: int) -> int:
    """Print the engine's log of JOB, the running one, or the last one."""
    views = jobs.look_at_all(wiring.paths().jobs)
    if job is None and not jobs.living(views):
        if not views:
            raise InputError("there is no job", hint="start one: homecluster up --model gpt2")
        view = views[-1]
    else:
        view = jobs.choose(views, job)
    for line in job_log.last_lines(view.folder, lines):
        click.echo(harmless(line))
    if follow:
        for line in job_log.new_lines(view.folder):
            click.echo(harmless(line))
    return 0
