"""Model folders of a few shapes with random weights, for recipes that need no hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from homecluster.jobs.random_model import write_random_model

_LLAMA: Final = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
}  # fmt: skip
SHAPES: Final[dict[str, dict[str, Any]]] = {
    "tiny": _LLAMA | {
        "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": 512, "max_position_embeddings": 1024,
    },
    "gpt2": {
        "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12,
        "n_positions": 1024, "vocab_size": 50257, "torch_dtype": "bfloat16",
        "attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0,
    },
    "0.5b": _LLAMA | {
        "hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14,
        "num_key_value_heads": 2, "vocab_size": 151936, "max_position_embeddings": 1024,
    },
}  # fmt: skip
"""A toy, GPT-2 124M, and a Llama as large as Qwen2.5-0.5B."""


def make_model(shape: str, folder: Path) -> Path:
    """The folder of a model of that shape; the same weights every time."""
    config = folder / f"{shape}.json"
    config.write_text(json.dumps(SHAPES[shape]))
    model = folder / shape
    write_random_model(config, model, seed=7)
    return model
