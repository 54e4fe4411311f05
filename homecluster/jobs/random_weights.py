"""Random weights of a model's real shape, streamed into safetensors files so that memory stays small.

Runs inside the engine environment. Tensor names and shapes are those of the transformers class, built
without memory on PyTorch's `meta` device; experts, which transformers keeps fused, are named one by one
as published checkpoints do and vLLM expects.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from homecluster.domain.units import GIB, MIB, format_bytes
from homecluster.errors import MissingError
from homecluster.jobs.random_tokenizer import SMALLEST_VOCABULARY

if TYPE_CHECKING:
    import torch

SHARD_BYTES: Final = 4 * GIB
_CHUNK_ELEMENTS: Final = 8 * MIB
_SPARE_BYTES: Final = 64 * MIB
"""For the tokenizer and configuration beside the weights."""

QUIET_IDS: Final = SMALLEST_VOCABULARY
"""The tokenizer's special tokens and single bytes come first."""
_QUIET: Final = 0.1

_EMBEDDING_DEVIATION: Final = 0.02
_BIAS_DEVIATION: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """One tensor of the checkpoint: normal around `mean`."""

    name: str
    shape: tuple[int, ...]
    mean: float
    deviation: float
    quiet_rows: int = 0
    """Leading rows that are much smaller: tokens that a random model should not answer with."""

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


def checkpoint_tensors(config: Mapping[str, Any]) -> tuple[Tensor, ...]:
    """Every tensor of the model that `config` describes, in the order of its layers.

    Matrices get a deviation of 1/sqrt(inputs) and embeddings a small one: each layer then outweighs the
    embedding in the residual stream. Otherwise a model with tied embeddings, whose head looks for the
    embedding most like its state, repeats its last token for ever. Specials and single bytes are made
    unlikely answers: a text would end early, or bytes that are no character yet would hold back the stream.
    """
    import torch

    with torch.device("meta"):
        model = _model(config)
    tied = set(getattr(model, "_tied_weights_keys", None) or ())
    tied = tied if model.config.tie_word_embeddings else set()
    head = model.get_input_embeddings() if tied else model.get_output_embeddings()
    return tuple(
        replace(tensor, quiet_rows=QUIET_IDS if head and parameter is head.weight else 0)
        for name, parameter in model.named_parameters()
        if name not in tied
        for tensor in _tensors(model, name, tuple(parameter.shape))
    )


def write_weights(
    folder: Path,
    tensors: tuple[Tensor, ...],
    *,
    dtype: torch.dtype,
    seed: int,
    progress: Callable[[str], None],
    shard_bytes: int = SHARD_BYTES,
) -> None:
    """model.safetensors, or numbered shards with their index; the same bytes for the same seed.

    Raises:
        MissingError: the disk has no room for them; nothing is written then.
    """
    total = sum(tensor.elements for tensor in tensors) * dtype.itemsize
    free = shutil.disk_usage(folder).free
    if total + _SPARE_BYTES > free:
        raise MissingError(
            f"the weights need {format_bytes(total)}, and {folder.parent} has {format_bytes(free)} free",
            hint="free some disk space there, or set HOMECLUSTER_HOME to a larger disk.",
        )
    shards = list(_shards(tensors, dtype.itemsize, shard_bytes))
    where: dict[str, str] = {}
    for number, shard in enumerate(shards, start=1):
        name = (
            "model.safetensors"
            if len(shards) == 1
            else f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        )
        progress(f"writing {name}, {format_bytes(total)} in all")
        with (folder / name).open("wb") as file:
            _write_shard(file, shard, dtype, seed)
        where |= dict.fromkeys((tensor.name for tensor in shard), name)
    if len(shards) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": where}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1))


def _model(
    config: Mapping[str, Any],
) -> Any:  # transformers' classes are chosen by name at run time
    import transformers

    architecture = getattr(transformers, config["architectures"][0])
    return architecture(architecture.config_class(**config))


def _tensors(model: Any, name: str, shape: tuple[int, ...]) -> Iterator[Tensor]:
    """The tensor itself, or for fused experts one of each expert and matrix."""
    owner = model.get_submodule(name.rpartition(".")[0])
    if ".experts." not in name:
        mean, deviation = _distribution(type(owner).__name__, name, shape)
        yield Tensor(name=_published(model, name), shape=shape, mean=mean, deviation=deviation)
        return
    prefix, _, fused = _published(model, name).rpartition(".")
    experts, rows, inputs = shape
    parts = _expert_parts(model, fused)
    for expert in range(experts):
        for part in parts:
            yield Tensor(
                name=f"{prefix}.{expert}.{part}.weight",
                shape=(rows // len(parts), inputs),
                mean=0.0,
                deviation=1 / math.sqrt(inputs),
            )


def _is_mixtral(model: Any) -> bool:
    return bool(model.config.model_type == "mixtral")


def _published(model: Any, name: str) -> str:
    return name.replace(".mlp.", ".block_sparse_moe.") if _is_mixtral(model) else name


def _expert_parts(model: Any, fused: str) -> tuple[str, ...]:
    if fused == "gate_up_proj":
        return ("w1", "w3") if _is_mixtral(model) else ("gate_proj", "up_proj")
    return ("w2",) if _is_mixtral(model) else ("down_proj",)


def _distribution(owner: str, name: str, shape: tuple[int, ...]) -> tuple[float, float]:
    """(mean, deviation)."""
    if name.endswith(".bias"):
        return 0.0, _BIAS_DEVIATION
    if len(shape) == 1:  # a norm's scale; Gemma's stores the difference from one
        return (0.0 if owner.startswith("Gemma") else 1.0), 0.0
    if "Embedding" in owner or name == "lm_head.weight":
        return 0.0, _EMBEDDING_DEVIATION
    inputs = shape[0] if owner == "Conv1D" else shape[-1]
    return 0.0, 1 / math.sqrt(inputs)


def _shards(
    tensors: tuple[Tensor, ...], element_bytes: int, shard_bytes: int
) -> Iterator[list[Tensor]]:
    shard: list[Tensor] = []
    filled = 0
    for tensor in tensors:
        size = tensor.elements * element_bytes
        if shard and filled + size > shard_bytes:
            yield shard
            shard, filled = [], 0
        shard.append(tensor)
        filled += size
    yield shard


def _write_shard(file: BinaryIO, shard: list[Tensor], dtype: torch.dtype, seed: int) -> None:
    """The safetensors format: length of the header, header, then the tensors' bytes end to end."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for tensor in shard:
        stop = offset + tensor.elements * dtype.itemsize
        header[tensor.name] = {
            "dtype": _FORMAT_NAMES[str(dtype)],
            "shape": list(tensor.shape),
            "data_offsets": [offset, stop],
        }
        offset = stop
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.write(struct.pack("<Q", len(text)))
    file.write(text)
    for tensor in shard:
        file.writelines(_chunks(tensor, dtype, seed))


_FORMAT_NAMES: Final = {"torch.float32": "F32", "torch.float16": "F16", "torch.bfloat16": "BF16"}


def _chunks(tensor: Tensor, dtype: torch.dtype, seed: int) -> Iterator[bytes]:
    """The tensor's bytes; each tensor has its own generator, so that order and shards do not matter."""
    import torch

    digest = hashlib.sha256(f"{seed}:{tensor.name}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
    quiet = tensor.quiet_rows * tensor.shape[-1]
    for start in range(0, tensor.elements, _CHUNK_ELEMENTS):
        count = min(_CHUNK_ELEMENTS, tensor.elements - start)
        values = torch.full((count,), tensor.mean, dtype=torch.float32)
        if tensor.deviation:
            values.normal_(tensor.mean, tensor.deviation, generator=generator)
        values[: max(0, quiet - start)] *= _QUIET
        yield values.to(dtype).view(torch.uint8).numpy().tobytes()
