"""`homecluster down`."""

from __future__ import annotations

import click

from homecluster import wiring
from homecluster.app import gang_down, job_end, jobs
from homecluster.app.copies_down import end_copies, end_elsewhere
from homecluster.cli import render_jobs
from homecluster.cli.aside import aside, progress
from homecluster.cli.output import print_document
from homecluster.domain.job import is_over
from homecluster.store import copies_store, gang_store
from homecluster.store.job_document import STATUS_SCHEMA


@click.command()
@click.argument("job", required=False)
@click.option("--all", "everything", is_flag=True, help="End every job of this PC.")
@click.option("--json", "as_json", is_flag=True, help="Print one status document.")
def down(*, job: str | None, everything: bool, as_json: bool) -> int:
    """End JOB (or the only running one) and leave none of its processes, on no PC."""
    views = jobs.look_at_all(wiring.paths().jobs)
    if job is not None and not any(view.folder.job_id == job for view in views):
        shares = _end_elsewhere(job)
        if shares:
            click.echo(f"{job}: ended on {', '.join(one.node for one in shares)}")
            return 0
        members = wiring.members()
        leader = end_elsewhere(members, job) if members is not None else None
        if leader is not None:
            click.echo(f"{job}: ended by {leader}, with every copy")
            return 0
    chosen = jobs.living(views) if everything else (jobs.choose(views, job),)
    ended = tuple(_stop(view) for view in chosen)
    for name, wrong in jobs.damaged(wiring.paths().jobs) if everything else ():
        processes = job_end.end_damaged(name)
        aside(f"warning: {name} cannot be told ({wrong}); {processes} processes of it ended")
    if as_json:
        print_document({"schema": STATUS_SCHEMA, "jobs": [jobs.document(view) for view in ended]})
        return 0
    for view in ended:
        render_jobs.show_ended(view)
    if not ended:
        click.echo("no job is running")
    return 0


def _stop(view: jobs.JobView) -> jobs.JobView:
    """Also what a killed leader left on other PCs."""
    was_led = view.entry is not None and is_over(view.entry.state)
    progress(f"ending {view.folder.job_id} …")
    ended = job_end.stop(view)
    if gang_store.is_gang(view.folder) and not was_led:
        members = wiring.members()
        if members is not None:
            record = gang_store.read_gang(view.folder)
            gang_down.end_shares(members, gang_down.shares_of_record(record))
    if copies_store.has_copies(view.folder) and not was_led:
        for left in end_copies(view.folder, wiring.paths(), wiring.members()):
            aside(f"warning: {left}")
    return ended


def _end_elsewhere(job: str) -> tuple[gang_down.PlacedShare, ...]:
    """Shares of a job that another PC of the cluster leads; none outside of a cluster."""
    members = wiring.members()
    if members is None:
        return ()
    shares = gang_down.shares_of_job(members, job)
    gang_down.end_shares(members, shares)
    return shares
