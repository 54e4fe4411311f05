"""How fast one device streams weights and multiplies matrices, measured with the kernels that vLLM runs.

Runs inside the engine environment, in a process that is bound to cores as a vLLM worker is.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

Say = Callable[[str], None]

_TORCH_NAMES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
_CPU_WIDTH, _CUDA_WIDTH = 2048, 8192
"""Rows and columns of a weight matrix: as in 1B to 70B models, so that call overhead does not count."""
_CPU_WEIGHT_BYTES, _CUDA_WEIGHT_BYTES = 512 * 1024**2, 2 * 1024**3
"""Weights to stream before the first comes round again: far beyond any cache."""
_CACHE_MULTIPLE = 4
_PREFILL_TOKENS = {"cpu": 512, "cuda": 4096}
_BUDGET_S = {"cpu": 0.5, "cuda": 0.2}
_ROUNDS = 3
"""Moments apart, so that a passing disturbance does not meet all of them."""
_LAUNCHES = 2000
_VOCABULARY = 65_536
"""Between GPT-2's and Llama 3's."""


def measure_cpu(
    dtypes: tuple[str, ...], cache_bytes: int, free_bytes: int, say: Say
) -> dict[str, Any]:
    """Rates of the CPU by number format, through the linear layer that vLLM chooses for this CPU.

    Plain torch is no substitute: its bf16 product streams weights at half the rate of vLLM's kernel.
    """
    import torch
    from vllm.model_executor.layers.utils import dispatch_cpu_unquantized_gemm

    def linear(dtype: Any) -> Callable[[Any], Any]:
        layer = torch.nn.Linear(_CPU_WIDTH, _CPU_WIDTH, bias=False, dtype=dtype)
        layer.requires_grad_(requires_grad=False)
        dispatch_cpu_unquantized_gemm(layer, remove_weight=True)
        return lambda x: layer.cpu_linear(x, layer.weight, None)

    total_bytes = max(_CPU_WEIGHT_BYTES, _CACHE_MULTIPLE * cache_bytes)
    return {
        "threads": torch.get_num_threads(),
        "sampling_s_per_logit": _sampling_s_per_logit(),
        **_rates(
            "cpu",
            _CPU_WIDTH,
            min(total_bytes, free_bytes // 4),
            dtypes=dtypes,
            linear=linear,
            say=say,
        ),
    }


def _sampling_s_per_logit() -> float:
    """Drawing one token at temperature 1, as vLLM's sampler does, per entry of the vocabulary."""
    import torch
    from vllm.v1.sample.ops.topk_topp_sampler import random_sample

    with torch.inference_mode():
        logits = torch.randn(1, _VOCABULARY)
        times: list[float] = []
        end = time.perf_counter() + _BUDGET_S["cpu"] / 2
        while len(times) < _ROUNDS or time.perf_counter() < end:
            start = time.perf_counter()
            random_sample(logits.softmax(dim=-1, dtype=torch.float32), {})
            times.append(time.perf_counter() - start)
    return _lower_quartile(times) / _VOCABULARY


def measure_cuda(dtypes: tuple[str, ...], say: Say) -> dict[str, Any]:
    """Rates of the first visible GPU by number format, and what one kernel launch costs the host."""
    import torch

    free_bytes, _ = torch.cuda.mem_get_info()

    def linear(dtype: Any) -> Callable[[Any], Any]:
        weight = torch.randn(_CUDA_WIDTH, _CUDA_WIDTH, device="cuda", dtype=dtype)
        return lambda x: torch.nn.functional.linear(x, weight)

    rates = _rates(
        "cuda",
        _CUDA_WIDTH,
        min(_CUDA_WEIGHT_BYTES, free_bytes // 4),
        dtypes=dtypes,
        linear=linear,
        say=say,
    )
    return {"kernel_launch_s": _kernel_launch_s(), **rates}


def _rates(
    kind: str,
    width: int,
    total_bytes: int,
    *,
    dtypes: tuple[str, ...],
    linear: Callable[[Any], Callable[[Any], Any]],
    say: Say,
) -> dict[str, Any]:
    import torch

    bandwidth, flops = {}, {}
    for name in dtypes:
        say(f"{name}: memory bandwidth and matrix products")
        dtype = getattr(torch, _TORCH_NAMES[name])
        matrix_bytes = width * width * dtype.itemsize
        layers = [linear(dtype) for _ in range(max(2, total_bytes // matrix_bytes))]
        with torch.inference_mode():
            one = torch.randn(1, width, device=kind).to(dtype)
            many = torch.randn(_PREFILL_TOKENS[kind], width, device=kind).to(dtype)
            single_s, batch_s = _call_times(kind, layers, one, many)
        bandwidth[name] = matrix_bytes / single_s
        flops[name] = 2 * _PREFILL_TOKENS[kind] * width * width / batch_s
        del layers
    return {"memory_bandwidth_bytes_per_s": bandwidth, "peak_flop_per_s": flops}


def _call_times(
    kind: str, layers: list[Callable[[Any], Any]], one: Any, many: Any
) -> tuple[float, float]:
    """Seconds of a call on `one` and on `many`, the layers taking turns.

    The lower quartile: other programs only ever add time.
    """
    times = _cpu_times if kind == "cpu" else _cuda_times
    for layer in layers[:2]:
        layer(one)
        layer(many)
    turns = cycle(layers)
    single: list[float] = []
    batch: list[float] = []
    for _ in range(_ROUNDS):
        single += times(turns, one, len(layers))
        batch += times(turns, many, len(layers))
    return _lower_quartile(single), _lower_quartile(batch)


def _lower_quartile(samples: list[float]) -> float:
    return sorted(samples)[len(samples) // 4]


def _cpu_times(turns: Iterator[Callable[[Any], Any]], x: Any, calls: int) -> list[float]:
    del calls  # each call is timed by itself
    times: list[float] = []
    end = time.perf_counter() + _BUDGET_S["cpu"]
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        next(turns)(x)
        times.append(time.perf_counter() - start)
    return times


def _cuda_times(turns: Iterator[Callable[[Any], Any]], x: Any, calls: int) -> list[float]:
    """Seconds per call of bursts of `calls`: launched back to back, timed on the GPU."""
    import torch

    times: list[float] = []
    end = time.perf_counter() + _BUDGET_S["cuda"]
    while not times or time.perf_counter() < end:
        start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(calls):
            next(turns)(x)
        stop.record()
        stop.synchronize()
        times.append(start.elapsed_time(stop) / 1000 / calls)
    return times


def _kernel_launch_s() -> float:
    """Host time of one small operation, launched again and again without waiting."""
    import torch

    x = torch.zeros(1, device="cuda")
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(_LAUNCHES):
        x.add_(1)
    launched_s = time.perf_counter() - start
    torch.cuda.synchronize()
    return launched_s / _LAUNCHES


def main(arguments: list[str]) -> int:
    """Print the rates as one JSON line, the last of stdout."""
    parser = argparse.ArgumentParser(prog="device_kernels")
    parser.add_argument("--kind", choices=("cpu", "cuda"), required=True)
    parser.add_argument("--dtype", action="append", choices=tuple(_TORCH_NAMES), required=True)
    parser.add_argument("--cache-bytes", type=int, default=0)
    parser.add_argument("--free-bytes", type=int, required=True)
    options = parser.parse_args(arguments)
    dtypes = tuple(options.dtype)

    def say(text: str) -> None:
        sys.stderr.write(f"progress: {text}\n")
        sys.stderr.flush()

    if options.kind == "cpu":
        rates = measure_cpu(dtypes, options.cache_bytes, options.free_bytes, say)
    else:
        rates = measure_cuda(dtypes, say)
    sys.stdout.write("\n" + json.dumps(rates) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
