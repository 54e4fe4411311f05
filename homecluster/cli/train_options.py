"""The flags that say what is trained and how; shared by plan and up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from homecluster.cli.workload_options import dtype_from
from homecluster.domain.training import Method, Optimizer, Train
from homecluster.errors import InputError

Command = TypeVar("Command", bound=Callable[..., Any])

_AT_LEAST_ONE = click.IntRange(min=1, max=1_000_000)
_LONGEST_SEQUENCE, _LARGEST_BATCH = 1_000_000, 1 << 20

_TRAIN = (
    click.option("--train", is_flag=True, help="Train the model instead of serving it."),
    click.option("--method", type=click.Choice([m.value for m in Method]), default="full", show_default=True, help="With --train: all weights, or adapters beside 16-bit or 4-bit weights."),
    click.option("--optimizer", type=click.Choice([o.value for o in Optimizer]), default="adam", show_default=True, help="With --train: the optimiser."),
    click.option("--sequence", type=click.IntRange(1, _LONGEST_SEQUENCE), default=1024, show_default=True, help="With --train: tokens per sample."),
    click.option("--batch", type=click.IntRange(1, _LARGEST_BATCH), default=16, show_default=True, help="With --train: samples per optimiser step, over all devices."),
    click.option("--zero-stage", type=click.IntRange(0, 3), help="With --train: only this stage of ZeRO where several devices train.  [default: the fastest that fits]"),
    click.option("--lora-rank", type=click.IntRange(1, 1024), default=16, show_default=True, help="With --train: rank of the adapters of lora and qlora."),
)  # fmt: skip
_SIZES = (
    click.option("--parameters", metavar="N", help="With --train, instead of a model: ZeRO's memory for so many, such as 7.5B."),
    click.option("--devices", type=_AT_LEAST_ONE, help="With --parameters: GPUs that share them."),
)  # fmt: skip


def train_options(command: Command) -> Command:
    """Add the training flags; `train_from` reads them."""
    return _added(command, _TRAIN)


def size_options(command: Command) -> Command:
    """Add `--parameters` and `--devices`."""
    return _added(command, _SIZES)


def train_from(flags: dict[str, Any]) -> Train:
    """The training that the flags ask for.

    Raises:
        InputError: a pin or a flag that only serving knows.
    """
    for name in ("tensor_parallel", "pipeline_parallel", "replicas", "partition"):
        if flags.get(name) is not None:
            raise InputError(
                f"--{name.replace('_', '-')} does not go with --train",
                hint="training shares the batch among devices (ZeRO); --nodes chooses the PCs.",
            )
    return Train(
        sequence_tokens=flags["sequence"],
        global_batch=flags["batch"],
        method=Method(flags["method"]),
        optimizer=Optimizer(flags["optimizer"]),
        dtype=dtype_from(flags),
        lora_rank=flags["lora_rank"],
        zero_stage=flags["zero_stage"],
        memory_utilization=flags["memory_utilization"],
    )


def _added(command: Command, options: tuple[Callable[[Command], Command], ...]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command
