"""`homecluster plan`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from homecluster import wiring
from homecluster.app.plan import make_plans, only
from homecluster.app.speculation import speculate_on_best
from homecluster.app.what_if import Supposed, suppose
from homecluster.cli import render_plan, render_speculation
from homecluster.cli.outlook import look_out
from homecluster.cli.output import print_document
from homecluster.cli.plan_training import plan_train
from homecluster.cli.train_options import size_options, train_options
from homecluster.cli.workload_options import (
    node_names,
    pin_options,
    pins_from,
    serve_from,
    workload_options,
)
from homecluster.errors import InputError
from homecluster.store.plan_document import plan_document, plan_table, verdict_table

NOTHING_FITS = 1


@click.command()
@click.option(
    "--model",
    metavar="M",
    help="A catalogue name, a folder or config.json, or a hub id.",
)
@click.option(
    "--cluster",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Plan on this cluster document instead of this PC.",
)
@workload_options
@pin_options
@train_options
@size_options
@click.option(
    "--quantization",
    metavar="METHOD",
    help="Only a checkpoint quantised this way (awq, gptq, fp8 …).",
)
@click.option("--what-if", multiple=True, metavar="SUPPOSITION", help="Also plan with link=1gbe, rtt=0.3ms,bandwidth=1Gbit/s or remove=NODE; repeatable.")  # fmt: skip
@click.option("--speculate", type=click.Choice(["ngram"]), help="Also say from which hit rate on drafting tokens would pay on the best plan.")  # fmt: skip
@click.option("--acceptance", type=click.FloatRange(0, 1), metavar="SHARE", help="Share of right drafts, as bench measured it, to tell the gain at.")  # fmt: skip
@click.option("--advice", is_flag=True, help="Also say which one change would help most, and by how much.")  # fmt: skip
@click.option("--sensitivity", is_flag=True, help="Also show tokens/s over round trip and bandwidth, and by number of copies.")  # fmt: skip
@click.option("--picture", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Draw tokens/s over round trip and bandwidth (svg, png or pdf).")  # fmt: skip
@click.option("--all", "show_all", is_flag=True, help="Show every plan and every refusal.")
@click.option("--json", "as_json", is_flag=True, help="Print one plan document.")
def plan(
    *,
    model: str | None,
    train: bool,
    cluster: Path | None,
    quantization: str | None,
    what_if: tuple[str, ...],
    speculate: str | None,
    acceptance: float | None,
    advice: bool,
    sensitivity: bool,
    picture: Path | None,
    show_all: bool,
    as_json: bool,
    **flags: Any,
) -> int:
    """Predict tokens/s of every layout, and say whether several PCs pay.

    \b
    homecluster plan --model gpt2
    homecluster plan --model llama-3-8b --cluster home.toml --concurrency 8
    homecluster plan --model gpt2 --cluster home.toml --what-if link=1gbe
    homecluster plan --model llama-3-8b --train --method qlora --sequence 512
    """  # noqa: D301 - click looks for the backspace itself
    if train:
        return plan_train(
            model, cluster, flags,
            quantization=quantization, what_if=what_if, show_all=show_all, as_json=as_json,
        )  # fmt: skip
    if model is None:
        raise InputError("name a model: --model gpt2")
    workload, pins = serve_from(flags), pins_from(flags)
    spec = wiring.model(model, quantization).spec
    home = wiring.cluster(cluster)
    plans = make_plans(home, spec, workload, pins, node_names(flags))
    seen = only(home, node_names(flags))
    supposed = suppose(seen, spec, workload, pins, what_if)
    drafting = speculate_on_best(home, plans) if speculate or acceptance is not None else None
    outlook = look_out(seen, plans, advice=advice, table=sensitivity, picture=picture)
    if as_json:
        document = plan_document(plans) | {"what_if": [_supposed_table(one) for one in supposed]}
        if drafting:
            document["speculation"] = render_speculation.table(drafting, acceptance)
        outlook.add_to(document)
        print_document(document)
    else:
        render_plan.show(plans, supposed, show_all=show_all)
        if drafting:
            render_speculation.show(drafting, acceptance)
        outlook.show()
    return 0 if plans.plans else NOTHING_FITS


def _supposed_table(one: Supposed) -> dict[str, Any]:
    best = next(iter(one.plans.plans), None)
    return {
        "name": one.name,
        "verdict": verdict_table(one.plans.verdict),
        "best_plan": plan_table(best) if best else None,
    }
