"""The use case `bench --calibrate`: a few short runs of a running job, and what they and earlier ones say of this PC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from homecluster.app.own_devices import probed_devices
from homecluster.domain.calibration import Correction, Run
from homecluster.domain.hardware import Device, DeviceKind, DType, Node
from homecluster.domain.ids import DeviceId
from homecluster.domain.layout import Layout, Stage
from homecluster.domain.workload import Goal, Serve
from homecluster.errors import InputError
from homecluster.inventory.collect import Inventory, take_inventory, this_node
from homecluster.planner.calibration import FIELDS, Origin, corrected, explainable, fit
from homecluster.store.calibrations import Calibration, save_calibration
from homecluster.store.device_speeds import Fingerprint
from homecluster.store.files import read_json
from homecluster.store.models import find_model
from homecluster.store.paths import Paths

SECONDS_EACH: Final = 20.0
"""Three runs and their warming up stay below two minutes."""
MOST_RUNS: Final = 24
"""The newest; older ones may be of a PC that was used otherwise."""
_BUSY_CORES: Final = 1.0
"""A run beside other programs that take more says nothing of this PC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """What was fitted for one kind of device."""

    device: Device
    correction: Correction


def loads(max_model_len: int) -> tuple[dict[str, int], ...]:
    """Changes of the job's workload: alone, many together, long prompts; each shows what the others hide."""
    prompt, output = max(1, min(32, max_model_len // 4)), max(2, min(64, max_model_len // 2))
    long_output = max(2, min(16, max_model_len // 4))
    long_prompt = max(1, min(512, max_model_len - long_output - 1))
    short = {"prompt_tokens": prompt, "output_tokens": output}
    return (
        {**short, "concurrent_requests": 1},
        {**short, "concurrent_requests": 8},
        {"prompt_tokens": long_prompt, "output_tokens": long_output, "concurrent_requests": 2},
    )


def refit(paths: Paths, engine: str) -> tuple[Calibrated, ...]:
    """Fit this PC's devices to the kept runs of this engine, and keep the result; none where there are no runs."""
    inventory = take_inventory(thorough=False)
    probed = probed_devices(inventory, paths.devices)
    node = _node(inventory, tuple(device for device, _ in probed))
    runs = _runs(paths.benches, engine, {device.id for device in node.devices})
    origin = Origin(fitted_at=datetime.now(UTC).isoformat(timespec="seconds"), engine=engine)
    found = []
    for kind in DeviceKind:
        own = [run for run in runs if _kind(run) is kind and explainable(node, run)][-MOST_RUNS:]
        if own:
            correction = fit(node, kind, own, origin)
            found += [
                _keep(paths.devices, device, fingerprint, correction)
                for device, fingerprint in probed
                if device.kind is kind
            ]
    return tuple(found)


def calibration_table(found: tuple[Calibrated, ...]) -> list[dict[str, Any]]:
    """As the bench document shows it."""
    return [
        {
            "device": one.device.id,
            "factors": {
                name: getattr(one.correction, name)
                for name in ("step", "sequence", "memory", "arithmetic")
            },
            "learned": list(one.correction.learned),
            "runs": one.correction.runs,
            "left_over": one.correction.left_over,
            "fitted_at": one.correction.fitted_at,
            "engine": one.correction.engine,
        }
        for one in found
    ]


def _keep(
    folder: Path, device: Device, fingerprint: Fingerprint, correction: Correction
) -> Calibrated:
    now = corrected(device, correction)
    kept = Calibration(
        step_overhead_s=now.step_overhead_s,
        sequence_overhead_s=now.sequence_overhead_s,
        memory_bandwidth_bytes_per_s=now.memory_bandwidth_bytes_per_s,
        peak_flop_per_s=now.peak_flop_per_s,
        fields=tuple(FIELDS[name] for name in correction.learned),
        error=now.calibration_error or correction.left_over,
        runs=correction.runs,
        fitted_at=correction.fitted_at,
        engine=correction.engine,
    )
    save_calibration(folder, fingerprint, kept)
    return Calibrated(device=now, correction=correction)


def _node(inventory: Inventory, devices: tuple[Device, ...]) -> Node:
    return this_node(inventory, devices, engine_versions=(), observed_at="")


def _kind(run: Run) -> DeviceKind:
    return DeviceKind(run.layout.devices[0].rsplit("/", 1)[1].partition(":")[0])


def _runs(folder: Path, engine: str, devices: set[DeviceId]) -> list[Run]:
    """Kept runs of this engine on these devices, the oldest first; what cannot be used is passed over."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            document = read_json(path, "measurement")
            if document["engine"] == engine and _usable(document):
                run = run_of(document)
                if set(run.layout.devices) <= devices:
                    found.append(run)
        except (InputError, LookupError, TypeError, ValueError, AttributeError, AssertionError):
            continue  # damaged, of another homecluster, or its model is gone
    return found


def _usable(document: Mapping[str, Any]) -> bool:
    """One copy inside one PC that was not disturbed, under a fixed number of requests."""
    layout, others = document["layout"], document["utilisation"]["other_cores"]
    return (
        not document["failed"]
        and layout["replicas"] == 1
        and not layout.get("drafts")  # by how many tokens a step yields, not by this PC's figures
        and len(layout["nodes"]) == 1
        and document["workload"]["request_rate_per_s"] is None
        and document["workload"]["output_tokens"] > 1
        and (others is None or others <= _BUSY_CORES)
    )


def run_of(document: Mapping[str, Any]) -> Run:
    """The run that a bench document tells of.

    Raises:
        LookupError, TypeError, ValueError, InputError: it tells of none, or of a model that is gone.
    """
    table = {
        name: value
        for name, value in document["workload"].items()
        if name in Serve.__dataclass_fields__
    }
    table["goal"] = Goal(table["goal"])
    table["dtype"] = DType(table["dtype"]) if table["dtype"] else None
    stages = tuple(
        Stage(
            layer_start=stage["layers"][0],
            layer_stop=stage["layers"][1],
            devices=tuple(DeviceId(device) for device in stage["devices"]),
        )
        for stage in document["layout"]["stages"]
    )
    measured = document["measured"]
    run = Run(
        spec=find_model(document["model_folder"]).spec,
        workload=Serve(**table),
        layout=Layout(engine="vllm", replicas=(stages,)),
        first_token_s=measured["first_token_s"]["mean"],
        token_interval_s=measured["token_interval_s"]["mean"],
    )
    if not min(run.first_token_s, run.token_interval_s) > 0:
        raise ValueError("a time that is none")
    return replace(run, workload=replace(run.workload, request_rate_per_s=None))
