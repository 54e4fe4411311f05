"""A measurement beside its prediction, as people read it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.markup import escape
from rich.table import Table

from homecluster.cli.blocks import band
from homecluster.cli.render_console import console, plain_table
from homecluster.cli.render_verdict import counted
from homecluster.domain.units import format_bytes, format_rate, format_seconds, format_traffic

_WIDE = 120
"""Columns from which the intervals are drawn, too."""
_BAND_COLUMNS = 28
_DISTURBED_CORES = 0.6
"""Beyond what the benchmark's own client takes."""

_ROWS: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("output_tokens_per_s", "output tokens/s", format_rate),
    ("total_tokens_per_s", "with the prompts", format_rate),
    ("requests_per_s", "requests/s", format_rate),
    ("first_token_s", "first token", format_seconds),
    ("token_interval_s", "time per output token", format_seconds),
)


def show(document: dict[str, Any]) -> None:
    """What was measured, what was predicted, and how far apart they are."""
    out, workload = console(), document["workload"]
    load = (
        f"{workload['concurrent_requests']} in flight"
        if workload["request_rate_per_s"] is None
        else f"{workload['request_rate_per_s']:g} requests/s"
    )
    out.print(
        f"[bold]{escape(document['job'])}[/]: {counted(document['completed'], 'request')} of "
        f"{workload['prompt_tokens']} tokens in and {workload['output_tokens']} out, {load}, "
        f"in {format_seconds(document['duration_s'])}"
    )
    if document["failed"]:
        out.print(f"[red]{counted(document['failed'], 'request')} failed[/]")
    out.print(_table(document, wide=out.width >= _WIDE))
    out.print(f"  {_verdict(document)}")
    for line in (
        *_percentiles(document),
        *_drafting(document),
        *_copies(document),
        *_links(document),
    ):
        out.print(f"  {line}")
    others = document["utilisation"]["other_cores"]
    if others is not None and others > _DISTURBED_CORES:
        out.print(
            f"  [yellow]other programs kept {others:.1f} cores busy meanwhile: measure again when the PC is quiet[/]"
        )
    out.say(f"  {_use(document)}kept in {document['record']}", "dim")


def show_calibration(fitted: list[dict[str, Any]]) -> None:
    """How this PC differs from what was believed of it, by the runs that are kept."""
    out = console()
    if not fitted:
        out.print("nothing was fitted: no undisturbed run of one copy inside this PC is kept")
    for one in fitted:
        factors = ", ".join(f"{name} {one['factors'][name]:.2f}x" for name in one["learned"])
        factors = factors or "nothing could be learned"
        runs = counted(one["runs"], "run")
        out.print(
            f"[bold]{escape(one['device'])}[/]: times by {runs} of {escape(one['engine'])}: {factors}; "
            f"{one['left_over']:.0%} stay unexplained"
        )


def _table(document: dict[str, Any], *, wide: bool) -> Table:
    figures = ("measured", "p95", "predicted", "low - high", "ratio")
    table = plain_table(
        "", *figures, *(("├ low  ┼  high ┤  ● measured",) if wide else ()), right=figures
    )
    for name, label, text in _ROWS:
        measured, predicted = document["measured"][name], document["predicted"][name]
        ratio, inside = document["ratio"][name], document["inside"][name]
        style = "green" if inside else "yellow"
        table.add_row(
            label,
            f"[bold]{text(measured['mean'])}[/]",
            text(measured["p95"]),
            text(predicted["mid"]),
            f"{text(predicted['low'])} - {text(predicted['high'])}",
            f"[{style}]{'-' if ratio is None else f'{ratio:.2f}'}[/]",
            *((band(**predicted, measured=measured["mean"], width=_BAND_COLUMNS),) if wide else ()),
        )
    return table


def _percentiles(document: dict[str, Any]) -> list[str]:
    """What requests waited for, from the luckier half to the unluckiest of a hundred."""
    told = []
    for name, label, text in (
        ("first_token_s", "first token", format_seconds),
        ("token_interval_s", "per token", format_seconds),
    ):
        each = document["measured"][name]
        told.append(f"{label} {text(each['p50'])}, {text(each['p95'])}, {text(each['p99'])}")
    return [f"p50, p95, p99: {'; '.join(told)}"]


def _verdict(document: dict[str, Any]) -> str:
    name = "output_tokens_per_s"
    ratio = document["ratio"][name]
    where = (
        "[green]inside[/] the predicted interval"
        if document["inside"][name]
        else "[yellow]outside[/] the predicted interval"
    )
    return f"output tokens/s are {where}, {abs(ratio - 1):.0%} {'above' if ratio > 1 else 'below'} its middle"


def _links(document: dict[str, Any]) -> list[str]:
    """What the links of a gang or of copies carried; nothing for a job inside one PC."""
    carried = document["link_bytes"]
    if not carried:
        return []
    told = [
        f"{escape(one['pc'])} received {format_traffic(one['received'])}, sent {format_traffic(one['sent'])}"
        for one in carried
    ]
    if document["planned_link_bytes"] is not None:
        told.append(f"messages by plan {format_traffic(document['planned_link_bytes'])} in all")
    return [f"over the links: {'; '.join(told)}"]


def _drafting(document: dict[str, Any]) -> list[str]:
    """What drafting tokens yielded; nothing for a job that drafts none."""
    one = document["drafting"]
    if one is None:
        return []
    right = f"{one['right']} of {one['tokens']} drafted tokens were right, {one['tokens_per_step']:.2f} tokens a step"
    gain = f"plan --speculate ngram --acceptance {one['acceptance']:.2f} says what that gains"
    return [f"drafting: {right}; the prediction is without drafting ({gain})"]


def _copies(document: dict[str, Any]) -> list[str]:
    """Who answered; nothing for one copy."""
    given = [f"{escape(one['copy'])} {one['requests']}" for one in document["copies"]]
    return [f"requests by copy: {', '.join(given)}"] if given else []


def _use(document: dict[str, Any]) -> str:
    words = []
    if document["utilisation"]["busy_cores"] is not None:
        words.append(f"{document['utilisation']['busy_cores']:.1f} cores busy")
    if document["utilisation"]["other_cores"] is not None:
        words.append(f"{document['utilisation']['other_cores']:.1f} by other programs")
    if document["memory"]["job_bytes"]:
        words.append(f"{format_bytes(document['memory']['job_bytes'])} of memory")
    words += [
        f"GPU {index} {share:.0%} busy"
        for index, share in enumerate(document["utilisation"]["gpus"])
    ]
    if document["power_w"] is not None:
        words.append(f"{document['power_w']:.0f} W of GPUs")
    return "".join(f"{word}, " for word in words)
