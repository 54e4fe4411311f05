"""What `up` would start on this PC, and what is missing for it; starts nothing."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from homecluster.app.job_port import job_port
from homecluster.app.model_files import local_folder, random_folder
from homecluster.app.up import Here, Wanted, check_exposure, installation_at, kind_of, spec_of
from homecluster.domain.hardware import DeviceKind
from homecluster.domain.job import LaunchSpec
from homecluster.domain.plan import Plan, PlanSet
from homecluster.engines.vllm_launch import Installation
from homecluster.errors import HomeclusterError, MissingError
from homecluster.store.engine_lock import bundled_lock
from homecluster.store.engine_store import engine_name, find_engine
from homecluster.store.paths import Paths


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What `up` would start."""

    spec: LaunchSpec
    missing: tuple[str, ...] = ()
    """What the start would stumble over, in words."""


def engine_or_its_place(
    paths: Paths, kind: DeviceKind, cores: tuple[int, ...]
) -> tuple[Installation, str | None]:
    """The engine, or where it would be installed and the words that it is missing."""
    try:
        engine = find_engine(paths.engines, kind)
    except MissingError as error:
        name = engine_name(bundled_lock(kind), sys.version_info[:2])
        return installation_at(paths.engines / name, None, cores), f"{error.message}: {error.hint}"
    return installation_at(engine.path, engine.openmp_library, cores), None


def port_trouble(paths: Paths, wanted: Wanted) -> str | None:
    """Why the wanted port cannot be used now, in words."""
    try:
        job_port(paths, wanted.host, wanted.port)
    except HomeclusterError as error:
        return error.message
    return None


def dry_run(here: Here, plans: PlanSet, plan: Plan, wanted: Wanted) -> DryRun:
    """The command that `up` would start; nothing is installed, made or started for it."""
    check_exposure(wanted.host, wanted.api_key_file)
    installation, missing = engine_or_its_place(here.paths, kind_of(plan, here.node), here.cores)
    folder = local_folder(here.paths, wanted.found, random_weights=wanted.random_weights)
    if folder is None and wanted.random_weights:
        folder = random_folder(here.paths, wanted.found)
    spec = spec_of(
        here.node, plans, plan, wanted, installation=installation, folder=folder, port=wanted.port
    )
    return DryRun(
        spec=spec, missing=tuple(filter(None, (missing, port_trouble(here.paths, wanted))))
    )
