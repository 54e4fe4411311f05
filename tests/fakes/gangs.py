"""Gangs of PCs that are homes on this PC, told apart by loopback addresses, with the fake engine."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homecluster.app import gang_share, job_end, jobs
from homecluster.app.shared_model import shape_of
from homecluster.domain.hardware import DeviceKind
from homecluster.domain.ids import NodeId
from homecluster.domain.plan import Backend
from homecluster.engines.vllm_gang_order import ShareOrder
from homecluster.store.gang_store import Part
from homecluster.store.paths import Paths
from tests.fakes.gang_engine import CONFIG, make_engine, make_model
from tests.fakes.members import FakeMembers
from tests.ports import unused_port

LOOPBACK = "127.0.0.1"


def new_job() -> str:
    """A job's processes are found by its name over the whole PC, so no two tests may share one."""
    return f"toy-8000-{secrets.token_hex(4)}"


def order(**changes: Any) -> ShareOrder:
    """Share 0 of a tensor-parallel pair of CPUs."""
    values: dict[str, Any] = {
        "job": "toy-8000-abcd", "share": 0, "backend": Backend.MP, "tensor_parallel": 2,
        "partition": (4,), "kind": DeviceKind.CPU, "devices": (0,),
        "addresses": (LOOPBACK, "127.0.0.2"), "meeting_port": 21000, "model": "toy", "shape": shape_of(CONFIG),
        "random_weights": False, "served_model": "toy", "max_model_len": 64, "dtype": "auto",
        "cache_bytes": 1 << 20, "memory_share": None, "batch_tokens": 256, "api_port": 21001,
        "api_host": LOOPBACK, "start_limit_s": 60.0,
    }  # fmt: skip
    return ShareOrder(**(values | changes))


@dataclass
class FakeCluster:
    """PCs a and b."""

    members: FakeMembers
    homes: dict[str, Paths]

    def parts(self) -> tuple[Part, ...]:
        meeting, api = unused_port(), unused_port()
        common: dict[str, Any] = {"job": new_job(), "meeting_port": meeting, "api_port": api}
        first = order(**common)
        second = order(**(common | {"share": 1, "api_port": 0}))
        names = tuple(self.homes)
        return tuple(
            Part(node=NodeId(name), name=name, order=one)
            for name, one in zip(names, (first, second), strict=True)
        )

    def living(self) -> list[str]:
        """Shares of which something lives."""
        return [
            f"{name}: {view.folder.job_id} {view.state} {view.processes}"
            for name, paths in self.homes.items()
            for view in jobs.living(jobs.look_at_all(paths.shares))
        ]


HANDLERS = {
    "share.check": gang_share.check,
    "share.preview": gang_share.preview,
    "share.start": lambda paths, body: gang_share.start(paths, "leader", body),
    "share.look": gang_share.look,
    "share.stop": gang_share.stop,
}


@contextmanager
def fake_cluster(folder: Path, behaviour: str = "") -> Iterator[FakeCluster]:
    """Two PCs with the fake engine and the model `toy`; whatever is left of their shares is ended after."""
    engines = folder / "engines"
    make_engine(engines)
    homes = {name: Paths(home=folder / name, engines=engines) for name in ("a", "b")}
    for paths in homes.values():
        make_model(paths.models, behaviour=behaviour)
    try:
        yield FakeCluster(members=FakeMembers(homes, HANDLERS), homes=homes)
    finally:
        for paths in homes.values():
            for view in jobs.living(jobs.look_at_all(paths.shares)):
                job_end.stop(view)
