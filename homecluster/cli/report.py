"""`homecluster report`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from homecluster import wiring
from homecluster.app.plan import only
from homecluster.cli.aside import aside
from homecluster.cli.output import print_document
from homecluster.cli.workload_options import (
    node_names,
    pin_options,
    pins_from,
    serve_from,
    workload_options,
)
from homecluster.errors import InputError
from homecluster.store.files import write_private


@click.command()
@click.option("--html", "target", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write one self-contained page here.")  # fmt: skip
@click.option("--model", default="gpt2", show_default=True, metavar="M", help="Judge links and plans for this model: a catalogue name, a folder or config.json, or a hub id.")  # fmt: skip
@click.option("--cluster", type=click.Path(path_type=Path), metavar="FILE", help="Report on this cluster document instead of this home.")  # fmt: skip
@workload_options
@pin_options
@click.option("--json", "as_json", is_flag=True, help="Print the page's document instead.")
def report(
    *, target: Path | None, model: str, cluster: Path | None, as_json: bool, **flags: Any
) -> int:
    """Write the home, its links, its plans and what holds it back as one page.

    \b
    homecluster report --html home.html --model gpt2
    homecluster report --html home.html --cluster home.toml --model llama-3-8b
    """  # noqa: D301 - click looks for the backspace itself
    from homecluster.app.link_watch import history  # noqa: PLC0415 - pages are not needed to start
    from homecluster.web.facts import saved_facts  # noqa: PLC0415 - as above
    from homecluster.web.link_history import link_histories  # noqa: PLC0415 - as above
    from homecluster.web.page import page_document  # noqa: PLC0415 - as above
    from homecluster.web.report import report_html  # noqa: PLC0415 - as above

    if target is None and not as_json:
        raise InputError("report needs --html FILE or --json", hint="--html home.html")
    home = only(wiring.cluster(cluster), node_names(flags))
    facts = saved_facts(
        home,
        wiring.model(model).spec,
        serve_from(flags),
        pins_from(flags),
        history=link_histories(history(wiring.paths())) if cluster is None else (),
    )
    page = page_document(facts)
    if target is not None:
        write_private(target, report_html(page).encode())
        aside(f"wrote {target}: open it in a browser")
    if as_json:
        print_document(page)
    return 0
