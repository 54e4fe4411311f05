"""`homecluster nodes`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from homecluster import wiring
from homecluster.cli.output import print_document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from homecluster.domain.hardware import Node
    from homecluster.domain.member import Member
    from homecluster.domain.topology import Link
    from homecluster.store.link_log import LinkPoint

SCHEMA = "homecluster.nodes/1"


@click.command()
@click.option("--links", is_flag=True, help="Also each link, now and over time.")
@click.option("--json", "as_json", is_flag=True, help="Print one document.")
def nodes(*, links: bool, as_json: bool) -> int:
    """List the members of this PC's cluster and how they are."""
    from homecluster.agent.local import LocalAgent  # noqa: PLC0415 - not needed for --help
    from homecluster.app.link_watch import history  # noqa: PLC0415 - as above
    from homecluster.app.member_nodes import living_nodes  # noqa: PLC0415 - as above

    agent = LocalAgent(wiring.paths().home)
    members, status = agent.members(), agent.status()
    told = living_nodes(agent, members)
    known = wiring.cluster(None).links if links else ()
    noted = history(wiring.paths()) if links else ()
    if as_json:
        print_document(
            {
                "schema": SCHEMA,
                "cluster": status["cluster"],
                "fingerprint": status["fingerprint"],
                "connected": status["connected"],
                "trouble": status["trouble"],
                "nodes": [_table(member, told.get(member.node)) for member in members],
            }
            | ({"links": _links(known, noted)} if links else {})
        )
        return 0
    from homecluster.cli import render_links, render_members  # noqa: PLC0415 - rich is not needed for a document

    render_members.show(members, status, told)
    if links:
        render_links.show_links(known, noted)
    return 0


def _table(member: Member, node: Node | None) -> dict[str, Any]:
    """With the PC as in the cluster document; null where it did not tell."""
    from homecluster.store.cluster_table import node_table  # noqa: PLC0415 - not needed for --help

    inventory = None if node is None else node_table(node)
    return asdict(member) | {"versions": dict(member.versions), "inventory": inventory}


def _links(links: Sequence[Link], noted: Sequence[LinkPoint]) -> list[dict[str, Any]]:
    """Each direction with what this PC's agent noted of it, the oldest first."""
    return [
        asdict(link)
        | {"history": [asdict(one) for one in noted if (one.src, one.dst) == (link.src, link.dst)]}
        for link in links
    ]
