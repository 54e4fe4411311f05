"""The use cases `this PC alone` and `probe`: what this PC is and how fast its devices are."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from homecluster.app.engine import refresh_own_code
from homecluster.app.own_devices import own_devices, unmeasured_devices
from homecluster.app.this_pc import cluster_of
from homecluster.domain.hardware import Device, DeviceKind, DType
from homecluster.domain.topology import Cluster
from homecluster.domain.units import GIB, format_seconds
from homecluster.engines.vllm_environment import engine_environment
from homecluster.errors import LaunchError, MissingError
from homecluster.inventory.collect import Inventory, take_inventory
from homecluster.inventory.probe_process import Ended, run_probe
from homecluster.inventory.software import engine_versions
from homecluster.launch.process_environment import process_environment
from homecluster.launch.strays import kill_tagged
from homecluster.planner.rules import BF16_CAPABILITY
from homecluster.store.device_speeds import DeviceSpeeds, Fingerprint, load_speeds, save_probe
from homecluster.store.engine_store import Engine, find_engine
from homecluster.store.files import write_private
from homecluster.store.paths import Paths

PROBE = "homecluster.jobs.device_probe"
_LIMIT_S = 900.0
_SIDE_BY_SIDE_BYTES = 8 * GIB
"""Two tiny engines need about half of it; below this they run one after the other."""
_KILL_WITHIN_S = 10.0

Tell = Callable[[str], None]


class Act(StrEnum):
    MEASURED = "measured"
    KEPT = "kept"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of measuring one device."""

    device: Device
    """With whatever speeds are known now."""
    act: Act
    speeds: DeviceSpeeds | None
    reason: str
    """Why it was skipped or is incomplete; empty otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    cluster: Cluster
    outcomes: tuple[Outcome, ...]
    notes: tuple[str, ...]
    """What of this PC could not be seen, and why."""

    @property
    def missing_engine(self) -> str | None:
        """Why the device that models would run on could not be measured; None if it was."""
        first = self.outcomes[0]
        return first.reason if first.act is Act.SKIPPED and first.speeds is None else None


def measure_this_pc(paths: Paths, *, force: bool, tell: Tell) -> Measured:
    """Measure what is not known yet (with `force`: everything), keep it, and say what this PC is.

    A device whose engine is not installed is skipped, with the reason; nothing heavy runs for it.

    Raises:
        LaunchError: the engine did not run; the hint names its log.
        MissingError: the results cannot be written.
    """
    inventory = take_inventory(thorough=True)
    done: dict[str, _Done] = {}
    for device, fingerprint in unmeasured_devices(inventory):
        if fingerprint.digest not in done:  # a second card of the same kind is measured once
            done[fingerprint.digest] = _measure_one(
                paths, inventory, device, fingerprint, force=force, tell=tell
            )
    devices = own_devices(inventory, paths.devices)
    prints = [fingerprint for _, fingerprint in unmeasured_devices(inventory)]
    versions = {name: version for one in done.values() for name, version in one.versions}
    return Measured(
        cluster=cluster_of(inventory, devices, tuple(sorted(versions.items()))),
        outcomes=tuple(
            done[fingerprint.digest].of(device)
            for device, fingerprint in zip(devices, prints, strict=True)
        ),
        notes=(inventory.gpus.note,) if inventory.gpus.note else (),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """What became of measuring one kind of device."""

    act: Act
    speeds: DeviceSpeeds | None
    reason: str
    versions: tuple[tuple[str, str], ...] = ()
    """Of the engine that measures it."""

    def of(self, device: Device) -> Outcome:
        return Outcome(device=device, act=self.act, speeds=self.speeds, reason=self.reason)


def _measure_one(
    paths: Paths,
    inventory: Inventory,
    device: Device,
    fingerprint: Fingerprint,
    *,
    force: bool,
    tell: Tell,
) -> _Done:
    kept = load_speeds(paths.devices, fingerprint)
    try:
        engine = refresh_own_code(find_engine(paths.engines, device.kind))
    except MissingError as error:
        reason = f"{error.message}: {error.hint}"
        return _Done(act=Act.KEPT if kept else Act.SKIPPED, speeds=kept, reason=reason)
    versions = tuple(engine_versions(engine.python))
    if kept is not None and not force:
        return _Done(act=Act.KEPT, speeds=kept, reason="", versions=versions)
    tell(f"measuring {device.name} ({device.kind})")
    probe = _probe(paths, inventory, device, engine, tell)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        speeds = save_probe(paths.devices, probe, fingerprint, now)
    except (ValueError, LookupError) as error:
        raise LaunchError(f"the measurement of {device.name} makes no sense: {error}") from error
    reason = probe.get("overheads_failed", "")
    return _Done(act=Act.MEASURED, speeds=speeds, reason=reason, versions=versions)


def _probe(
    paths: Paths, inventory: Inventory, device: Device, engine: Engine, tell: Tell
) -> dict[str, Any]:
    tag = f"probe-{os.getpid()}"
    system = inventory.system
    environment = engine_environment(
        kind=device.kind,
        ranks=1,
        cores=system.engine_cores,
        weights_local=True,
        device_indices=(int(device.id.rpartition(":")[2]),)
        if device.kind is DeviceKind.CUDA
        else (),
        openmp_library=engine.openmp_library,
    )
    try:
        ended = run_probe(
            probe_argv(str(engine.python), inventory, device),
            process_environment(os.environ, command=environment, job_id=tag, api_key=None),
            limit_s=_LIMIT_S,
            tell=tell,
        )
    finally:
        kill_tagged(tag, _KILL_WITHIN_S)
    return _document(paths, device, ended)


def probe_argv(python: str, inventory: Inventory, device: Device) -> tuple[str, ...]:
    """The command that measures one device inside the engine environment."""
    system = inventory.system
    dtypes = tuple(argument for dtype in probed_dtypes(device) for argument in ("--dtype", dtype))
    roomy = system.ram_available_bytes >= _SIDE_BY_SIDE_BYTES
    return (
        *(python, "-m", PROBE, "--kind", device.kind.value, *dtypes),
        *("--cache-bytes", str(system.processor.last_level_cache_bytes or 0)),
        *("--free-bytes", str(device.memory_free_bytes)),
        *(("--eager",) if device.kind is DeviceKind.CPU else ()),  # as `up` starts it
        *(("--side-by-side",) if roomy else ()),
    )


def probed_dtypes(device: Device) -> tuple[DType, ...]:
    """Number formats to measure, the engine's default first."""
    capability = device.compute_capability
    if device.kind is DeviceKind.CUDA and (capability or (0, 0)) < BF16_CAPABILITY:
        return (DType.FP16, DType.FP32)
    return (DType.BF16, DType.FP16, DType.FP32)


def _document(paths: Paths, device: Device, ended: Ended) -> dict[str, Any]:
    log = paths.devices / "last-probe.log"
    write_private(log, ended.log.encode())
    if ended.code == 0:
        try:
            document: dict[str, Any] = json.loads(ended.output.splitlines()[-1])
        except (ValueError, IndexError):
            pass
        else:
            return document
    how = (
        f"was stopped after {format_seconds(_LIMIT_S)} at most"
        if ended.code < 0
        else f"ended with code {ended.code}"
    )
    raise LaunchError(
        f"measuring {device.name} failed: the measurement {how}", hint=f"its log is {log}"
    )
