"""What the PCs of one training are told: the same for all but the share; numbers and names, never a path."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from typing import Any, Final, TypeVar

from homecluster.app.copy_order import number, text
from homecluster.domain.hardware import DeviceKind, DType
from homecluster.domain.training import Method, Offload
from homecluster.engines.deepspeed import deepspeed_config
from homecluster.engines.vllm_gang_document import JOB, MODEL
from homecluster.errors import InputError

_Choice = TypeVar("_Choice", DeviceKind, DType, Method, Offload)
SHAPE: Final = re.compile(r"[0-9a-f]{32}")
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
    if not isinstance(table, Mapping):
        raise InputError("order is missing")
    unknown = set(table) - set(TrainOrder.__dataclass_fields__)
    if unknown:
        raise InputError(f"unknown field {min(map(str, unknown))[:80]!r}")
    addresses = tuple(_address(one) for one in _list(table, "addresses", _MOST_PCS))
    order = TrainOrder(
        job=text(table, "job", JOB),
        share=number(table, "share", 0, len(addresses) - 1),
        kind=_one_of(table, "kind", DeviceKind),
        devices=tuple(_devices(one) for one in _list(table, "devices", _MOST_PCS)),
        addresses=addresses,
        meeting_port=number(table, "meeting_port", 1024, 65535),
        model=text(table, "model", MODEL),
        shape=text(table, "shape", SHAPE),
        random_weights=_boolean(table, "random_weights"),
        method=_one_of(table, "method", Method),
        lora_rank=number(table, "lora_rank", 1, 1024),
        dtype=_one_of(table, "dtype", DType),
        zero_stage=number(table, "zero_stage", 0, 3),
        offload=_one_of(table, "offload", Offload),
        overlap=_boolean(table, "overlap"),
        sequence=number(table, "sequence", 1, _MOST_TOKENS),
        micro_batches=_numbers(table, "micro_batches", 1, _MOST_SAMPLES),
        accumulation=number(table, "accumulation", 1, _MOST_SAMPLES),
        steps=None if table.get("steps") is None else number(table, "steps", 1, _MOST_STEPS),
        save_every=number(table, "save_every", 1, _MOST_STEPS),
        held_out_permille=number(table, "held_out_permille", 0, 900),
        seed=number(table, "seed", 0, 2**31),
    )
    if len(order.devices) != len(order.addresses) or len(order.micro_batches) != order.ranks:
        raise InputError("devices, addresses and micro_batches do not fit together")
    return order


def _list(table: Mapping[str, Any], name: str, most: int) -> Sequence[object]:
    value = table.get(name)
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= most:
        raise InputError(f"{name} is not a list of 1 to {most}")
    return value


def _numbers(table: Mapping[str, Any], name: str, least: int, most: int) -> tuple[int, ...]:
    listed = _list(table, name, _MOST_PCS * _MOST_DEVICES)
    return tuple(number({name: one}, name, least, most) for one in listed)


def _devices(value: object) -> tuple[int, ...]:
    return _numbers({"devices": value}, "devices", 0, _MOST_DEVICES - 1)


def _address(value: object) -> str:
    try:
        return str(ip_address(value if isinstance(value, str) else ""))
    except ValueError as error:
        raise InputError("addresses holds no IP address") from error


def _boolean(table: Mapping[str, Any], name: str) -> bool:
    value = table.get(name)
    if not isinstance(value, bool):
        raise InputError(f"{name} is not true or false")
    return value


def _one_of(table: Mapping[str, Any], name: str, kind: type[_Choice]) -> _Choice:
    value = table.get(name)
    if value not in [one.value for one in kind]:
        raise InputError(f"{name} is not one of {', '.join(one.value for one in kind)}")
    return kind(value)
