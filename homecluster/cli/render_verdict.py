"""What plans to serve and plans to train are both shown with: the verdict, and how many lines were left out."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from homecluster.domain.plan import Verdict, VerdictKind

_STYLES = {
    VerdictKind.SINGLE_NODE: "bold green",
    VerdictKind.REPLICAS: "bold cyan",
    VerdictKind.MULTI_NODE_WORTH_IT: "bold cyan",
    VerdictKind.MULTI_NODE_REQUIRED: "bold yellow",
    VerdictKind.CANNOT_RUN: "bold red",
}


def show_verdict(out: Console, verdict: Verdict, what: str) -> None:
    """`what` is said to be worth it over several PCs: one copy, or training."""
    headlines = {
        VerdictKind.SINGLE_NODE: " one PC is best.",
        VerdictKind.REPLICAS: " a whole copy on each of several PCs is best.",
        VerdictKind.MULTI_NODE_WORTH_IT: f" {what} over several PCs is worth it.",
        VerdictKind.MULTI_NODE_REQUIRED: " only several PCs together hold it.",
        VerdictKind.CANNOT_RUN: "",  # the reason says no more and no less
    }
    kind = verdict.kind
    out.print(f"[{_STYLES[kind]}]{kind.value}:{headlines[kind]}[/] {escape(verdict.reason)}.")


def show_left_out(out: Console, count: int, shown: int, what: str) -> None:
    """One line where more than `shown` were there."""
    if count > shown:
        out.print(f"[dim]and {counted(count - shown, what)} more; --all shows all[/]")


def counted(count: int, what: str) -> str:
    """`1 plan`, `2 plans`."""
    return f"{count} {what}{'' if count == 1 else 's'}"
