"""The texts people read for the examples. `python -m tests.cli.golden` writes them anew."""

from __future__ import annotations

from pathlib import Path

from tests.cli.shell import EXAMPLES, run

GOLDEN = Path(__file__).parents[1] / "golden"
FOUNDERS = ("--concurrency", "256", "--prompt-tokens", "220", "--output-tokens", "237")
CASES = {
    "plan-hotspot-gpt2": ("plan", "--model", "gpt2", "--cluster", "hotspot.toml", "--what-if", "link=1gbe"),
    "plan-hotspot-gpt2-8": ("plan", "--model", "gpt2", "--cluster", "hotspot.toml", "--concurrency", "8"),
    "plan-hotspot-llama-2-70b": ("plan", "--model", "llama-2-70b", "--cluster", "hotspot.toml"),
    "plan-train-hotspot-gpt2": ("plan", "--train", "--model", "gpt2", "--cluster", "hotspot.toml", "--what-if", "link=10gbe"),
    "plan-train-team-llama-3-8b": ("plan", "--train", "--model", "llama-3-8b", "--method", "qlora", "--sequence", "512", "--cluster", "team.toml"),
    "plan-train-zero-memory": ("plan", "--train", "--parameters", "7.5B", "--devices", "64"),
    "plan-rtx4090-llama-3-8b": ("plan", "--model", "llama-3-8b", "--cluster", "rtx4090.toml", *FOUNDERS),
    "plan-rtx4090-llama-30b": ("plan", "--model", "llama-30b", "--cluster", "rtx4090.toml", "--all", *FOUNDERS),
    "diagnose-hotspot-gpt2": ("diagnose", "--model", "gpt2", "--cluster", "hotspot.toml"),
    "diagnose-rtx4090-gpt2": ("diagnose", "--model", "gpt2", "--cluster", "rtx4090.toml", *FOUNDERS),
}  # fmt: skip


def shown(case: str) -> str:
    """The command as typed, and what it prints."""
    arguments = CASES[case]
    typed = " ".join(("$ homecluster", *arguments))
    ran = run(*(EXAMPLES / a if a.endswith(".toml") else a for a in arguments))
    return f"{typed}\n{ran.out}{ran.err}exit code {ran.code}\n"


def main() -> None:
    GOLDEN.mkdir(exist_ok=True)
    for case in CASES:
        (GOLDEN / f"{case}.txt").write_text(shown(case), encoding="utf-8")


if __name__ == "__main__":
    main()
