"""What `plan --advice`, `--sensitivity` and `--picture` add to a plan."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homecluster.cli import render_outlook
from homecluster.cli.outlook_picture import draw
from homecluster.domain.plan import PlanSet
from homecluster.domain.topology import Cluster
from homecluster.planner.advice import Advice, advise
from homecluster.planner.sensitivity import Sensitivity, sensitivity


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """None and False: not asked for."""

    advice: tuple[Advice, ...] | None
    wants_table: bool
    by_link: Sensitivity | None

    def add_to(self, document: dict[str, Any]) -> None:
        if self.advice is not None:
            document["advice"] = render_outlook.advice_table(self.advice)
        if self.wants_table:
            document["sensitivity"] = render_outlook.sensitivity_table(self.by_link)

    def show(self) -> None:
        if self.advice is not None:
            render_outlook.show_advice(self.advice)
        if self.wants_table:
            render_outlook.show_sensitivity(self.by_link)


def look_out(
    cluster: Cluster, plans: PlanSet, *, advice: bool, table: bool, picture: Path | None
) -> Outlook:
    """What was asked for, and the picture drawn.

    Raises:
        MissingError, InputError: the picture cannot be drawn.
    """
    by_link = None
    if table or picture:
        by_link = sensitivity(cluster, plans.model, plans.workload)
    if picture and by_link:
        draw(by_link, picture)
    given = advise(cluster, plans.model, plans.workload, plans) if advice else None
    return Outlook(advice=given, wants_table=table, by_link=by_link)
