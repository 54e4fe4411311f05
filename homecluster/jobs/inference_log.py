"""The table of inference experiments: speed, memory, utilisation, power; cache on and off, attention, positions.

    python -m homecluster.jobs.inference_log --hidden 768 --layers 12 --tokens 48

Runs inside the engine environment, on Transformers, because its cache can be switched off; one process per row, so
that memory is each row's own. That the switch did something is shown by the work: without the cache every token runs
the whole text through the model again. Power is this PC's processor by RAPL where the kernel tells it, else empty.
Prints one JSON document.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

SCHEMA: Final = "homecluster.inference-log/1"
RAPL: Final = Path("/sys/class/powercap/intel-rapl:0/energy_uj")
ROWS: Final = (
    ("rope", "sdpa", True),
    ("rope", "sdpa", False),
    ("rope", "eager", True),
    ("alibi", "eager", True),
)
"""(positions, attention backend, cache); Bloom, which has ALiBi, knows only eager attention."""
_PROMPT_TOKENS: Final = 32
_LIMIT_S: Final = 1800.0


def build(positions: str, attention: str, hidden: int, layers: int) -> Any:
    """Two models of one size with random weights, unlike only in how they know positions."""
    import torch
    from transformers import AutoModelForCausalLM, BloomConfig, LlamaConfig

    torch.manual_seed(0)
    heads = max(1, hidden // 64)
    if positions == "alibi":
        config = BloomConfig(vocab_size=2000, hidden_size=hidden, n_layer=layers, n_head=heads)
    else:
        config = LlamaConfig(
            vocab_size=2000, hidden_size=hidden, intermediate_size=8 * hidden // 3, num_hidden_layers=layers,
            num_attention_heads=heads, num_key_value_heads=heads,
        )  # fmt: skip
    return AutoModelForCausalLM.from_config(config, attn_implementation=attention, dtype=torch.bfloat16).eval()  # fmt: skip


def measure(positions: str, attention: str, asked: argparse.Namespace, *, cache: bool) -> Any:
    """One row of the table, in this process."""
    import torch

    model = build(positions, attention, asked.hidden, asked.layers)
    passed = 0

    def count(_module: Any, inputs: Any, _output: Any) -> None:
        nonlocal passed
        passed += int(inputs[0].shape[1])

    embedding = model.get_input_embeddings()
    embedding.register_forward_hook(count)
    prompt = torch.arange(3, 3 + _PROMPT_TOKENS).reshape(1, -1)

    def ask(tokens: int) -> None:
        with torch.no_grad():
            model.generate(
                prompt, attention_mask=torch.ones_like(prompt), do_sample=False, use_cache=cache,
                min_new_tokens=tokens, max_new_tokens=tokens, pad_token_id=0,
            )  # fmt: skip

    ask(2)
    passed = 0
    energy_j, cpu_s, begin = _energy_j(), time.process_time(), time.perf_counter()
    ask(asked.tokens)
    wall_s = time.perf_counter() - begin
    used_j = None if energy_j is None else (_energy_j() or 0.0) - energy_j
    return {
        "positions": positions,
        "attention": attention,
        "use_cache": cache,
        "tokens_per_s": asked.tokens / wall_s,
        "tokens_computed": passed,
        "memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "utilisation": (time.process_time() - cpu_s) / wall_s / len(os.sched_getaffinity(0)),
        "power_w": None if used_j is None else used_j / wall_s,
    }


def _energy_j() -> float | None:
    try:
        return int(RAPL.read_text()) / 1e6
    except OSError:
        return None


def _in_process(number: int, asked: argparse.Namespace) -> Any:
    argv = [
        *(sys.executable, "-m", "homecluster.jobs.inference_log", "--row", str(number)),
        *("--hidden", str(asked.hidden), "--layers", str(asked.layers), "--tokens", str(asked.tokens)),
    ]  # fmt: skip
    ran = subprocess.run(argv, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    if ran.returncode != 0:
        raise RuntimeError(f"row {number} ended with {ran.returncode}: {ran.stderr[-1500:]}")
    return json.loads(ran.stdout.strip().splitlines()[-1])


def remarks_of(rows: list[dict[str, Any]], tokens: int) -> list[str]:
    """What the rows show; above all, whether the cache's switch did anything."""
    by = {(row["positions"], row["attention"], row["use_cache"]): row for row in rows}
    on, off = by["rope", "sdpa", True], by["rope", "sdpa", False]
    did = off["tokens_computed"] > 2 * on["tokens_computed"]
    said = [
        f"the cache's switch {'had an effect' if did else 'did NOTHING'}",
        f"{on['tokens_computed']} tokens went through the model with it, {off['tokens_computed']} without, for {tokens} new",
        f"with the cache {on['tokens_per_s'] / off['tokens_per_s']:.1f} times as fast",
    ]
    if on["power_w"] is None:
        said.append("power is empty: this kernel tells no energy (RAPL)")
    return said


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hidden", type=int, default=768)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--row", type=int, help="Measure one row, in this process.")
    asked = parser.parse_args()
    if asked.row is not None:
        positions, attention, cache = ROWS[asked.row]
        row = measure(positions, attention, asked, cache=cache)
        sys.stdout.write("\n" + json.dumps(row) + "\n")
        return 0
    rows = []
    for number, (positions, attention, cache) in enumerate(ROWS):
        sys.stderr.write(f"{positions}, {attention} attention, cache {'on' if cache else 'off'}\n")
        rows.append(_in_process(number, asked))
    document = {
        "schema": SCHEMA,
        "aim": "what the cache, the attention backend and the kind of positions cost",
        "hardware": {"cores": len(os.sched_getaffinity(0))},
        "settings": {"hidden": asked.hidden, "layers": asked.layers, "tokens": asked.tokens},
        "rows": rows,
        "remarks": remarks_of(rows, asked.tokens),
    }
    sys.stdout.write("\n" + json.dumps(document) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
