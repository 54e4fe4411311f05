"""`up --train` up to the start: what it chooses, what each PC is told, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from homecluster.app import train as use_case
from homecluster.app.plan_training import make_train_plans
from homecluster.app.train_command import Folders, train_argv
from homecluster.app.train_order import TrainOrder, settings_of
from homecluster.app.train_ready import Run, mates_of, order_of
from homecluster.app.training_packages import (
    engine_that_trains,
    find_training,
    training_folder,
    training_lock,
)
from homecluster.domain.hardware import DeviceKind
from homecluster.domain.ids import NodeId
from homecluster.domain.training import Method, Train
from homecluster.domain.units import GIB
from homecluster.errors import HomeclusterError, InputError, MissingError
from homecluster.store import engine_store
from homecluster.store.engine_store import Engine, Manifest
from homecluster.store.models import find_model
from tests.builders import cluster, device, model, node

A, B = NodeId("a"), NodeId("b")
PC = node("a", device("a", kind=DeviceKind.CPU))


def run() -> Run:
    found = find_model("gpt2")
    return Run(found=found, random_weights=True, steps=7, save_every=3, held_out=0.1)


def order_for(workload: Train, *pcs: str) -> TrainOrder:
    """As share 0 of a training on these PCs, one CPU each."""
    home = cluster(*(node(pc, device(pc, kind=DeviceKind.CPU)) for pc in pcs))
    plans = make_train_plans(home, model("gpt2"), workload)
    plan = use_case.choose(plans, A, tuple(map(NodeId, pcs)))
    return order_of(home, plans, plan, {NodeId(pc): "127.0.0.1" for pc in pcs}, run())


def engine(tmp_path: Path) -> Engine:
    manifest = Manifest(
        kind=DeviceKind.CPU, vllm="0", torch="0", ray="0", python="3.11", lock_sha256="0",
        own_code_sha256="0", installed_at="", disk_bytes=0,
    )  # fmt: skip
    return Engine(path=tmp_path / "engines" / "vllm-0", manifest=manifest)


def test_every_rank_reads_the_plans_sizes() -> None:
    order = order_for(Train(global_batch=8, zero_stage=2), "a", "b")
    settings = settings_of(order)
    assert sum(settings["micro_batches"]) * settings["accumulation"] == 8
    assert (settings["steps"], settings["save_every"], settings["held_out"]) == (7, 3, 0.1)
    assert settings["deepspeed"]["zero_optimization"]["stage"] == 2
    assert settings["deepspeed"]["gradient_accumulation_steps"] == settings["accumulation"]


def test_the_others_are_told_the_same_but_for_their_share() -> None:
    order = order_for(Train(global_batch=8), "a", "b")
    (mate,) = mates_of(order, (A, B))
    assert mate.node == B
    assert (mate.order.share, mate.order.first_rank, mate.order.ranks) == (1, 1, 2)
    assert settings_of(mate.order)["micro_batches"] == settings_of(order)["micro_batches"]


def test_one_rank_needs_no_launcher_and_several_on_a_pc_do() -> None:
    one = order_for(Train(global_batch=8), "a")
    where = Folders(model=Path("m"), data=Path("d"), output=Path("o"), settings=Path("s"))
    argv = train_argv("python", one, where, resume=True)
    assert argv[:3] == ("python", "-m", "homecluster.jobs.train_zero")
    assert argv[-1] == "--resume"

    two = replace(one, devices=((0, 1),), micro_batches=(4, 4))
    argv = train_argv("python", two, where, resume=False)
    assert argv[:3] == ("python", "-m", "torch.distributed.run")
    assert argv[argv.index("--nproc-per-node") + 1] == "2"
    assert argv[-1] != "--resume"


def test_named_pcs_train_together_even_where_one_would_be_faster() -> None:
    home = cluster(PC, node("b", device("b", kind=DeviceKind.CPU)))
    plans = make_train_plans(home, model("gpt2"), Train())
    assert set(use_case.choose(plans, A, (A, B)).nodes) == {A, B}
    assert A in use_case.choose(plans, A).nodes


def test_this_pc_keeps_the_result_so_it_takes_part() -> None:
    home = cluster(PC, node("b", device("b", kind=DeviceKind.CPU)))
    plans = make_train_plans(home, model("gpt2"), Train(), ("b",))
    with pytest.raises(InputError, match="is none of b"):
        use_case.choose(plans, A, (B,))


def test_what_no_device_holds_is_refused_before_anything_starts() -> None:
    small = node(
        "a", device("a", memory_total_bytes=2 * GIB, memory_free_bytes=2 * GIB), ram_bytes=GIB
    )
    plans = make_train_plans(cluster(small), model("llama-3-8b"), Train())
    with pytest.raises(HomeclusterError, match="short") as caught:
        use_case.choose(plans, A)
    assert caught.value.exit_code == 1


def test_what_is_only_planned_is_said() -> None:
    plans = make_train_plans(cluster(node("a")), model("gpt2"), Train(method=Method.QLORA))
    with pytest.raises(InputError, match="not launched yet"):
        use_case.choose(plans, A)


def test_whatever_is_missing_one_command_brings_engine_and_packages(tmp_path: Path) -> None:
    for missing in (lambda: find_training(engine(tmp_path)), lambda: engine_that_trains(tmp_path, DeviceKind.CPU)):  # fmt: skip
        with pytest.raises(MissingError) as caught:
            missing()
        assert caught.value.hint == "homecluster engine install --cpu --training"


def test_training_packages_go_with_their_engine(tmp_path: Path) -> None:
    folder = training_folder(engine(tmp_path))
    folder.mkdir(parents=True)
    assert engine_store.beside(engine(tmp_path).path) == (folder,)
    assert find_training(engine(tmp_path)) == folder


def test_the_lock_pins_deepspeed() -> None:
    assert training_lock().version("deepspeed") == "0.19.8"
