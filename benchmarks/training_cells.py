"""What the training grid measures and keeps."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from homecluster.domain.training import Method

ROWS: Final = Path(__file__).with_name("results") / "training.jsonl"
STEPS: Final = {"1gbe": 10, "wifi5": 5, "hotspot": 2}
"""The homes, and how many steps to measure in each; one more before them is left out."""
CONFIG: Final[dict[str, Any]] = {
    "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "torch_dtype": "bfloat16",
    "n_embd": 320, "n_layer": 2, "n_head": 5, "n_positions": 256, "vocab_size": 1024,
    "attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0,
}  # fmt: skip
"""2.9 M parameters: a step over the hotspot takes seconds; each matrix is beyond DeepSpeed's 1e5 elements, below which
stage 3 keeps them whole."""
SEQUENCE_TOKENS: Final = 128
BATCH: Final = 12
LORA_RANK: Final = 16
_MACHINE_CORES: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    home: str
    hosts: int
    method: Method
    stage: int

    @property
    def key(self) -> dict[str, Any]:
        return {
            "home": self.home,
            "hosts": self.hosts,
            "method": str(self.method),
            "stage": self.stage,
        }


def cores_of(hosts: int) -> float:
    """Of each PC: all of them together have what this machine has."""
    return min(1.0, _MACHINE_CORES / hosts)


def keep(row: dict[str, Any]) -> None:
    with ROWS.open("a", encoding="utf-8") as out:
        out.write(json.dumps(row) + "\n")


def row_of(cell: Cell) -> dict[str, Any] | None:
    """What was measured last of the cell."""
    lines = ROWS.read_text().splitlines() if ROWS.exists() else []
    rows = [json.loads(line) for line in lines]
    return next((row for row in reversed(rows) if cell.key.items() <= row.items()), None)
