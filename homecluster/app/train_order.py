"""What the PCs of one training are told: the same for all but the share; numbers and names, never a path."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from homecluster.domain.hardware import DeviceKind, DType
from homecluster.domain.order_reader import OrderReader
from homecluster.domain.training import Method, Offload
from homecluster.engines.deepspeed import deepspeed_config
from homecluster.engines.vllm_gang_document import JOB, MODEL, SHAPE
from homecluster.errors import InputError

_MOST_PCS = 8
_MOST_DEVICES = 16
_MOST_SAMPLES = 1 << 20
_MOST_TOKENS = 1_000_000
_MOST_STEPS = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOrder:
    """One PC's part of one training; every field is checked again by the PC that obeys."""

    job: str
    share: int
    """0 is the PC where `up` was typed: it keeps checkpoints and the result."""
    kind: DeviceKind
    devices: tuple[tuple[int, ...], ...]
    """Indices of each PC's own devices, by share; one rank each."""
    addresses: tuple[str, ...]
    meeting_port: int
    """On share 0's PC."""
    model: str
    """A catalogue name, a hub id, or a folder's own name."""
    shape: str
    """Digest of the model's configuration."""
    random_weights: bool
    method: Method
    lora_rank: int
    dtype: DType
    zero_stage: int
    offload: Offload
    overlap: bool
    sequence: int
    micro_batches: tuple[int, ...]
    """Samples per micro-step, by rank."""
    accumulation: int
    steps: int | None
    save_every: int
    held_out_permille: int
    seed: int

    @property
    def share_id(self) -> str:
        return f"{self.job}.{self.share}"

    @property
    def own_devices(self) -> tuple[int, ...]:
        return self.devices[self.share]

    @property
    def first_rank(self) -> int:
        return sum(map(len, self.devices[: self.share]))

    @property
    def ranks(self) -> int:
        return sum(map(len, self.devices))


def settings_of(order: TrainOrder) -> dict[str, Any]:
    """What every rank's job reads: the plan's sizes, and DeepSpeed's configuration of them."""
    return {
        "method": order.method,
        "sequence": order.sequence,
        "micro_batches": list(order.micro_batches),
        "accumulation": order.accumulation,
        "steps": order.steps,
        "save_every": order.save_every,
        "lora_rank": order.lora_rank,
        "seed": order.seed,
        "held_out": order.held_out_permille / 1000,
        "deepspeed": deepspeed_config(
            kind=order.kind,
            dtype=order.dtype,
            zero_stage=order.zero_stage,
            offload=order.offload,
            overlap=order.overlap,
            micro_batch=order.micro_batches[order.first_rank],
            gradient_accumulation=order.accumulation,
        ),
    }


def order_table(order: TrainOrder) -> dict[str, Any]:
    """Plain JSON values without fractions, which the channel between PCs does not carry."""
    lists = {"addresses": list(order.addresses), "micro_batches": list(order.micro_batches)}
    return asdict(order) | lists | {"devices": [list(one) for one in order.devices]}


def read_order(table: object) -> TrainOrder:
    """The order that a table tells.

    Raises:
        InputError: a field is missing, unknown, or not what this PC may obey; names it.
    """
    read = OrderReader(table)
    addresses = read.addresses("addresses", most=_MOST_PCS)
    order = TrainOrder(
        job=read.text("job", JOB),
        share=read.number("share", 0, len(addresses) - 1),
        kind=read.one_of("kind", DeviceKind),
        devices=read.each("devices", _devices, most=_MOST_PCS),
        addresses=addresses,
        meeting_port=read.number("meeting_port", 1024, 65535),
        model=read.text("model", MODEL),
        shape=read.text("shape", SHAPE),
        random_weights=read.boolean("random_weights"),
        method=read.one_of("method", Method),
        lora_rank=read.number("lora_rank", 1, 1024),
        dtype=read.one_of("dtype", DType),
        zero_stage=read.number("zero_stage", 0, 3),
        offload=read.one_of("offload", Offload),
        overlap=read.boolean("overlap"),
        sequence=read.number("sequence", 1, _MOST_TOKENS),
        micro_batches=read.numbers(
            "micro_batches", 1, _MOST_SAMPLES, count=_MOST_PCS * _MOST_DEVICES
        ),
        accumulation=read.number("accumulation", 1, _MOST_SAMPLES),
        steps=read.optional_number("steps", 1, _MOST_STEPS),
        save_every=read.number("save_every", 1, _MOST_STEPS),
        held_out_permille=read.number("held_out_permille", 0, 900),
        seed=read.number("seed", 0, 2**31),
    )
    read.finish()
    if len(order.devices) != len(order.addresses) or len(order.micro_batches) != order.ranks:
        raise InputError("devices, addresses and micro_batches do not fit together")
    return order


def _devices(value: object) -> tuple[int, ...]:
    read = OrderReader({"devices": value})
    return read.numbers("devices", 0, _MOST_DEVICES - 1, count=_MOST_DEVICES)
