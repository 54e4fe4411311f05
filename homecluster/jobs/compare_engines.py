"""The same prompts by Transformers and by vLLM: what vLLM brings, alone and with many requests at once.

    python -m homecluster.jobs.compare_engines --shape gpt2 --requests 1,8 --tokens 32

Runs inside the engine environment. Method: one model folder with random weights, greedy, every answer exactly so many
tokens, prompts of the same length; the engine's start and one warm-up are outside the clock. Each engine has a process
of its own. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from homecluster.jobs.trial_models import SHAPES, make_model

SCHEMA: Final = "homecluster.engines-compared/1"
ENGINES: Final = ("transformers", "vllm")
PROMPT_TOKENS: Final = 32
_LIMIT_S: Final = 1800.0
_CACHE_BYTES: Final = 256 * 1024**2

Ask = Callable[[list[list[int]], int], int]
"""(prompts, tokens of each answer) -> tokens that came."""


def by_transformers(model: Path) -> Ask:
    import torch
    from transformers import AutoModelForCausalLM

    loaded = AutoModelForCausalLM.from_pretrained(model, dtype=torch.bfloat16).eval()

    def ask(prompts: list[list[int]], tokens: int) -> int:
        inputs = torch.tensor(prompts)
        with torch.no_grad():
            out = loaded.generate(
                inputs, attention_mask=torch.ones_like(inputs), do_sample=False,
                min_new_tokens=tokens, max_new_tokens=tokens, pad_token_id=0,
            )  # fmt: skip
        return int(out[:, inputs.shape[1] :].numel())

    return ask


def by_vllm(model: Path) -> Ask:
    from vllm import LLM, SamplingParams

    engine = LLM(
        model=str(model), enforce_eager=True, max_model_len=512, seed=0, disable_log_stats=True,
        kv_cache_memory_bytes=_CACHE_BYTES, enable_prefix_caching=False,
    )  # fmt: skip

    def ask(prompts: list[list[int]], tokens: int) -> int:
        how = SamplingParams(temperature=0, max_tokens=tokens, ignore_eos=True)
        answers = engine.generate([{"prompt_token_ids": one} for one in prompts], how, use_tqdm=False)  # fmt: skip
        return sum(len(one.outputs[0].token_ids) for one in answers)

    return ask


def measure(engine: str, model: Path, requests: list[int], tokens: int) -> list[dict[str, Any]]:
    """One row per number of requests at once."""
    ask = {"transformers": by_transformers, "vllm": by_vllm}[engine](model)
    prompts = [
        [3 + (7 * row + place) % 200 for place in range(PROMPT_TOKENS)]
        for row in range(max(requests))
    ]
    ask(prompts[:1], 2)
    rows = []
    for count in requests:
        begin = time.perf_counter()
        came = ask(prompts[:count], tokens)
        rows.append({
            "engine": engine, "requests": count,
            "tokens_per_s": came / (time.perf_counter() - begin),
        })  # fmt: skip
    return rows


def _in_process(engine: str, model: Path, asked: argparse.Namespace) -> list[dict[str, Any]]:
    sys.stderr.write(f"{engine}\n")
    argv = [
        *(sys.executable, "-m", "homecluster.jobs.compare_engines", "--engine", engine),
        *("--model", str(model), "--requests", asked.requests, "--tokens", str(asked.tokens)),
    ]
    quiet = {"VLLM_NO_USAGE_STATS": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
    ran = subprocess.run(
        argv, env=os.environ | quiet, capture_output=True, text=True, timeout=_LIMIT_S, check=False
    )
    if ran.returncode != 0:
        raise RuntimeError(f"{engine} ended with {ran.returncode}: {ran.stderr[-1500:]}")
    said = [
        line for line in ran.stdout.splitlines() if line.startswith("[{")
    ]  # vLLM logs there too
    rows: list[dict[str, Any]] = json.loads(said[-1])
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="gpt2")
    parser.add_argument("--requests", default="1,8")
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--engine", choices=ENGINES, help="Measure one, in this process.")
    parser.add_argument("--model", type=Path)
    asked = parser.parse_args()
    requests = [int(part) for part in asked.requests.split(",")]
    if asked.engine:
        rows = measure(asked.engine, asked.model, requests, asked.tokens)
        sys.stdout.write("\n" + json.dumps(rows) + "\n")
        return 0
    with tempfile.TemporaryDirectory(prefix="hc-engines-") as folder:
        model = make_model(asked.shape, Path(folder))
        rows = [row for engine in ENGINES for row in _in_process(engine, model, asked)]
    first = {row["requests"]: row["tokens_per_s"] for row in rows if row["engine"] == ENGINES[0]}
    for row in rows:
        row["ratio"] = row["tokens_per_s"] / first[row["requests"]]
    document = {
        "schema": SCHEMA, "shape": asked.shape, "rows": rows,
        "remarks": [f"prompts of {PROMPT_TOKENS} tokens, answers of exactly {asked.tokens}; ratios are to Transformers"],
    }  # fmt: skip
    sys.stdout.write("\n" + json.dumps(document) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
