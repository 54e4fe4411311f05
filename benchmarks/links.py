"""Stock vLLM against homecluster's exchange over emulated home links, in turns, in one run.

`python -m benchmarks.links [--homes hotspot,wifi5,1gbe] [--pairs 5] [--tokens 24] [--json FILE]`: root on
Linux, the CPU engine and ten minutes a home. Both sides start anew in every pair; the ratio is of one pair,
so that a busy minute of this machine meets both. Greedy tokens must agree.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from homecluster.app.engine import refresh_own_code
from homecluster.domain.hardware import DeviceKind
from homecluster.domain.small_collectives import SmallCollectives
from homecluster.store.engine_store import Engine, find_engine
from homecluster.store.paths import paths_from
from tests.lab.lab import Lab
from tests.live.engine_pair import engine_pair

GPT2 = {
    "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "n_embd": 768, "n_layer": 12,
    "n_head": 12, "n_positions": 1024, "n_ctx": 1024, "vocab_size": 50257,
    "torch_dtype": "bfloat16",
}  # fmt: skip
PROMPT = [3 + n % 200 for n in range(32)]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One start of each side on one home."""

    home: str
    engine_tokens_per_s: float
    exchange_tokens_per_s: float
    same_tokens: bool

    @property
    def ratio(self) -> float:
        return self.exchange_tokens_per_s / self.engine_tokens_per_s


def main() -> int:
    given = _arguments()
    engine = refresh_own_code(find_engine(paths_from(os.environ).engines, DeviceKind.CPU))
    pairs: list[Pair] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        setting = Setting(
            engine=engine, model=_gpt2(engine, folder), folder=folder, tokens=given.tokens
        )
        for home in given.homes.split(","):
            for number in range(given.pairs):
                pairs.append(setting.pair(home, number))
                _tell(pairs[-1])
    print(table(pairs))
    if given.json:
        given.json.write_text(json.dumps([asdict(pair) for pair in pairs], indent=2) + "\n")
    return 0 if all(pair.same_tokens for pair in pairs) else 1


def table(pairs: list[Pair]) -> str:
    """Markdown: medians of the pairs of each home."""
    lines = [
        "| home | engine's own, tokens/s | exchange, tokens/s | ratio, median (least to most) | pairs |",
        "|---|---|---|---|---|",
    ]
    for home in dict.fromkeys(pair.home for pair in pairs):
        of = [pair for pair in pairs if pair.home == home]
        ratios = [pair.ratio for pair in of]
        engine = statistics.median(pair.engine_tokens_per_s for pair in of)
        exchange = statistics.median(pair.exchange_tokens_per_s for pair in of)
        lines.append(
            f"| {home} | {engine:.2f} | {exchange:.2f} | {statistics.median(ratios):.2f} "
            f"({min(ratios):.2f} to {max(ratios):.2f}) | {len(of)} |"
        )
    return "\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What all runs share."""

    engine: Engine
    model: Path
    folder: Path
    tokens: int

    def pair(self, home: str, number: int) -> Pair:
        """Every other pair starts with the other side, should the machine drift."""
        order = [SmallCollectives.ENGINE, SmallCollectives.EXCHANGE]
        turns = order[::-1] if number % 2 == 0 else order
        measured = {choice: self.measure(home, choice) for choice in turns}
        (engine_rate, engine_ids), (rate, ids) = (measured[choice] for choice in order)
        return Pair(
            home=home,
            engine_tokens_per_s=engine_rate,
            exchange_tokens_per_s=rate,
            same_tokens=engine_ids == ids,
        )

    def measure(self, home: str, choice: SmallCollectives) -> tuple[float, list[int]]:
        """(tokens per second between the first token and the last, the tokens)."""
        with (
            Lab(home, hosts=2) as lab,
            engine_pair(
                lab, self.engine, self.model, choice, self.folder, dtype="bfloat16"
            ) as pair,
        ):
            pair.wait_until_it_answers(400.0)
            pair.complete(PROMPT, 2)  # first use of everything
            interval_s = pair.token_interval_s(PROMPT, self.tokens)
            ids, _ = pair.complete(PROMPT, self.tokens)
            print(f"{home}, {choice}: {1 / interval_s:.2f} tokens/s", file=sys.stderr, flush=True)
            return 1 / interval_s, ids


def _gpt2(engine: Engine, folder: Path) -> Path:
    config = folder / "config.json"
    config.write_text(json.dumps(GPT2))
    model = folder / "gpt2"
    subprocess.run(
        [engine.python, "-m", "homecluster.jobs.random_model",
         "--config", config, "--out", model, "--seed", "7"],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return model


def _tell(pair: Pair) -> None:
    print(
        f"{pair.home}: {pair.engine_tokens_per_s:.2f} -> {pair.exchange_tokens_per_s:.2f} tokens/s "
        f"({pair.ratio:.2f}x){'' if pair.same_tokens else ', OTHER TOKENS'}",
        file=sys.stderr, flush=True,
    )  # fmt: skip


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--homes", default="hotspot,wifi5,1gbe")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=24)
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
