"""A loadable model folder of a real shape with random weights, for PCs that can reach no model hub.

Runs inside the engine environment:

    python -m homecluster.jobs.random_model --config config.json --out FOLDER --seed 0

The folder appears whole or not at all. Exit codes are those of `homecluster.errors`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from homecluster.domain.hardware import DType
from homecluster.domain.model import ModelSpec
from homecluster.errors import HomeclusterError, InputError, MissingError
from homecluster.jobs.random_tokenizer import END_ID, PAD_ID, write_tokenizer
from homecluster.jobs.random_weights import checkpoint_tensors, write_weights
from homecluster.store.files import read_json
from homecluster.store.model_config import parse_config
from homecluster.store.model_families import MODEL_TYPES

_TORCH_NAMES: Final = {
    DType.FP32: "float32",
    DType.FP16: "float16",
    DType.BF16: "bfloat16",
}


def write_random_model(config_path: Path, out: Path, *, seed: int) -> None:
    """Make `out` a model folder: config, generation config, tokenizer, weights.

    Raises:
        InputError: `out` exists already, or the configuration is wrong or quantised.
        MissingError: the disk has no room or cannot be written.
    """
    config = read_json(config_path, "model configuration")
    spec = parse_config(config, name=out.name, where=str(config_path))
    if spec.quantization is not None:
        raise InputError(
            f"{config_path} describes a {spec.quantization.method} checkpoint; random weights are made "
            "unquantised only",
            hint="use the model without its quantisation.",
        )
    if spec.dtype not in _TORCH_NAMES:
        raise InputError(
            f"{config_path}: random weights are made in {', '.join(_TORCH_NAMES)} only"
        )
    if out.exists():
        raise InputError(f"{out} exists already")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
        try:
            _fill(temporary, config, spec, seed)
            temporary.rename(out)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise MissingError(
            f"cannot write {out}: {error.strerror or error}", hint="free some disk space there."
        ) from error


def _fill(folder: Path, config: dict[str, Any], spec: ModelSpec, seed: int) -> None:
    import torch

    name = _TORCH_NAMES[spec.dtype]
    ends = {"bos_token_id": END_ID, "eos_token_id": END_ID, "pad_token_id": PAD_ID}
    complete = _language_part(config) | ends
    complete |= {"architectures": [spec.architecture], "torch_dtype": name}
    complete["model_type"] = MODEL_TYPES[spec.architecture]
    (folder / "config.json").write_text(json.dumps(complete, indent=2))
    (folder / "generation_config.json").write_text(json.dumps(ends, indent=2))
    write_tokenizer(folder, vocabulary=spec.vocab_size, max_positions=spec.max_positions)
    write_weights(
        folder,
        checkpoint_tensors(complete),
        dtype=getattr(torch, name),
        seed=seed,
        progress=_say,
    )


def _language_part(config: dict[str, Any]) -> dict[str, Any]:
    """As `parse_config` reads it; the only dtype key left is the one set here."""
    part = config.get("text_config") or config
    return {
        key: value for key, value in part.items() if key not in ("dtype", "quantization_config")
    }


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def main() -> int:
    """The exit code of the command line above; one line on stderr says what went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    # turned into an exception, so that a stopped run removes its half-written folder
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        write_random_model(options.config, options.out.absolute(), seed=options.seed)
    except HomeclusterError as error:
        _say(f"error: {error.message}")
        if error.hint:
            _say(f"  hint: {error.hint}")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
