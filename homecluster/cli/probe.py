"""`homecluster probe`."""

from __future__ import annotations

import click

from homecluster import wiring
from homecluster.app.measure import measure_this_pc
from homecluster.cli import render_probe
from homecluster.cli.output import print_document
from homecluster.store.node_table import cluster_of_nodes

ENGINE_MISSING = 3


@click.command()
@click.option("--force", is_flag=True, help="Measure again what is already known.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one cluster document, as `plan --cluster` reads."
)
def probe(*, force: bool, as_json: bool) -> int:
    r"""Measure this PC's devices and keep the result.

    Under two minutes per device, once per hardware and engine version.
    Links between PCs are not measured yet: write them into a cluster document (docs/examples).
    """
    measured = measure_this_pc(
        wiring.paths(), force=force, tell=lambda text: click.echo(f"  {text}", err=True)
    )
    if as_json:
        print_document(cluster_of_nodes(measured.cluster.nodes))
        if measured.missing_engine is not None:
            click.echo(f"not measured: {measured.missing_engine}", err=True)
    else:
        render_probe.show(measured)
    return 0 if measured.missing_engine is None else ENGINE_MISSING
