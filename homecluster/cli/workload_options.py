"""The flags that say what is asked of the model and what is pinned; shared by plan, up, bench and diagnose."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import click

from homecluster.domain.hardware import DType
from homecluster.domain.small_collectives import SmallCollectives
from homecluster.domain.workload import Goal, Serve
from homecluster.errors import InputError
from homecluster.planner.problem import Pins

Command = TypeVar("Command", bound=Callable[..., Any])

_DTYPES = {
    "half": DType.FP16,
    "float16": DType.FP16,
    "bfloat16": DType.BF16,
    "float32": DType.FP32,
} | {dtype.value: dtype for dtype in (DType.FP32, DType.FP16, DType.BF16)}


class _Number(click.FloatRange):
    """A range that also refuses NaN, which no comparison does."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail("not a number", param, ctx)
        return number


_AT_LEAST_ONE = click.IntRange(min=1, max=1_000_000)

_WORKLOAD = (
    click.option("--prompt-tokens", type=_AT_LEAST_ONE, default=512, show_default=True, help="Tokens in each prompt."),
    click.option("--output-tokens", type=_AT_LEAST_ONE, default=128, show_default=True, help="Tokens in each answer."),
    click.option("--concurrency", type=_AT_LEAST_ONE, help="Requests in flight at all times (closed loop).  [default: 1]"),
    click.option("--request-rate", type=_Number(min=1e-6, max=1e6), help="Requests arriving per second (open loop), instead of --concurrency."),
    click.option("--goal", type=click.Choice([g.value for g in Goal]), help="What to rank by.  [default: throughput; latency at concurrency 1]"),
    click.option("--dtype", type=click.Choice(["auto", *sorted(_DTYPES)]), default="auto", show_default=True, help="Number format to compute in."),
    click.option("--max-model-len", type=_AT_LEAST_ONE, help="Longest prompt and answer together.  [default: their sum]"),
    click.option("--memory-utilization", type=_Number(min=0.05, max=1.0), default=0.90, show_default=True, help="Share of each device's memory the engine may take."),
)  # fmt: skip
_PINS = (
    click.option("--tensor-parallel", type=_AT_LEAST_ONE, help="Pin the tensor parallel size."),
    click.option(
        "--pipeline-parallel", type=_AT_LEAST_ONE, help="Pin the number of pipeline stages."
    ),
    click.option("--replicas", type=_AT_LEAST_ONE, help="Pin the number of whole copies."),
    click.option(
        "--partition", metavar="A,B,…", help="Pin the layers per pipeline stage, such as 8,4."
    ),
    click.option("--nodes", metavar="A,B,…", help="Use only these PCs."),
    click.option(
        "--small-collectives",
        type=click.Choice(["auto", *(way.value for way in SmallCollectives)]),
        default="auto",
        show_default=True,
        help="Who carries small tensors between the PCs of one copy: the engine, or homecluster's exchange (CPU).",
    ),
)


def workload_options(command: Command) -> Command:
    """Add the workload flags; `serve_from` reads them."""
    for option in reversed(_WORKLOAD):
        command = option(command)
    return command


def pin_options(command: Command) -> Command:
    """Add the pins; `pins_from` and `node_names` read them."""
    for option in reversed(_PINS):
        command = option(command)
    return command


def serve_from(flags: dict[str, Any]) -> Serve:
    """The workload that the flags ask for.

    Raises:
        InputError: flags that contradict each other.
    """
    if flags["concurrency"] and flags["request_rate"]:
        raise InputError(
            "--concurrency and --request-rate exclude each other",
            hint="a closed loop keeps so many requests in flight, an open one lets them arrive by the clock.",
        )
    length, prompt, output = flags["max_model_len"], flags["prompt_tokens"], flags["output_tokens"]
    if length is not None and length < prompt + output:
        raise InputError(
            f"--max-model-len {length} is less than {prompt} prompt and {output} output tokens"
        )
    concurrency = flags["concurrency"] or 1
    default_goal = (
        Goal.LATENCY if concurrency == 1 and not flags["request_rate"] else Goal.THROUGHPUT
    )
    return Serve(
        prompt_tokens=prompt,
        output_tokens=output,
        concurrent_requests=concurrency,
        request_rate_per_s=flags["request_rate"],
        goal=Goal(flags["goal"]) if flags["goal"] else default_goal,
        dtype=dtype_from(flags),
        max_model_len=length,
        memory_utilization=flags["memory_utilization"],
    )


def dtype_from(flags: dict[str, Any]) -> DType | None:
    """The format of `--dtype`; None for `auto`."""
    return _DTYPES.get(flags["dtype"])


def pins_from(flags: dict[str, Any]) -> Pins:
    """The pins that the flags set.

    Raises:
        InputError: a partition that is not a list of whole numbers.
    """
    return Pins(
        tensor_parallel=flags["tensor_parallel"],
        pipeline_parallel=flags["pipeline_parallel"],
        replicas=flags["replicas"],
        partition=_partition(flags["partition"]),
        small_collectives=_small_collectives(flags["small_collectives"]),
    )


def _small_collectives(text: str) -> SmallCollectives | None:
    return None if text == "auto" else SmallCollectives(text)


def node_names(flags: dict[str, Any]) -> tuple[str, ...]:
    """The PCs of `--nodes`, none when all may be used.

    Raises:
        InputError: the flag is given and names none.
    """
    if flags["nodes"] is None:
        return ()
    names = tuple(name.strip() for name in flags["nodes"].split(",") if name.strip())
    if not names:
        raise InputError("--nodes names no PC", hint="write --nodes desk,laptop")
    return names


def _partition(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        counts = tuple(int(part) for part in text.split(","))
    except ValueError:
        counts = ()
    if not counts or min(counts) < 1:
        raise InputError(
            f"--partition {text[:80]!r} is not a list of layers per stage, such as 8,4"
        )
    return counts
