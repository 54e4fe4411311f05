"""DeepSpeed's configuration says what the planner counted."""

from __future__ import annotations

from typing import Any

import pytest

from homecluster.domain.hardware import DeviceKind, DType
from homecluster.domain.training import Offload
from homecluster.engines.deepspeed import BUCKET_ELEMENTS, deepspeed_config


def config(**changes: Any) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "kind": DeviceKind.CUDA,
        "dtype": DType.BF16,
        "zero_stage": 2,
        "offload": Offload.NONE,
        "overlap": True,
        "micro_batch": 3,
        "gradient_accumulation": 4,
    }
    return deepspeed_config(**(asked | changes))


def test_buckets_are_those_that_the_planner_prices() -> None:
    zero = config()["zero_optimization"]
    assert zero["reduce_bucket_size"] == zero["allgather_bucket_size"] == BUCKET_ELEMENTS
    assert BUCKET_ELEMENTS * 2 == 100_000_000


def test_sizes_and_stage_are_the_plans() -> None:
    made = config()
    assert made["zero_optimization"]["stage"] == 2
    assert made["zero_optimization"]["overlap_comm"] is True
    assert (made["train_micro_batch_size_per_gpu"], made["gradient_accumulation_steps"]) == (3, 4)


@pytest.mark.parametrize(
    ("offload", "keys"),
    [
        (Offload.NONE, set()),
        (Offload.OPTIMIZER, {"offload_optimizer"}),
        (Offload.PARAMETERS, {"offload_optimizer", "offload_param"}),
    ],
)
def test_what_is_offloaded_is_named(offload: Offload, keys: set[str]) -> None:
    zero = config(offload=offload, zero_stage=3)["zero_optimization"]
    assert {key for key in zero if key.startswith("offload")} == keys


def test_a_cpu_never_trains_in_fp16() -> None:
    made = config(kind=DeviceKind.CPU, dtype=DType.FP16)
    assert not made["fp16"]["enabled"]


def test_no_compiler_is_needed() -> None:
    made = config()
    assert made["optimizer"]["params"]["torch_adam"] is True
    assert made["zero_force_ds_cpu_optimizer"] is False
