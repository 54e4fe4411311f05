"""The composition root: reads flags' environment once and hands adapters to use cases."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from homecluster.domain.hardware import DeviceKind
from homecluster.domain.topology import Cluster
from homecluster.errors import InputError
from homecluster.store.cluster_document import load_cluster
from homecluster.store.models import FoundModel, find_model
from homecluster.store.paths import Paths, paths_from

if TYPE_CHECKING:
    from homecluster.app.ports import Members
    from homecluster.app.up import Here


def paths() -> Paths:
    """Where this user's state lives."""
    return paths_from(os.environ)


def model(reference: str, quantization: str | None = None) -> FoundModel:
    """The model that the user named.

    Raises:
        InputError: it is unknown or unreadable, or its checkpoint is not quantised as asked.
    """
    found = find_model(reference, os.environ)
    has = found.spec.quantization.method if found.spec.quantization else "none"
    if quantization is not None and quantization.lower() != has:
        raise InputError(
            f"{found.spec.name} is not a {quantization} checkpoint (quantization: {has})",
            hint="name the quantised checkpoint itself, such as llama-3.1-8b-awq; homecluster does not quantise.",
        )
    return found


def cluster(document: Path | None) -> Cluster:
    """The cluster of a document; else the live one that this PC is in, as last probed; else this PC alone."""
    if document is not None:
        return load_cluster(document)
    everybody = members()
    if everybody is not None:
        from homecluster.app.live_cluster import live_cluster  # noqa: PLC0415 - as below

        return live_cluster(everybody)
    from homecluster.app.this_pc import this_pc  # noqa: PLC0415 - inventory and NVML are not needed for a document

    return this_pc(paths())


def here() -> Here:
    """This PC as `up` uses it."""
    from homecluster.app.this_pc import this_pc  # noqa: PLC0415 - as above
    from homecluster.app.up import Here  # noqa: PLC0415 - as above
    from homecluster.inventory.system import read_system  # noqa: PLC0415 - as above

    (node,) = this_pc(paths()).nodes
    return Here(paths=paths(), node=node, cores=read_system().engine_cores)


def members() -> Members | None:
    """The cluster through this PC's agent; None in no cluster."""
    from homecluster.agent.local import LocalAgent  # noqa: PLC0415 - as above

    agent = LocalAgent(paths().home)
    return agent if agent.is_in_cluster else None


def default_engine_kind() -> DeviceKind:
    """CUDA where NVML sees a GPU, else the CPU."""
    from homecluster.inventory.nvidia import read_gpus  # noqa: PLC0415 - as above

    return DeviceKind.CUDA if read_gpus().gpus else DeviceKind.CPU
