"""One folder per job: how it was launched, and what state it is in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, assert_never

from homecluster.domain.ids import NodeId
from homecluster.domain.job import (
    Command,
    Failed,
    JobId,
    JobState,
    LaunchSpec,
    Running,
    Starting,
    Stopped,
)
from homecluster.errors import InputError
from homecluster.store.files import read_json, write_json

LAUNCH_SCHEMA = "homecluster.launch/1"
STATE_SCHEMA = "homecluster.job/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What was decided before the start; never changes."""

    job_id: JobId
    created_at: str
    """UTC, ISO 8601."""
    engine: str
    """Name of the engine environment."""
    model: str
    random_weights: bool
    start_limit_s: float
    spec: LaunchSpec
    model_folder: str = ""
    tied: bool = False
    """Ends with the command that started it."""
    plan: Mapping[str, Any] = field(default_factory=dict)
    """The plan's entry of the plan document: layout and estimate; a share follows its leader's."""
    workload: Mapping[str, Any] = field(default_factory=dict)
    """As in the plan document."""
    cluster_fingerprint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The supervisor: a process that only these three numbers name."""

    boot_id: str
    pid: int
    start_ticks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEntry:
    """What the job's own supervisor last wrote."""

    state: JobState
    owner: Owner
    group: str | None
    """Control group of the engine's processes."""
    written_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFolder:
    """Where the files of one job lie; its name is the job's id."""

    path: Path

    @property
    def job_id(self) -> JobId:
        return JobId(self.path.name)

    @property
    def engine_log(self) -> Path:
        return self.path / "engine.log"

    @property
    def supervisor_log(self) -> Path:
        return self.path / "supervisor.log"

    @property
    def launch_file(self) -> Path:
        return self.path / "launch.json"

    @property
    def state_file(self) -> Path:
        return self.path / "state.json"


def job_folders(jobs: Path) -> tuple[JobFolder, ...]:
    """Folders that hold a launch, the newest last."""
    if not jobs.is_dir():
        return ()
    found = [path for path in jobs.iterdir() if (path / "launch.json").is_file()]
    return tuple(JobFolder(path=path) for path in sorted(found, key=_changed_at))


def _changed_at(path: Path) -> float:
    return (path / "launch.json").stat().st_mtime


def write_launch(folder: JobFolder, launch: Launch) -> None:
    document = {"schema": LAUNCH_SCHEMA} | asdict(launch)
    document["spec"]["commands"] = [
        asdict(command) | {"env": dict(command.env)} for command in launch.spec.commands
    ]
    write_json(folder.launch_file, document)


def read_launch(folder: JobFolder) -> Launch:
    """What `write_launch` wrote.

    Raises:
        InputError: the file is damaged or of another version.
    """
    document = _document(folder.launch_file, LAUNCH_SCHEMA)
    try:
        spec = document.pop("spec")
        commands = tuple(
            Command(
                node=NodeId(command["node"]),
                argv=tuple(command["argv"]),
                env=tuple(command["env"].items()),
                ready_when=command["ready_when"],
            )
            for command in spec.pop("commands")
        )
        return Launch(spec=LaunchSpec(commands=commands, **spec), **document)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder.launch_file} is damaged: {error}") from error


def write_entry(folder: JobFolder, entry: JobEntry) -> None:
    write_json(
        folder.state_file,
        {
            "schema": STATE_SCHEMA,
            "id": folder.job_id,
            **state_table(entry.state),
            "owner": asdict(entry.owner),
            "group": entry.group,
            "written_at": entry.written_at,
        },
    )


def read_entry(folder: JobFolder) -> JobEntry | None:
    """None when the supervisor has not written yet.

    Raises:
        InputError: the file is not one that `write_entry` wrote.
    """
    if not folder.state_file.exists():
        return None
    document = _document(folder.state_file, STATE_SCHEMA)
    try:
        return JobEntry(
            state=state_of(document),
            owner=Owner(**document["owner"]),
            group=document["group"],
            written_at=document["written_at"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{folder.state_file} is damaged: {error}") from error


def _document(path: Path, schema: str) -> dict[str, Any]:
    document = read_json(path, "job file")
    if not isinstance(document, dict) or document.pop("schema", None) != schema:
        raise InputError(f"{path} is not a {schema} document")
    return document


def state_table(state: JobState) -> dict[str, object]:
    """A state as plain JSON values; `state_of` reads it."""
    match state:
        case Starting(phase=phase):
            return {"state": "starting", "phase": phase}
        case Running(start_up_s=start_up_s, phases=phases):
            return {"state": "running", "start_up_s": start_up_s, "phases": list(map(list, phases))}
        case Stopped(reason=reason):
            return {"state": "stopped", "reason": reason}
        case Failed(node=node, reason=reason, log_tail=tail):
            return {"state": "failed", "node": node, "reason": reason, "log_tail": list(tail)}
        case _:
            assert_never(state)


def state_of(document: Mapping[str, Any]) -> JobState:
    """The state that `state_table` wrote.

    Raises:
        KeyError, TypeError, ValueError: it is not one.
    """
    match document["state"]:
        case "starting":
            return Starting(phase=document["phase"])
        case "running":
            phases = tuple((what, float(lasted_s)) for what, lasted_s in document.get("phases", ()))
            return Running(start_up_s=document["start_up_s"], phases=phases)
        case "stopped":
            return Stopped(reason=document["reason"])
        case "failed":
            return Failed(
                node=NodeId(document["node"]),
                reason=document["reason"],
                log_tail=tuple(document["log_tail"]),
            )
        case other:
            raise ValueError(f"unknown state {other!r}")
