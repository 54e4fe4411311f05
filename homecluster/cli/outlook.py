"""What `plan --advice`, `--sensitivity` and `--picture` add to a plan."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from homecluster.cli import render_outlook
from homecluster.cli.outlook_picture import draw
from homecluster.cli.render_copies_curve import show_copies_curve
from homecluster.cli.render_map import show_map
from homecluster.domain.plan import Plan, PlanSet
from homecluster.domain.topology import Cluster
from homecluster.planner.advice import Advice, advise
from homecluster.planner.link_places import LinkPlace, link_places
from homecluster.planner.sensitivity import Sensitivity, sensitivity


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """None and False: not asked for."""

    advice: tuple[Advice, ...] | None
    wants_table: bool
    by_link: Sensitivity | None
    places: tuple[LinkPlace, ...]
    """Of the home's own links in that table."""
    plans: tuple[Plan, ...]

    def add_to(self, document: dict[str, Any]) -> None:
        if self.advice is not None:
            document["advice"] = render_outlook.advice_table(self.advice)
        if self.wants_table:
            document["sensitivity"] = render_outlook.sensitivity_table(self.by_link)
            document["own_links"] = [asdict(one) for one in self.places]

    def show(self) -> None:
        if self.advice is not None:
            render_outlook.show_advice(self.advice)
        if self.wants_table:
            show_map(self.by_link, self.places)
            show_copies_curve(self.plans)


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
    return Outlook(
        advice=given,
        wants_table=table,
        by_link=by_link,
        places=link_places(by_link, cluster) if by_link else (),
        plans=plans.plans,
    )
