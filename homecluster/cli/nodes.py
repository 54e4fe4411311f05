"""`homecluster nodes`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from homecluster import wiring
from homecluster.cli.output import print_document

if TYPE_CHECKING:
    from homecluster.domain.member import Member

SCHEMA = "homecluster.nodes/1"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one document.")
def nodes(*, as_json: bool) -> int:
    """List the members of this PC's cluster and how they are."""
    from homecluster.agent.local import LocalAgent  # noqa: PLC0415 - not needed for --help

    agent = LocalAgent(wiring.paths().home)
    members, status = agent.members(), agent.status()
    if as_json:
        print_document(
            {
                "schema": SCHEMA,
                "cluster": status["cluster"],
                "connected": status["connected"],
                "trouble": status["trouble"],
                "nodes": [_table(member) for member in members],
            }
        )
        return 0
    from homecluster.cli import render_members  # noqa: PLC0415 - rich is not needed for a document

    render_members.show(members, status)
    return 0


def _table(member: Member) -> dict[str, Any]:
    return asdict(member) | {"versions": dict(member.versions)}
