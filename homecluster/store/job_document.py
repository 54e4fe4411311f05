"""Jobs as the documents that `up --json` and `status --json` print."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from homecluster.domain.job import Command, Failed, JobState, Running, Starting, Stopped
from homecluster.store.job_store import JobFolder, Launch

STATUS_SCHEMA: Final = "homecluster.status/1"
UP_SCHEMA: Final = "homecluster.up/1"


def job_table(
    folder: JobFolder, launch: Launch, state: JobState, *, processes: int, memory_bytes: int
) -> dict[str, Any]:
    """One job; a secret is in none of its fields."""
    return {
        "job": folder.job_id,
        "state": state_name(state),
        **asdict(state),
        "model": launch.model,
        "base_url": launch.spec.base_url if launch.spec.port else None,
        "served_model": launch.spec.served_model,
        "needs_key": launch.spec.api_key_file is not None,
        "random_weights": launch.random_weights,
        "created_at": launch.created_at,
        "engine": launch.engine,
        "log": str(folder.engine_log),
        "processes": processes,
        "memory_bytes": memory_bytes,
        "workload": launch.workload,
        "plan": launch.plan,
    }


def state_name(state: JobState) -> str:
    match state:
        case Starting():
            return "starting"
        case Running():
            return "running"
        case Stopped():
            return "stopped"
        case Failed():
            return "failed"


def command_table(command: Command) -> dict[str, Any]:
    """As the plan document's `commands` hold it."""
    return {"node": command.node, "argv": list(command.argv), "env": dict(command.env)}
