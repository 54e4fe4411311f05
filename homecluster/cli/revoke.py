"""`homecluster revoke`."""

from __future__ import annotations

import click

from homecluster import wiring
from homecluster.cli.output import print_document

SCHEMA = "homecluster.revoked/1"
_DEADLINE_S = 10.0


@click.command()
@click.argument("node")
@click.option("--json", "as_json", is_flag=True, help="Print one document.")
def revoke(*, node: str, as_json: bool) -> int:
    """Put NODE out of the cluster; its connections end at once."""
    from homecluster.agent.local import COORDINATOR, LocalAgent  # noqa: PLC0415 - not needed for --help

    agent = LocalAgent(wiring.paths().home)
    answer = agent.ask(COORDINATOR, "cluster.revoke", {"node": node}, deadline_s=_DEADLINE_S)
    if as_json:
        print_document({"schema": SCHEMA, **answer})
    else:
        click.echo(f"{answer['node']} is out of the cluster")
    return 0
