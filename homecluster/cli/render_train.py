"""How training plans look on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from homecluster.app.plan_training import SupposedTraining
from homecluster.cli.render_console import console, plain_table
from homecluster.cli.render_verdict import counted, show_left_out, show_verdict
from homecluster.domain.training import Offload, TrainPlan, TrainPlanSet, TrainRejection
from homecluster.domain.units import format_bytes, format_rate, format_seconds, format_traffic
from homecluster.planner.training.model_states import ZeroMemory

SHOWN = 8
_COLUMNS = ("", "on", "ZeRO", "samples", "samples/s", "low - high", "step", "mostly")
_WIDE = 100
"""Columns from which a row has room for every figure."""
_GB = 1e9
_BILLION = 10**9


def show_training(
    plans: TrainPlanSet, supposed: Sequence[SupposedTraining] = (), *, show_all: bool = False
) -> None:
    """The verdict first, then the ranked plans, the best one's terms and memory, and what was refused."""
    out = console()
    workload = plans.workload
    out.print(
        f"[bold]{escape(plans.model.name)}[/], {workload.method} training of "
        f"{_parameters(plans.trainable_parameters)} parameters, "
        f"{workload.global_batch} samples of {workload.sequence_tokens} tokens per step"
    )
    show_verdict(out, plans.verdict, "training")
    if plans.plans:
        out.print()
        shown = plans.plans if show_all else plans.plans[:SHOWN]
        out.print(_table(shown, narrow=out.width < _WIDE))
        show_left_out(out, len(plans.plans), len(shown), "plan")
        _show_best(out, plans.plans[0])
    _show_refused(out, plans, show_all=show_all)
    for one in supposed:
        out.print()
        out.print(f"[bold]what if {escape(one.name)}[/]")
        show_verdict(out, one.plans.verdict, "training")


def _parameters(count: int) -> str:
    """`124.4 M`, `69 B`."""
    return f"{count / 1e9:.3g} B" if count >= _BILLION else f"{count / 1e6:.4g} M"


def show_zero_memory(parameters: float, devices: int, rows: Sequence[ZeroMemory]) -> None:
    """GB as the paper writes them, powers of 1000."""
    out = console()
    out.print(f"{parameters / 1e9:.4g} B parameters on {devices} devices, mixed-precision Adam")
    titles = ("ZeRO stage", "paper", "DeepSpeed's count")
    table = plain_table(*titles, right=titles)
    for row in rows:
        table.add_row(
            str(row.stage),
            f"{row.paper_bytes / _GB:.1f} GB",
            f"{row.deepspeed_bytes / _GB:.1f} GB",
        )
    out.print(table)
    out.print("[dim]per device: weights, gradients and optimiser; activations come on top[/]")


def show_trained(document: dict[str, Any]) -> None:
    """Loss from first to last, and measured beside predicted."""
    out = console()
    measured, predicted = document["measured"], document["predicted"]["samples_per_s"]
    losses = measured["losses"]
    if losses:
        out.print(
            f"steps {measured['first_step'] + 1} to {measured['steps']}: loss {losses[0]:.4g} -> [bold]{losses[-1]:.4g}[/]"
        )
    if measured["samples_per_s"] is not None:
        out.print(
            f"{format_rate(measured['samples_per_s'])} samples/s measured, "
            f"{format_rate(predicted['mid'])} ({format_rate(predicted['low'])} - {format_rate(predicted['high'])}) predicted"
        )
    judged = measured["held_out"]
    if judged is not None:
        before, after = judged["before"], judged["after"]
        out.print(
            f"{after['rows']} rows held out: {100 * before['accuracy']:.0f} % answered right before, "
            f"[bold]{100 * after['accuracy']:.0f} %[/] after"
        )
    for one in document["lost"]:
        out.print(f"[yellow]without {escape(one['node'])} at the end:[/] {escape(one['reason'])}")
    out.print(f"the trained model: {escape(measured['model'])}")
    out.print(f"[dim]homecluster up --model {escape(measured['model'])} serves it[/]")


def _table(plans: Sequence[TrainPlan], *, narrow: bool) -> Table:
    left_out = {"low - high", "mostly"} if narrow else set()
    titles = [title for title in _COLUMNS if title not in left_out]
    figures = {*_COLUMNS} - {"on", "samples", "mostly"}
    table = plain_table(*titles, right=figures, folds=("on", "samples"))
    for plan in plans:
        estimate = plan.estimate
        rate = estimate.samples_per_s
        interval = f"{format_rate(rate.low)} - {format_rate(rate.high)}"
        table.add_row(
            str(plan.rank),
            escape(", ".join(plan.nodes)),
            _stage(plan),
            _samples(plan),
            f"[bold]{format_rate(rate.mid)}[/]",
            *(() if narrow else (interval,)),
            format_seconds(estimate.step_s.mid),
            *(() if narrow else (estimate.bottleneck.replace("_", " "),)),
        )
    return table


def _stage(plan: TrainPlan) -> str:
    return str(plan.zero_stage) + ("" if plan.offload is Offload.NONE else " offload")


def _samples(plan: TrainPlan) -> str:
    """`5+2+1 x 2`: per device and micro-step, times micro-steps."""
    each = "+".join(str(samples) for _, samples in plan.micro_batch)
    return f"{each} x {plan.gradient_accumulation}" if plan.gradient_accumulation > 1 else each


def _show_best(out: Console, plan: TrainPlan) -> None:
    estimate = plan.estimate
    out.print()
    out.print(f"[bold]best:[/] {escape(plan.reason)}.")
    parts = [f"{name.removesuffix('_s').replace('_', ' ')} {format_seconds(s)}" for name, s in estimate.terms.parts() if s > 0]  # fmt: skip
    out.print(f"  per step:  {' + '.join(parts)} = {format_seconds(estimate.terms.total_s)}")
    if estimate.hidden_s > 0:
        out.print(f"  behind it: {format_seconds(estimate.hidden_s)} of messages while computing")
    if estimate.sent_bytes:
        out.print(f"  each sends {format_traffic(estimate.sent_bytes)} per step")
    if plan.recompute:
        out.print("  activations are computed again on the way back, to save memory")
    use = max(estimate.memory, key=lambda m: m.used_bytes / m.capacity_bytes)
    out.print(
        f"  memory:    {escape(use.device)}: {format_bytes(use.weights_bytes)} weights + "
        f"{format_bytes(use.gradients_bytes + use.optimizer_bytes)} gradients and optimiser + "
        f"{format_bytes(use.activations_bytes + use.overhead_bytes)} activations and overhead of "
        f"{format_bytes(use.capacity_bytes)}"
        + (f"; {format_bytes(use.host_bytes)} offloaded" if use.host_bytes else "")
    )
    for assumption in estimate.assumptions:
        out.print(f"  [dim]assumed: {escape(assumption)}[/]")


def _show_refused(out: Console, plans: TrainPlanSet, *, show_all: bool) -> None:
    if not plans.rejections:
        return
    if plans.plans and not show_all:
        sets = counted(len(plans.rejections), "set")
        out.print(f"[dim]{sets} of devices refused; --all shows why[/]")
        return
    out.print()
    refused = plans.rejections if show_all else plans.rejections[:SHOWN]
    out.print(_rejection_table(refused))
    show_left_out(out, len(plans.rejections), len(refused), "refusal")


def _rejection_table(rejections: Sequence[TrainRejection]) -> Table:
    titles = ("refused on", "devices", "rule", "because")
    table = plain_table(*titles, folds=("refused on", "because"))
    for one in rejections:
        table.add_row(escape(", ".join(one.nodes)), str(one.devices), one.rule, escape(one.detail))
    return table
