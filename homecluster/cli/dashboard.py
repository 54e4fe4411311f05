"""`homecluster dashboard`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from homecluster import wiring
from homecluster.cli.aside import aside
from homecluster.cli.output import print_document
from homecluster.cli.workload_options import serve_from, workload_options
from homecluster.errors import InputError
from homecluster.launch.ports import is_everywhere, is_loopback, usable_port

_PORT = 8265 + 100
"""Beside Ray's own dashboard, never in its place."""


@click.command()
@click.option("--model", default="gpt2", show_default=True, metavar="M", help="Judge links and plans for this model.")  # fmt: skip
@click.option("--cluster", type=click.Path(path_type=Path), metavar="FILE", help="Show this cluster document instead of this home.")  # fmt: skip
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to serve; a login link guards it everywhere.")  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), default=_PORT, show_default=True, help="0: any free one.")  # fmt: skip
@click.option("--links", type=click.IntRange(1, 8), default=1, show_default=True, help="How many one-time login links to print.")  # fmt: skip
@workload_options
@click.option("--json", "as_json", is_flag=True, help="Print the address and links as one document.")  # fmt: skip
def dashboard(
    *,
    model: str,
    cluster: Path | None,
    host: str,
    port: int,
    links: int,
    as_json: bool,
    **flags: Any,
) -> int:
    """Show the home, its links, plans and the running job on a page that keeps itself up to date.

    Each printed link lets one browser in, once, within 15 minutes. Ctrl-C ends it.

    \b
    homecluster dashboard
    homecluster dashboard --cluster home.toml --model llama-3-8b
    """  # noqa: D301 - click looks for the backspace itself
    from homecluster.agent.local import LocalAgent  # noqa: PLC0415 - not needed to start
    from homecluster.store.model_catalogue import catalogue  # noqa: PLC0415 - as above
    from homecluster.web.live import Live  # noqa: PLC0415 - as above
    from homecluster.web.serve import serve  # noqa: PLC0415 - aiohttp takes its time to load

    _check_host(host)

    source = Live(
        paths=wiring.paths(),
        cluster=lambda: wiring.cluster(cluster),
        members=LocalAgent(wiring.paths().home),
        find_spec=lambda name: wiring.model(name).spec,
        models=tuple(entry.name for entry in catalogue()),
        model=model,
        workload=serve_from(flags),
    )
    serve(
        source,
        host,
        usable_port(host, port),
        links=links,
        ready=lambda address, login_links: _tell(address, login_links, as_json=as_json),
    )
    return 0


def _check_host(host: str) -> None:
    if is_everywhere(host):
        raise InputError(
            f"--host {host or '(empty)'} would open the page on every network of this PC",
            hint="name the address of the home network, as `ip address` shows it",
        )
    if not is_loopback(host):
        aside(
            "warning: the page goes over this network unencrypted; whoever can listen there can see it"
        )


def _tell(address: str, login_links: list[str], *, as_json: bool) -> None:
    if as_json:
        print_document(
            {
                "schema": "homecluster.dashboard/1",
                "address": address,
                "login_links": login_links,
            }
        )
        return
    for link in login_links:
        click.echo(f"open  {link}")
    aside("each link works once, within 15 minutes; Ctrl-C ends the dashboard")
