"""`homecluster down`."""

from __future__ import annotations

import click

from homecluster import wiring
from homecluster.app import jobs
from homecluster.cli import render_jobs
from homecluster.cli.output import print_document
from homecluster.store.job_document import STATUS_SCHEMA


@click.command()
@click.argument("job", required=False)
@click.option("--all", "everything", is_flag=True, help="End every job of this PC.")
@click.option("--json", "as_json", is_flag=True, help="Print one status document.")
def down(*, job: str | None, everything: bool, as_json: bool) -> int:
    """End JOB (or the only running one) and leave none of its processes."""
    views = jobs.look_at_all(wiring.paths().jobs)
    chosen = jobs.living(views) if everything else (jobs.choose(views, job),)
    ended = tuple(jobs.stop(view) for view in chosen)
    for name, wrong in jobs.damaged(wiring.paths().jobs) if everything else ():
        processes = jobs.end_damaged(name)
        click.echo(
            f"warning: {name} cannot be told ({wrong}); {processes} processes of it ended", err=True
        )
    if as_json:
        print_document({"schema": STATUS_SCHEMA, "jobs": [jobs.document(view) for view in ended]})
        return 0
    for view in ended:
        render_jobs.show_ended(view)
    if not ended:
        click.echo("no job is running")
    return 0
