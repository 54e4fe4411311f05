"""The use case `up --train`: train on the best device of this PC, and put what was measured beside the plan."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from homecluster.app.engine import refresh_own_code
from homecluster.app.model_files import Tell, provide_folder
from homecluster.app.training_packages import find_training
from homecluster.domain.hardware import Device, DeviceKind, DType, Node
from homecluster.domain.training import Method, TrainPlan, TrainPlanSet
from homecluster.engines.deepspeed import deepspeed_config
from homecluster.errors import HomeclusterError, InputError, LaunchError, MissingError
from homecluster.launch.engine_tool import Finished, run_tool
from homecluster.store.engine_store import Engine, find_engine
from homecluster.store.files import write_json
from homecluster.store.models import FoundModel
from homecluster.store.paths import Paths
from homecluster.store.train_document import train_plan_table

SCHEMA: Final = "homecluster.train/1"
JOB: Final = "homecluster.jobs.train_zero"
SEED: Final = 0
_LIMIT_S: Final = 30 * 24 * 3600.0
_SETTINGS: Final = "settings.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What `up --train` was asked for, beyond the plan."""

    found: FoundModel
    random_weights: bool
    data: Path
    output: Path
    resume: bool
    steps: int | None
    save_every: int


def choose(plans: TrainPlanSet) -> TrainPlan:
    """The best plan with one device, which is what can be launched today.

    Raises:
        InputError: the method is only planned, or no single device can; says why.
    """
    if plans.workload.method is Method.QLORA:
        raise InputError(
            "qlora is planned, not launched yet",
            hint="--method lora trains adapters beside 16-bit weights.",
        )
    alone = [plan for plan in plans.plans if len(plan.devices) == 1]
    if not alone:
        raise InputError(
            f"no single device of this PC can: {plans.verdict.reason}",
            hint="training over several devices is planned, not launched yet.",
        )
    return alone[0]


def settings_of(
    plans: TrainPlanSet, plan: TrainPlan, node: Node, asked: Training
) -> dict[str, Any]:
    """What the job reads: the plan's sizes, and DeepSpeed's configuration of them."""
    device = device_of(node, plan)
    ((_, micro_batch),) = plan.micro_batch
    return {
        "method": plans.workload.method,
        "sequence": plans.workload.sequence_tokens,
        "batch": plans.workload.global_batch,
        "micro_batch": micro_batch,
        "steps": asked.steps,
        "save_every": asked.save_every,
        "lora_rank": plans.workload.lora_rank,
        "seed": SEED,
        "deepspeed": deepspeed_config(
            kind=device.kind,
            dtype=plans.workload.dtype or DType.BF16,
            zero_stage=plan.zero_stage,
            offload=plan.offload,
            overlap=plan.overlap,
            micro_batch=micro_batch,
            gradient_accumulation=plan.gradient_accumulation,
        ),
    }


def argv_of(python: str, model: Path, asked: Training) -> tuple[str, ...]:
    return (
        *(python, "-m", JOB, "--model", str(model), "--data", str(asked.data)),
        *("--output", str(asked.output), "--settings", str(asked.output / _SETTINGS)),
        *(("--resume",) if asked.resume else ()),
    )


def train(
    paths: Paths, node: Node, plans: TrainPlanSet, asked: Training, tell: Tell
) -> dict[str, Any]:
    """Train to the end; the document has measured beside predicted.

    Raises:
        InputError: the data is wrong, or the output holds another training.
        MissingError: the engine, its training packages, weights or disk space are missing.
        LaunchError: it failed for another reason.
    """
    plan = choose(plans)
    engine = refresh_own_code(find_engine(paths.engines, device_of(node, plan).kind))
    packages = find_training(engine)
    if not asked.data.is_file():
        raise InputError(f"there is no data file {asked.data}")
    model = provide_folder(
        paths, asked.found, engine, random_weights=asked.random_weights, tell=tell
    )
    asked.output.mkdir(parents=True, exist_ok=True)
    write_json(asked.output / _SETTINGS, settings_of(plans, plan, node, asked))
    ended = run_tool(
        argv_of(str(engine.python), model, asked),
        os.environ,
        variables=_variables(engine, packages, device_of(node, plan)),
        limit_s=_LIMIT_S,
        tell=tell,
    )
    measured = _document(ended)
    document = {
        "schema": SCHEMA,
        "plan": train_plan_table(plan),
        "predicted": {"samples_per_s": train_plan_table(plan)["estimate"]["samples_per_s"]},
        "measured": measured,
    }
    write_json(asked.output / "training.json", document)
    return document


def device_of(node: Node, plan: TrainPlan) -> Device:
    return next(device for device in node.devices if device.id == plan.devices[0])


def _variables(engine: Engine, packages: Path, device: Device) -> tuple[tuple[str, str], ...]:
    """DeepSpeed looks for `ninja` on PATH; the packages lie beside the engine, not in it."""
    variables = {
        "PATH": f"{engine.python.parent}:{os.environ.get('PATH', '')}",
        "PYTHONPATH": str(packages),
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    if device.kind is DeviceKind.CPU:
        variables |= {"DS_ACCELERATOR": "cpu", "GLOO_SOCKET_IFNAME": "lo"}
    else:
        variables["CUDA_VISIBLE_DEVICES"] = device.id.rpartition(":")[2]
    return tuple(variables.items())


def _document(ended: Finished) -> dict[str, Any]:
    if ended.code == 0:
        document = json.loads(ended.output.strip().splitlines()[-1])
        assert isinstance(document, dict)
        return document
    kinds: dict[int, type[HomeclusterError]] = {2: InputError, 3: MissingError}
    said = [line.strip() for line in ended.said if line.strip()]
    errors = [line.removeprefix("error: ") for line in said if line.startswith("error: ")]
    hints = [line.removeprefix("hint: ") for line in said if line.startswith("hint: ")]
    message = errors[-1] if errors else f"training failed: {said[-1] if said else 'no word why'}"
    hint = hints[-1] if hints else _advice(said)
    raise kinds.get(ended.code, LaunchError)(message, hint=hint)


def _advice(said: list[str]) -> str | None:
    if any("out of memory" in line.lower() or "can't allocate memory" in line.lower() for line in said):  # fmt: skip
        return "use a shorter --sequence, --method lora, or a smaller --memory-utilization, which plans smaller micro-batches."
    return None
