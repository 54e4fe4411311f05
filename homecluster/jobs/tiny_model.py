"""A model so small that an engine step costs nothing but overhead, as a folder that vLLM loads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

HIDDEN_SIZE = 256
HEADS = 8
HEAD_SIZE = 64
"""vLLM's CPU attention has kernels for 32, 64, 80, 96, 112, 128 …; 64 is the smallest that models use."""
FFN_SIZE = 256
VOCABULARY = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class TinyModel:
    """A Llama of that many layers; weights are drawn by the engine (`--load-format dummy`)."""

    layers: int
    max_tokens: int

    def cache_bytes_per_token(self, dtype_bytes: int) -> int:
        """Keys and values of one token in all layers."""
        return 2 * self.layers * HEADS * HEAD_SIZE * dtype_bytes

    def linear_flop_per_token(self) -> float:
        """Of all layers' projections and feed-forward products."""
        attention = 4 * HIDDEN_SIZE * HEADS * HEAD_SIZE
        return 2.0 * self.layers * (attention + 3 * HIDDEN_SIZE * FFN_SIZE)

    def attention_flop(self, prompt_tokens: int) -> float:
        """Of a prefill's scores and weighted sums; each token attends to half of the prompt on average."""
        return 4.0 * self.layers * HEADS * HEAD_SIZE * prompt_tokens**2 / 2


def write_tiny_model(folder: Path, model: TinyModel, torch_dtype: str) -> None:
    """Write config.json and a tokenizer whose every token is a word of its own.

    A byte-level tokenizer would hold back random bytes that are no character yet, and tokens would
    come in bunches.
    """
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {"<unk>": 0} | {f"w{token}": token for token in range(1, VOCABULARY)}
    _write(folder / "config.json", _config(model, torch_dtype))
    _write(
        folder / "tokenizer.json",
        {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [],
            "normalizer": None,
            "pre_tokenizer": {"type": "Whitespace"},
            "post_processor": None,
            "decoder": None,
            "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>"},
        },
    )
    _write(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "<unk>", "eos_token": "<unk>"},
    )


def _config(model: TinyModel, torch_dtype: str) -> dict[str, object]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": HIDDEN_SIZE,
        "intermediate_size": FFN_SIZE,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "head_dim": HEAD_SIZE,
        "num_hidden_layers": model.layers,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": model.max_tokens,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": False,
        "dtype": torch_dtype,
        "bos_token_id": 0,
        "eos_token_id": 0,
    }


def _write(path: Path, document: dict[str, object]) -> None:
    path.write_text(json.dumps(document), encoding="utf-8")
