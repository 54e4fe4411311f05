"""`homecluster probe`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from homecluster import wiring
from homecluster.app.live_cluster import keep_live_cluster
from homecluster.app.measure import measure_this_pc
from homecluster.app.ports import Members
from homecluster.app.probe_members import keep_reports, probe_members
from homecluster.app.scan import described_node, scan
from homecluster.app.this_pc import this_pc
from homecluster.cli import render_probe
from homecluster.cli.aside import aside, progress
from homecluster.cli.output import print_document
from homecluster.errors import InputError, MissingError
from homecluster.store.cluster_table import cluster_table
from homecluster.store.paths import Paths
from netprobe.cli.inputs import parse_host, read_token
from netprobe.cli.interrupt import until_interrupted
from netprobe.cli.run import exit_code
from netprobe.errors import InputError as ProbeInputError
from netprobe.report import report_document
from netprobe.types import FULL, QUICK

ENGINE_MISSING = 3


@click.command()
@click.argument("host", required=False)
@click.option("--quick", "size", flag_value="quick", help="The link in about 2 s, without iperf3.")
@click.option(
    "--full", "size", flag_value="full", default="full", help="The link in about 8 s (default)."
)
@click.option("--token-file", type=click.Path(path_type=Path), metavar="FILE", help="The token that `netprobe serve` on HOST was given.")  # fmt: skip
@click.option("--describes", type=click.Path(path_type=Path), metavar="FILE", help="What `homecluster probe --json` printed on HOST: its devices.")  # fmt: skip
@click.option("--between", nargs=2, metavar="A B", help="In a cluster: only these two members and their link.")  # fmt: skip
@click.option("--force", is_flag=True, help="Measure devices again that are known.")
@click.option("--json", "as_json", is_flag=True, help="Print one document: a cluster without HOST, a measurement with it.")  # fmt: skip
def probe(
    *,
    host: str | None,
    size: str,
    token_file: Path | None,
    describes: Path | None,
    between: tuple[str, str] | None,
    force: bool,
    as_json: bool,
) -> int:
    """Measure this PC's devices, or in a cluster every member's and all links; with HOST, the link to that PC.

    Devices take under two minutes each, once per hardware and engine version; with --quick, what is
    known of them is taken. Links of a cluster take about 10 s per pair, 3 s with --quick.

    \b
    HOST needs a listener for its part of the link; type there:
      netprobe serve --bind ITS-ADDRESS --token-file token
    and here:
      homecluster probe ITS-ADDRESS --token-file token --describes its.json
    where its.json is what `homecluster probe --json` printed there.
    """  # noqa: D301 - click looks for the backspace itself
    if host is not None:
        return _link(host, size=size, token_file=token_file, describes=describes, as_json=as_json)
    if token_file or describes:
        raise InputError(
            "--token-file and --describes are about another PC, and no HOST was named",
            hint="homecluster probe HOST --token-file FILE --describes FILE",
        )
    paths = wiring.paths()
    members = wiring.members()
    if members is not None:
        return _members(members, paths, size=size, force=force, between=between, as_json=as_json)
    if between:
        raise MissingError(
            "--between is about members, and this PC is in no cluster",
            hint="homecluster join makes it a member.",
        )
    measured = measure_this_pc(paths, force=force, tell=progress)
    if as_json:
        print_document(cluster_table(measured.cluster))
        if measured.missing_engine is not None:
            aside(f"not measured: {measured.missing_engine}")
    else:
        render_probe.show(measured)
    return 0 if measured.missing_engine is None else ENGINE_MISSING


def _members(
    members: Members,
    paths: Paths,
    *,
    size: str,
    force: bool,
    between: tuple[str, str] | None,
    as_json: bool,
) -> int:
    found = probe_members(
        members, plan=size, devices=size == "full", force=force, tell=progress, between=between
    )
    keep_reports(paths, found.reports)
    keep_live_cluster(members, found.cluster)
    if as_json:
        print_document(cluster_table(found.cluster))
        for line in render_probe.troubles(found):
            aside(line)
    else:
        render_probe.show_members(found)
    return found.exit_code


def _link(
    text: str, *, size: str, token_file: Path | None, describes: Path | None, as_json: bool
) -> int:
    try:
        address, port = parse_host(text)
        token = read_token(token_file)
    except ProbeInputError as error:
        raise InputError(error.message, hint=error.hint) from error
    here = this_pc(wiring.paths()).nodes[0]
    far = described_node(describes, here) if describes else None
    work = scan(
        address,
        port,
        token=token,
        plan=QUICK if size == "quick" else FULL,
        here=here,
        far=far,
        paths=wiring.paths(),
        on_progress=lambda doing: progress(f"{doing} …"),
    )
    scanned = asyncio.run(until_interrupted(work))
    if as_json:
        print_document(report_document(scanned.report))
    else:
        render_probe.show_link(scanned)
    return exit_code(scanned.report)
