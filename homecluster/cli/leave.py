"""`homecluster leave`."""

from __future__ import annotations

import click

from homecluster import wiring
from homecluster.cli.aside import aside
from homecluster.cli.output import print_document

SCHEMA = "homecluster.left/1"


@click.command()
@click.option("--force", is_flag=True, help="Leave even when the coordinator cannot be told, or this PC is it.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one document.")
def leave(*, force: bool, as_json: bool) -> int:
    """Take this PC out of its cluster and end its agent."""
    from homecluster.app.leave import leave as use_case  # noqa: PLC0415 - the agent is not needed for --help

    left = use_case(wiring.paths().home, force=force)
    if as_json:
        print_document(
            {
                "schema": SCHEMA,
                "cluster": left.cluster,
                "coordinator_knows": left.coordinator_knows,
                "members_told": left.members_told,
            }
        )
        return 0
    click.echo(f"this PC has left the cluster of {left.cluster}")
    if left.members_told:
        aside(
            f"  {left.members_told} of its PCs were told that it has ended; there: homecluster leave"
        )
    if not left.coordinator_knows:
        aside("  the coordinator does not know: homecluster revoke, on a PC of the cluster")
    return 0
