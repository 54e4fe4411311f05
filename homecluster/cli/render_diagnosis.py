"""A diagnosis as people read it: the answer first."""

from __future__ import annotations

import shlex

from rich.markup import escape

from homecluster.cli.render_plan import console, interval_text
from homecluster.domain.diagnosis import Diagnosis


def show(diagnosis: Diagnosis) -> None:
    """The first cause in one sentence, then evidence and remedy of each."""
    out = console()
    if diagnosis.judged is not None:
        rate = diagnosis.judged.estimate.output_tokens_per_s
        out.print(
            f"[dim]judged: {escape(diagnosis.judged.reason)}; tokens/s {interval_text(rate)}[/]"
        )
    if diagnosis.healthy:
        out.print(
            "[bold green]healthy:[/] nothing holds this plan back that another layout or link would mend."
        )
        return
    for position, cause in enumerate(diagnosis.causes, start=1):
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
