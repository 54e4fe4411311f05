"""What a PC is told when it shall run one whole copy of a model, and every check of what arrives."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from homecluster.domain.hardware import DeviceKind, DType
from homecluster.domain.workload import Goal, Serve
from homecluster.engines.vllm_gang_document import JOB, MODEL, SERVED, SHAPE
from homecluster.errors import InputError
from homecluster.planner.candidates import Pins

SHARE: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,70}\.\d{1,2}")
_DEVICE: Final = re.compile(r"(cpu|cuda):\d{1,2}")
_MOST_DEVICES = 16
_MOST_LAYERS = 1024
_MOST_TOKENS = 16_000_000
_MOST_REQUESTS = 1_000_000
_WEEK_S = 7 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyOrder:
    """One copy inside one PC; that PC plans its memory and its command itself, with what it knows of itself."""

    job: str
    """Of the coordinator."""
    number: int
    """Of this copy, and of its next attempts; with the job it names the share."""
    model: str
    """A catalogue name, a hub id, or a folder of HOME/models; never a path."""
    shape: str
    """Digest of the model's configuration: a name may mean another model on another PC."""
    random_weights: bool
    served_model: str
    devices: tuple[str, ...]
    """`cuda:0`, `cuda:1`: the PC's own names behind its own."""
    tensor_parallel: int
    partition: tuple[int, ...]
    prompt_tokens: int
    output_tokens: int
    concurrent_requests: int
    """This copy's part of them."""
    dtype: str | None
    max_model_len: int | None
    memory_permille: int
    """Share of each device's memory that the engine may take."""
    start_limit_s: int

    @property
    def share_id(self) -> str:
        return f"{self.job}.{self.number}"

    @property
    def kind(self) -> DeviceKind:
        return DeviceKind(self.devices[0].partition(":")[0])

    @property
    def pins(self) -> Pins:
        return Pins(
            tensor_parallel=self.tensor_parallel,
            pipeline_parallel=len(self.partition),
            replicas=1,
            partition=self.partition,
        )

    @property
    def workload(self) -> Serve:
        return Serve(
            prompt_tokens=self.prompt_tokens,
            output_tokens=self.output_tokens,
            concurrent_requests=self.concurrent_requests,
            goal=Goal.THROUGHPUT,
            dtype=DType(self.dtype) if self.dtype else None,
            max_model_len=self.max_model_len,
            memory_utilization=self.memory_permille / 1000,
        )


def order_table(order: CopyOrder) -> dict[str, Any]:
    """Plain JSON values without fractions, which the channel between PCs does not carry."""
    return asdict(order) | {"devices": list(order.devices), "partition": list(order.partition)}


def read_order(table: object) -> CopyOrder:
    """The order that a table tells.

    Raises:
        InputError: a field is missing, unknown, or not what this PC may obey; names it.
    """
    if not isinstance(table, Mapping):
        raise InputError("order is missing")
    unknown = set(table) - set(CopyOrder.__dataclass_fields__)
    if unknown:
        raise InputError(f"unknown field {min(map(str, unknown))[:80]!r}")
    dtype = table.get("dtype")
    if dtype is not None and dtype not in [one.value for one in DType]:
        raise InputError("dtype is not allowed")
    length = table.get("max_model_len")
    order = CopyOrder(
        job=text(table, "job", JOB),
        number=number(table, "number", 0, 99),
        model=text(table, "model", MODEL),
        shape=text(table, "shape", SHAPE),
        random_weights=_boolean(table, "random_weights"),
        served_model=text(table, "served_model", SERVED),
        devices=tuple(_each(table, "devices", _device)),
        tensor_parallel=number(table, "tensor_parallel", 1, _MOST_DEVICES),
        partition=tuple(_each(table, "partition", _layers)),
        prompt_tokens=number(table, "prompt_tokens", 1, _MOST_TOKENS),
        output_tokens=number(table, "output_tokens", 1, _MOST_TOKENS),
        concurrent_requests=number(table, "concurrent_requests", 1, _MOST_REQUESTS),
        dtype=dtype,
        max_model_len=None if length is None else number(table, "max_model_len", 1, _MOST_TOKENS),
        memory_permille=number(table, "memory_permille", 50, 1000),
        start_limit_s=number(table, "start_limit_s", 1, _WEEK_S),
    )
    if len(order.devices) != order.tensor_parallel * len(order.partition):
        raise InputError("devices are not as many as the copy's ranks")
    if len({one.partition(":")[0] for one in order.devices}) > 1:
        raise InputError("devices are not of one kind")
    return order


def text(table: Mapping[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    """A field that matches the whole pattern (InputError)."""
    value = table.get(name)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise InputError(f"{name} is missing or not allowed")
    return value


def number(table: Mapping[str, Any], name: str, least: int, most: int) -> int:
    """A whole number within bounds (InputError)."""
    return _whole(name, table.get(name), least, most)


def _whole(name: str, value: object, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InputError(f"{name} is not a whole number from {least} to {most}")
    return value


def _boolean(table: Mapping[str, Any], name: str) -> bool:
    value = table.get(name)
    if not isinstance(value, bool):
        raise InputError(f"{name} is not true or false")
    return value


def _each(table: Mapping[str, Any], name: str, read: Any) -> list[Any]:
    value = table.get(name)
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= _MOST_DEVICES:
        raise InputError(f"{name} is not a list of 1 to {_MOST_DEVICES}")
    return [read(one) for one in value]


def _device(value: object) -> str:
    if not isinstance(value, str) or not _DEVICE.fullmatch(value):
        raise InputError("devices holds what is no device of a PC")
    return value


def _layers(value: object) -> int:
    return _whole("partition", value, 1, _MOST_LAYERS)
