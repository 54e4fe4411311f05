"""`homecluster diagnose`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from homecluster import wiring
from homecluster.app.plan import check_pins, only
from homecluster.cli import render_diagnosis
from homecluster.cli.output import print_document
from homecluster.cli.workload_options import (
    node_names,
    pin_options,
    pins_from,
    serve_from,
    workload_options,
)
from homecluster.planner.diagnosis import diagnose as judge
from homecluster.store.diagnosis_document import diagnosis_document

CAUSE_FOUND = 1


@click.command()
@click.option(
    "--model",
    required=True,
    metavar="M",
    help="A catalogue name, a folder or config.json, or a hub id.",
)
@click.option(
    "--cluster",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Judge on this cluster document instead of this PC.",
)
@workload_options
@pin_options
@click.option("--json", "as_json", is_flag=True, help="Print one diagnose document.")
def diagnose(*, model: str, cluster: Path | None, as_json: bool, **flags: Any) -> int:
    """Say what holds a cluster or plan back, in figures, with remedies.

    Judges the best plan within the pins; without pins, what people type by hand: one copy with tensor
    parallel over every PC. Exit code 1 when a cause is found.

    \b
    homecluster diagnose --cluster docs/examples/hotspot.toml --model gpt2
    """  # noqa: D301 - click looks for the backspace itself
    workload, pins = serve_from(flags), pins_from(flags)
    spec = wiring.model(model).spec
    check_pins(spec, pins)
    found = judge(only(wiring.cluster(cluster), node_names(flags)), spec, workload, pins)
    if as_json:
        print_document(diagnosis_document(found))
    else:
        render_diagnosis.show(found)
    return 0 if found.healthy else CAUSE_FOUND
