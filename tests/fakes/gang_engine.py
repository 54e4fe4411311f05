"""An engine environment whose `python` speaks enough of vLLM's multi-host mode for a gang to be led.

The model's folder holds `behaviour`, lines of `NODE_RANK WORD`: `crash` dies as vLLM does when memory
is short, `mute` never gets ready, `stubborn` ignores SIGTERM.
"""

import json
import sys
from pathlib import Path

from homecluster.domain.hardware import DeviceKind
from homecluster.store.engine_lock import bundled_lock
from homecluster.store.engine_store import Manifest, write_manifest
from homecluster.store.own_wheel import own_code

PROGRAM = Path(__file__).with_name("gang_engine_process.py")
CONFIG = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 128,
    "intermediate_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 512, "max_position_embeddings": 512,
    "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": False, "torch_dtype": "float32",
}  # fmt: skip


def make_engine(engines: Path) -> Path:
    """An environment that counts as whole and current; its python runs `gang_engine_process.py`."""
    lock = bundled_lock(DeviceKind.CPU)
    folder = engines / "fake-engine"
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S -E "{PROGRAM}" "$@"\n')
    python.chmod(0o755)
    manifest = Manifest(
        kind=DeviceKind.CPU, vllm=lock.vllm_version, torch="1", ray="1", python="3.11",
        lock_sha256=lock.sha256, own_code_sha256=own_code().sha256,
        installed_at="2026-01-01T00:00:00+00:00", disk_bytes=0,
    )  # fmt: skip
    write_manifest(folder, manifest)
    return folder


def make_model(models: Path, name: str = "toy", behaviour: str = "") -> Path:
    """A model folder that counts as having weights."""
    folder = models / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "model.safetensors").write_bytes(b"")
    (folder / "behaviour").write_text(behaviour)
    return folder
