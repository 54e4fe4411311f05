"""What a PC is told when it shall run one whole copy of a model, and every check of what arrives."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Final

from homecluster.domain.hardware import DeviceKind, DType
from homecluster.domain.order_reader import OrderReader
from homecluster.domain.workload import Goal, Serve
from homecluster.engines.vllm_gang_document import JOB, MODEL, SERVED, SHAPE
from homecluster.errors import InputError
from homecluster.planner.problem import Pins

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
    read = OrderReader(table)
    order = CopyOrder(
        job=read.text("job", JOB),
        number=read.number("number", 0, 99),
        model=read.text("model", MODEL),
        shape=read.text("shape", SHAPE),
        random_weights=read.boolean("random_weights"),
        served_model=read.text("served_model", SERVED),
        devices=read.each("devices", _device, most=_MOST_DEVICES),
        tensor_parallel=read.number("tensor_parallel", 1, _MOST_DEVICES),
        partition=read.numbers("partition", 1, _MOST_LAYERS, count=_MOST_DEVICES),
        prompt_tokens=read.number("prompt_tokens", 1, _MOST_TOKENS),
        output_tokens=read.number("output_tokens", 1, _MOST_TOKENS),
        concurrent_requests=read.number("concurrent_requests", 1, _MOST_REQUESTS),
        dtype=read.optional_one_of("dtype", DType),
        max_model_len=read.optional_number("max_model_len", 1, _MOST_TOKENS),
        memory_permille=read.number("memory_permille", 50, 1000),
        start_limit_s=read.number("start_limit_s", 1, _WEEK_S),
    )
    read.finish()
    if len(order.devices) != order.tensor_parallel * len(order.partition):
        raise InputError("devices are not as many as the copy's ranks")
    if len({one.partition(":")[0] for one in order.devices}) > 1:
        raise InputError("devices are not of one kind")
    return order


def _device(value: object) -> str:
    if not isinstance(value, str) or not _DEVICE.fullmatch(value):
        raise InputError("devices holds what is no device of a PC")
    return value
