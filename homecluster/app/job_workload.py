"""The requests that a job was planned for."""

from __future__ import annotations

from homecluster.app.jobs import JobView
from homecluster.domain.hardware import DType
from homecluster.domain.workload import Goal, Serve


def job_workload(view: JobView) -> Serve:
    """What the job was planned for."""
    table = dict(view.launch.workload)
    table["goal"] = Goal(table["goal"])
    table["dtype"] = DType(table["dtype"]) if table["dtype"] else None
    return Serve(**table)
