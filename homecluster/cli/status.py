"""`homecluster status`."""

from __future__ import annotations

import click

from homecluster import wiring
from homecluster.app import gang_share, jobs
from homecluster.app.copy_share import COPIES
from homecluster.app.train_share import TRAININGS
from homecluster.cli import render_jobs
from homecluster.cli.aside import aside
from homecluster.cli.output import print_document
from homecluster.store.job_document import STATUS_SCHEMA


@click.command()
@click.argument("job", required=False)
@click.option("--all", "everything", is_flag=True, help="Also jobs that ended.")
@click.option("--json", "as_json", is_flag=True, help="Print one status document.")
def status(*, job: str | None, everything: bool, as_json: bool) -> int:
    """Say which jobs run on this PC, and how the last one ended."""
    views = jobs.look_at_all(wiring.paths().jobs)
    for name, wrong in jobs.damaged(wiring.paths().jobs):
        aside(f"warning: {name} cannot be told: {wrong}")
        aside("  hint: homecluster down --all ends whatever of it still runs")
    if job is not None:
        views = (jobs.choose(views, job),)
    elif not everything:
        views = jobs.living(views) or views[-1:]
    if as_json:
        document = [jobs.document(view) for view in views]
        print_document({"schema": STATUS_SCHEMA, "jobs": document})
    else:
        render_jobs.show_jobs(views)
        for share in gang_share.listed(wiring.paths())["shares"]:
            click.echo(f"{share['share']} runs here for {share['led_by']}")
        for name, led_by in COPIES.listed(wiring.paths()):
            click.echo(f"{name}, a whole copy, runs here for {led_by}")
        for name, led_by in TRAININGS.listed(wiring.paths()):
            click.echo(f"{name} trains here for {led_by}")
    return 0
