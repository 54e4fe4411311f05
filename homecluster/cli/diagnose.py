"""`homecluster diagnose`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from homecluster import wiring
from homecluster.cli.aside import progress
from homecluster.cli.output import print_document
from homecluster.cli.workload_options import (
    node_names,
    pin_options,
    pins_from,
    serve_from,
    workload_options,
)
from homecluster.store.diagnosis_document import diagnosis_document

CAUSE_FOUND = 1


@click.command()
@click.argument("target", required=False, metavar="[JOB|FILE]")
@click.option(
    "--model",
    metavar="M",
    help="Judge a plan for it: a catalogue name, a folder or config.json, or a hub id.",
)
@click.option(
    "--cluster",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Judge on this cluster document instead of the live cluster or this PC.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.2, max=15),
    default=4.0,
    show_default=True,
    help="How long to watch a job or this PC.",
)
@click.option(
    "--save",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Keep what was seen, to be judged again elsewhere.",
)
@workload_options
@pin_options
@click.option("--json", "as_json", is_flag=True, help="Print one diagnose document.")
def diagnose(*, as_json: bool, **flags: Any) -> int:
    """Say what holds a job, cluster or plan back, in figures, with remedies.

    With neither argument nor --model: the job that runs here, else this PC and its cluster as they are.
    With --model: the best plan within the pins; without pins, what people type by hand: one copy with
    tensor parallel over every PC. Exit code 1 when a cause is found, or nothing was measured.

    \b
    homecluster diagnose
    homecluster diagnose --cluster docs/examples/hotspot.toml --model gpt2
    """  # noqa: D301 - click looks for the backspace itself
    from homecluster.app.what_holds_back import Question, Sources, what_holds_back  # noqa: PLC0415 - heavy

    question = Question(
        target=flags["target"],
        model=flags["model"],
        cluster=flags["cluster"],
        seconds=flags["seconds"],
        save=flags["save"],
        workload=serve_from(flags),
        pins=pins_from(flags),
        nodes=node_names(flags),
    )
    sources = Sources(
        paths=wiring.paths(),
        find_model=lambda name: wiring.model(name).spec,
        find_cluster=wiring.cluster,
        members=wiring.members(),
        tell=progress,
    )
    found = what_holds_back(question, sources)
    if as_json:
        print_document(diagnosis_document(found.diagnosis, found.signs))
    else:
        from homecluster.cli import render_diagnosis  # noqa: PLC0415 - rich is not needed for a document

        render_diagnosis.show(found.diagnosis, found.signs)
    return 0 if found.diagnosis.healthy else CAUSE_FOUND
