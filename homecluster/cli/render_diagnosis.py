"""A diagnosis as people read it: the answer first."""

from __future__ import annotations

import shlex

from rich.console import Console
from rich.markup import escape

from homecluster.cli.render_console import console
from homecluster.cli.render_plan import interval_text
from homecluster.domain.diagnosis import Cause, Diagnosis
from homecluster.domain.signs import JobSigns, Signs


def show(diagnosis: Diagnosis, signs: Signs | None = None) -> None:
    """The first cause in one sentence, then evidence and remedy of each."""
    out = console()
    if signs is not None and signs.job is not None:
        out.print(f"[dim]{escape(_job(signs.job, diagnosis))}[/]")
    if diagnosis.judged is not None:
        rate = diagnosis.judged.estimate.output_tokens_per_s
        out.print(
            f"[dim]judged: {escape(diagnosis.judged.reason)}; tokens/s {interval_text(rate)}[/]"
        )
    for node, reason in signs.unseen if signs is not None else ():
        out.print(f"[dim]not seen: {escape(node)}: {escape(reason)}[/]")
    if diagnosis.healthy:
        out.print(f"[bold green]healthy:[/] {_healthy(diagnosis)}")
    elif not diagnosis.looked and not diagnosis.causes:
        out.print("[bold yellow]nothing was measured[/], so nothing is known to be wrong or right.")
    for position, cause in enumerate(diagnosis.causes, start=1):
        _show_cause(out, position, cause)
    if diagnosis.causes and diagnosis.gaps:
        out.print()
    for gap in diagnosis.gaps:
        out.print(f"[dim]not measured: {escape(gap)}[/]")


def _show_cause(out: Console, position: int, cause: Cause) -> None:
    gain = (
        f"  [green]+{cause.effect_tokens_per_s:.3g} tokens/s[/]"
        if cause.effect_tokens_per_s
        else ""
    )
    out.print(f"\n[bold]{position}. {cause.id}[/]{gain}")
    out.print(f"   {escape(cause.summary)}.")
    for line in cause.evidence:
        out.print(f"   [dim]- {escape(line)}[/]")
    out.print(f"   [bold]do:[/] {escape(cause.remedy.text)}")
    if cause.remedy.argv:
        out.print(f"       {escape(shlex.join(cause.remedy.argv))}", soft_wrap=True)


def _healthy(diagnosis: Diagnosis) -> str:
    if diagnosis.judged is None:
        return (
            "nothing that was seen of PCs and links is wrong; with --model M a plan is judged too."
        )
    return "nothing holds this plan back that another layout or link would mend."


def _job(job: JobSigns, diagnosis: Diagnosis) -> str:
    if job.state == "starting":
        age = f" for {job.elapsed_s:.0f} s" if job.elapsed_s is not None else ""
        if age and diagnosis.judged is not None:
            age += f" of {interval_text(diagnosis.judged.estimate.start_up_s)} s predicted"
        return f"{job.job}: starting{age}: {job.phase}"
    if not job.output_tokens_per_s:
        return f"{job.job}: {job.state}, no request in the last {job.window_s or 0:.0f} s"
    requests = f", {job.requests_running:.0f} requests" if job.requests_running else ""
    return f"{job.job}: {job.output_tokens_per_s:.3g} tokens/s measured{requests}"
