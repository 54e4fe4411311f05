"""This PC and its devices as people read them: every number with its mark."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from homecluster.app.measure import Act, Measured, Outcome
from homecluster.app.probe_members import ProbedMembers
from homecluster.app.scan import Scanned
from homecluster.cli.render_console import Page, console, plain_table
from homecluster.cli.render_verdict import counted
from homecluster.domain.hardware import Device, Node
from homecluster.domain.ids import NodeId
from homecluster.domain.topology import Cluster
from homecluster.domain.units import (
    format_bytes,
    format_flops,
    format_link_rate,
    format_memory_rate,
    format_seconds,
)
from netprobe.cli.render import show_report
from netprobe.types import Report

_BUSY = 1.3
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400


def show(measured: Measured) -> None:
    """The PC in a line or two, then a table per device, then what could not be seen or measured."""
    out = console()
    (node,) = measured.cluster.nodes
    _show_node(out, node)
    for outcome in measured.outcomes:
        out.print()
        out.print(_title(outcome))
        out.print(_device_table(outcome.device))
        _show_doubts(out, outcome)
    for note in measured.notes:
        out.print(f"[dim]{escape(note)}[/]")


def show_link(scanned: Scanned) -> None:
    """The link's figures, where they are kept, and what to type next."""
    out = console()
    show_report(scanned.report, out)
    out.say(f"kept with all samples in {scanned.raw}", "dim")
    if scanned.believed is None:
        out.print("[dim]with --describes FILE it also becomes a cluster to plan on; see --help[/]")
    else:
        out.say(f"next: homecluster plan --model gpt2 --cluster {scanned.believed}")


def show_members(found: ProbedMembers) -> None:
    """A line per PC, a line per link, what could not be measured and why, and what to type next."""
    out = console()
    for node in found.cluster.nodes:
        _show_node(out, node)
    if found.reports:
        out.print()
        out.print(_link_table(found))
    for line in troubles(found):
        out.say(line, "yellow")
    out.print("next: homecluster plan --model gpt2")


def _link_table(found: ProbedMembers) -> Table:
    titles = ("link", "round trip", "there", "back", "")
    table = plain_table(*titles, right=titles[1:4])
    for report in found.reports:
        table.add_row(*_link_row(report, found.cluster))
    return table


def troubles(found: ProbedMembers) -> tuple[str, ...]:
    """A line per member or pair that was not measured, with its cause and remedy."""
    pairs = (
        f"{one.src} and {one.dst}: {one.why} ({one.cause})"
        + (f"; {one.remedy}" if one.remedy else "")
        for one in found.unmeasured
    )
    return (*found.silent, *pairs)


def _link_row(report: Report, cluster: Cluster) -> tuple[str, ...]:
    src, dst = NodeId(report.src), NodeId(report.dst)
    trip, there, back = report.round_trip, cluster.link(src, dst), cluster.link(dst, src)
    either = there or back
    medium = either.medium if either else None
    return (
        f"{escape(report.src)} - {escape(report.dst)}",
        format_seconds(trip.p50_s) if trip else "-",
        format_link_rate(there.bandwidth_bytes_per_s) if there else "-",
        format_link_rate(back.bandwidth_bytes_per_s) if back else "-",
        f"shares the {escape(medium)}" if medium else "",
    )


def _show_node(out: Console, node: Node) -> None:
    system = node.os if node.wsl_mode is None else f"{node.os} ({node.wsl_mode} networking)"
    where = ", ".join(node.addresses) or "no address on a home network"
    out.print(
        f"[bold]{escape(node.id)}[/]: {system}, {counted(node.cpu_cores, 'core')}, "
        f"{format_bytes(node.ram_bytes)} RAM, {where}"
    )
    versions = ", ".join(f"{software} {version}" for software, version in node.versions)
    if versions:
        out.print(f"[dim]{escape(versions)}[/]")


def _title(outcome: Outcome) -> str:
    device = outcome.device
    name = f"[bold]{escape(device.name)}[/] ({escape(device.id)})"
    if outcome.speeds is None:
        return name
    age_s = outcome.speeds.age_s(datetime.now(UTC))
    when = "now" if outcome.act is Act.MEASURED else f"{format_age(age_s)} ago; --force repeats it"
    return f"{name} [dim]measured {when}[/]"


def format_age(age_s: float) -> str:
    """`5 minutes`, `3 hours`, `12 days`."""
    for size, word in ((_DAY_S, "day"), (_HOUR_S, "hour"), (_MINUTE_S, "minute")):
        if age_s >= size:
            count = int(age_s // size)
            return f"{count} {word}{'s' if count > 1 else ''}"
    return "less than a minute"


def _device_table(device: Device) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2))
    table.add_row(
        "  memory",
        f"{format_bytes(device.memory_total_bytes)}, {format_bytes(device.memory_free_bytes)} free",
        _mark(device, "memory_total_bytes"),
    )
    table.add_row(
        "  weights stream at",
        format_memory_rate(device.memory_bandwidth_bytes_per_s),
        _mark(device, "memory_bandwidth_bytes_per_s"),
    )
    if device.kv_cache_bandwidth_bytes_per_s is not None:
        table.add_row(
            "  KV cache is read at",
            format_memory_rate(device.kv_cache_bandwidth_bytes_per_s),
            _mark(device, "kv_cache_bandwidth_bytes_per_s"),
        )
    flops = ", ".join(f"{dtype} {format_flops(rate)}" for dtype, rate in device.peak_flop_per_s)
    table.add_row("  matrix products", flops, _mark(device, "peak_flop_per_s"))
    if device.attention_flop_per_s is not None:
        table.add_row(
            "  attention to a prompt",
            format_flops(device.attention_flop_per_s),
            _mark(device, "attention_flop_per_s"),
        )
    if device.sampling_s_per_logit is not None:
        table.add_row(
            "  drawing a token takes",
            f"{format_seconds(device.sampling_s_per_logit)} per entry of the vocabulary",
            _mark(device, "sampling_s_per_logit"),
        )
    for what, field in (
        ("engine step", "step_overhead_s"),
        ("each layer", "layer_overhead_s"),
        ("each further sequence", "sequence_overhead_s"),
    ):
        table.add_row(
            f"  {what} adds", format_seconds(getattr(device, field)), _mark(device, field)
        )
    if device.server_start_s is not None and device.engine_ready_s is not None:
        table.add_row(
            "  vLLM starts in",
            format_seconds(device.server_start_s + device.engine_ready_s),
            _mark(device, "server_start_s"),
        )
    return table


def _mark(device: Device, field: str) -> str:
    return f"[dim]{device.provenance_of(field).value}[/]"


def _show_doubts(out: Page, outcome: Outcome) -> None:
    speeds = outcome.speeds
    if speeds is not None and speeds.disturbance is not None and speeds.disturbance > _BUSY:
        out.print(
            f"  [yellow]the PC was busy meanwhile: equal work took {speeds.disturbance:.1f} times as long "
            "as undisturbed; repeat it when it is quiet: homecluster probe --force[/]"
        )
    if outcome.reason:
        out.say(f"  {outcome.reason}", "yellow")
