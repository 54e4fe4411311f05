"""Plans, verdicts and diagnoses as people read them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from homecluster.app.what_if import Supposed
from homecluster.cli.render_console import console, plain_table
from homecluster.cli.render_verdict import counted, show_left_out, show_verdict
from homecluster.domain.estimate import Estimate, Interval
from homecluster.domain.plan import Plan, PlanSet, Rejection
from homecluster.domain.units import format_bytes, format_rate, format_seconds
from homecluster.planner.explain import layout_label
from homecluster.planner.weights import parameter_count

WIDE = 120
"""Columns from which a row has room for every figure; below, rich would drop the PCs' names first."""
_COLUMNS = ("", "layout", "on", "tokens/s", "low - high", "first token", "per token", "start-up", "mostly")  # fmt: skip
_LEFT_OUT_WHEN_NARROW = ("first token", "start-up", "mostly")
SHOWN = 6
"""Plans and refusals shown unless all are asked for."""

_AS_GOOD = 0.02


def show(plans: PlanSet, supposed: Sequence[Supposed] = (), *, show_all: bool = False) -> None:
    """The verdict first, then the ranked plans, the best one's terms and memory, and what was refused."""
    out = console()
    workload, spec = plans.workload, plans.model
    load = (
        f"{workload.concurrent_requests} in flight"
        if workload.request_rate_per_s is None
        else f"{workload.request_rate_per_s:g} requests/s"
    )
    out.print(
        f"[bold]{escape(spec.name)}[/] ({parameter_count(spec) / 1e9:.3g} B parameters), "
        f"{workload.prompt_tokens} tokens in, {workload.output_tokens} out, {load}"
    )
    show_verdict(out, plans.verdict, "one copy")
    if plans.plans:
        out.print()
        shown = plans.plans if show_all else plans.plans[:SHOWN]
        out.print(_plan_table(shown, narrow=out.width < WIDE))
        show_left_out(out, len(plans.plans), len(shown), "plan")
        _show_best(out, plans.plans[0])
        _show_gap(out, plans.gap)
    if plans.rejections and (show_all or not plans.plans):
        out.print()
        refused = plans.rejections if show_all else plans.rejections[:SHOWN]
        out.print(_rejection_table(refused))
        show_left_out(out, len(plans.rejections), len(refused), "refusal")
    elif plans.rejections:
        out.print(f"[dim]{counted(len(plans.rejections), 'layout')} refused; --all shows why[/]")
    for one in supposed:
        out.print()
        out.print(f"[bold]what if {escape(one.name)}[/]")
        show_verdict(out, one.plans.verdict, "one copy")
        if one.plans.plans:
            out.print(f"  best: {escape(one.plans.plans[0].reason)}")


def _show_gap(out: Console, gap: float | None) -> None:
    """How much any other layout could gain; nothing where sizes are pinned."""
    if gap is None:
        return
    if gap <= _AS_GOOD:
        out.print(f"[dim]  searched: no layout here delivers more than {gap:.1%} more[/]")
    else:
        out.print(f"[dim]  searched: another layout could deliver up to {gap:.0%} more[/]")


def _plan_table(plans: Sequence[Plan], *, narrow: bool) -> Table:
    titles = [title for title in _COLUMNS if not (narrow and title in _LEFT_OUT_WHEN_NARROW)]
    table = plain_table(
        *titles, right={*_COLUMNS} - {"layout", "on", "mostly"}, folds=("layout", "on")
    )
    for plan in plans:
        estimate = plan.estimate
        rate = estimate.output_tokens_per_s
        last = (
            format_seconds(estimate.first_token_s.mid),
            format_seconds(estimate.token_interval_s.mid),
            format_seconds(estimate.start_up_s.mid),
            estimate.bottleneck.replace("_", " "),
        )
        table.add_row(
            str(plan.rank),
            _label(plan),
            escape(", ".join(plan.nodes)),
            f"[bold]{format_rate(rate.mid)}[/]",
            f"{format_rate(rate.low)} - {format_rate(rate.high)}",
            *(last[1:2] if narrow else last),
        )
    return table


def _label(plan: Plan) -> str:
    label = layout_label(plan.layout)
    if plan.layout.pipeline_parallel > 1:
        label += f" ({','.join(map(str, plan.layout.partition))})"
    return label if plan.backend == "none" else f"{label} by {plan.backend}"


def _show_best(out: Console, plan: Plan) -> None:
    estimate = plan.estimate
    out.print()
    out.print(f"[bold]best:[/] {escape(plan.reason)}.")
    if plan.backend != "none":
        told = f"{plan.backend}: {plan.backend_reason} (rule {plan.backend_rule})"
        out.print(f"  joined by: {escape(told)}")
    parts = [f"{name.removesuffix('_s').replace('_', ' ')} {format_seconds(s)}" for name, s in estimate.terms.parts() if s > 0]  # fmt: skip
    out.print(f"  per token: {' + '.join(parts)} = {format_seconds(estimate.terms.total_s)}")
    start = [f"{what} {format_seconds(seconds)}" for what, seconds in estimate.start_up_parts]
    out.print(f"  start-up:  {' + '.join(start)}")
    _show_memory(out, estimate)
    for assumption in estimate.assumptions:
        out.print(f"  [dim]assumed: {escape(assumption)}[/]")


def _show_memory(out: Console, estimate: Estimate) -> None:
    use = max(estimate.memory, key=lambda m: m.weights_bytes / m.capacity_bytes)
    out.print(
        f"  memory:    {escape(use.device)}: {format_bytes(use.weights_bytes)} weights + "
        f"{format_bytes(use.activations_bytes + use.overhead_bytes)} activations and overhead + "
        f"{format_bytes(use.kv_cache_bytes)} KV cache of {format_bytes(use.capacity_bytes)}; "
        f"{estimate.kv_cache_tokens} tokens fit the cache"
    )


def _rejection_table(rejections: Sequence[Rejection]) -> Table:
    table = plain_table("refused", "on", "rule", "because", folds=("on", "because"))
    for one in rejections:
        shape = f"TP={one.tensor_parallel} PP={one.pipeline_parallel}"
        table.add_row(shape, escape(", ".join(one.nodes)), one.rule, escape(one.detail))
    return table


def interval_text(interval: Interval) -> str:
    """`45 (36 - 58)`."""
    return (
        f"{format_rate(interval.mid)} ({format_rate(interval.low)} - {format_rate(interval.high)})"
    )
