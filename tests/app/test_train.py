"""`up --train` up to the start: what it chooses, what it tells the job, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from homecluster.app import train as use_case
from homecluster.app.plan_training import make_train_plans
from homecluster.app.training_packages import find_training, training_folder, training_lock
from homecluster.domain.hardware import DeviceKind
from homecluster.domain.training import Method, Train
from homecluster.domain.units import GIB
from homecluster.errors import InputError, MissingError
from homecluster.store import engine_store
from homecluster.store.engine_store import Engine, Manifest
from homecluster.store.models import find_model
from tests.builders import cluster, device, model, node

PC = node("a", device("a", kind=DeviceKind.CPU))


def asked(tmp_path: Path) -> use_case.Training:
    return use_case.Training(
        found=find_model("gpt2"),
        random_weights=True,
        data=tmp_path / "rows.jsonl",
        output=tmp_path / "out",
        resume=True,
        steps=7,
        save_every=3,
    )


def engine(tmp_path: Path) -> Engine:
    manifest = Manifest(
        kind=DeviceKind.CPU, vllm="0", torch="0", ray="0", python="3.11", lock_sha256="0",
        own_code_sha256="0", installed_at="", disk_bytes=0,
    )  # fmt: skip
    return Engine(path=tmp_path / "engines" / "vllm-0", manifest=manifest)


def test_the_job_reads_the_plans_sizes(tmp_path: Path) -> None:
    plans = make_train_plans(cluster(PC), model("gpt2"), Train(global_batch=8))
    plan = use_case.choose(plans)
    settings = use_case.settings_of(plans, plan, PC, asked(tmp_path))
    assert settings["micro_batch"] * plan.gradient_accumulation == settings["batch"] == 8
    configured = settings["deepspeed"]
    assert configured["train_micro_batch_size_per_gpu"] == settings["micro_batch"]
    assert configured["gradient_accumulation_steps"] == plan.gradient_accumulation
    assert (settings["steps"], settings["save_every"]) == (7, 3)


def test_the_command_names_files_and_resumes(tmp_path: Path) -> None:
    argv = use_case.argv_of("python", Path("m"), asked(tmp_path))
    assert argv[:3] == ("python", "-m", "homecluster.jobs.train_zero")
    assert argv[-1] == "--resume"
    assert "--resume" not in use_case.argv_of("python", Path("m"), replace(asked(tmp_path), resume=False))  # fmt: skip


def test_one_device_is_chosen_even_where_two_are_faster() -> None:
    both = node("a", device("a"), device("a", 1))
    plans = make_train_plans(cluster(both), model("gpt2"), Train())
    assert len(use_case.choose(plans).devices) == 1


def test_what_no_device_holds_is_refused_before_anything_starts() -> None:
    small = node(
        "a", device("a", memory_total_bytes=2 * GIB, memory_free_bytes=2 * GIB), ram_bytes=GIB
    )
    plans = make_train_plans(cluster(small), model("llama-3-8b"), Train())
    with pytest.raises(InputError, match="short"):
        use_case.choose(plans)


def test_what_is_only_planned_is_said() -> None:
    plans = make_train_plans(cluster(node("a")), model("gpt2"), Train(method=Method.QLORA))
    with pytest.raises(InputError, match="not launched yet"):
        use_case.choose(plans)


def test_missing_training_packages_name_the_command(tmp_path: Path) -> None:
    with pytest.raises(MissingError) as caught:
        find_training(engine(tmp_path))
    assert caught.value.hint == "homecluster engine install --cpu --training"


def test_training_packages_go_with_their_engine(tmp_path: Path) -> None:
    folder = training_folder(engine(tmp_path))
    folder.mkdir(parents=True)
    assert engine_store.beside(engine(tmp_path).path) == (folder,)
    assert find_training(engine(tmp_path)) == folder


def test_the_lock_pins_deepspeed() -> None:
    assert training_lock().version("deepspeed") == "0.19.8"
