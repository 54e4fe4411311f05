"""What another PC may tell this one to train: typed, bounded, and nothing beyond."""

import json
from typing import Any

import pytest

from homecluster.app.train_order import TrainOrder, order_table, read_order
from homecluster.domain.hardware import DeviceKind, DType
from homecluster.domain.training import Method, Offload
from homecluster.errors import InputError

ORDER = TrainOrder(
    job="train-0123abcd", share=1, kind=DeviceKind.CUDA, devices=((0,), (0, 1)),
    addresses=("192.168.1.2", "192.168.1.3"), meeting_port=21000, model="toy", shape="0" * 32,
    random_weights=False, method=Method.LORA, lora_rank=8, dtype=DType.BF16, zero_stage=2,
    offload=Offload.NONE, overlap=True, sequence=64, micro_batches=(3, 1, 1), accumulation=2,
    steps=None, save_every=50, held_out_permille=100, seed=0,
)  # fmt: skip


def test_an_order_comes_back_from_its_table() -> None:
    assert read_order(json.loads(json.dumps(order_table(ORDER)))) == ORDER
    assert (ORDER.share_id, ORDER.first_rank, ORDER.ranks) == ("train-0123abcd.1", 1, 3)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", "/etc"), ("model", "../up"), ("job", "../x"), ("share", 2), ("share", True),
        ("devices", [[0]]), ("devices", [[0], ["cpu; rm"]]), ("devices", [[0], []]),
        ("addresses", ["192.168.1.2"]), ("addresses", ["192.168.1.2", "evil.example"]),
        ("meeting_port", 22), ("zero_stage", 4), ("micro_batches", [3, 1]), ("micro_batches", [0, 1, 1]),
        ("dtype", "complex"), ("method", "magic"), ("offload", "disk"), ("random_weights", 1),
        ("sequence", 1.5), ("steps", 0), ("held_out_permille", 1000), ("shape", "x"), ("argv", ["sh"]),
    ],
)  # fmt: skip
def test_what_no_pc_may_be_told_is_refused(field: str, value: Any) -> None:
    with pytest.raises(InputError):
        read_order(order_table(ORDER) | {field: value})


@pytest.mark.parametrize("field", [name for name in order_table(ORDER) if name != "steps"])
def test_nothing_may_be_missing(field: str) -> None:
    table = order_table(ORDER)
    del table[field]
    with pytest.raises(InputError):
        read_order(table)
