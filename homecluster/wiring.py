"""The composition root: reads flags' environment once and hands adapters to use cases."""

from __future__ import annotations

import os
from pathlib import Path

from homecluster.domain.topology import Cluster
from homecluster.errors import InputError
from homecluster.store.cluster_document import load_cluster
from homecluster.store.models import FoundModel, find_model
from homecluster.store.paths import Paths, paths_from


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
    """The cluster of a document, or this PC alone."""
    if document is not None:
        return load_cluster(document)
    from homecluster.app.measure import this_pc  # noqa: PLC0415 - inventory and NVML are not needed for a document

    return this_pc(paths())
