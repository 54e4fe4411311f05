"""How long a model takes to load: from Ray's object store without a copy, and as it is done otherwise.

Runs inside the engine environment:

    python -m homecluster.jobs.zero_copy_bert --shape bert-base --repeat 20 --processes 3

Random weights; every way's outputs are compared bit for bit. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from homecluster.jobs.private_ray import MIB, private_ray
from homecluster.jobs.shared_weights import is_unchangeable, own_bytes, weight_mappings
from homecluster.jobs.zero_copy import load, share

SCHEMA: Final = "homecluster.zero-copy/1"
SHAPES: Final = {
    "bert-base": {},
    "tiny": {
        "hidden_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 512,
        "vocab_size": 2000,
    },
}
"""Changes to transformers' BertConfig, whose defaults are BERT-base."""
_SPARE_BYTES: Final = 64 * MIB
_REPEAT_OTHERS: Final = 7


def bert(shape: str) -> Any:
    """BERT with random weights; the same ones for the same shape."""
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(3)
    return BertModel(BertConfig(**SHAPES[shape])).eval()


def outputs(model: Any) -> list[float]:
    """What the model makes of a few tokens, on one core: several add up in another order, and so to other last bits."""
    import torch

    torch.set_num_threads(1)
    tokens = torch.arange(1, 17).reshape(2, 8)
    with torch.no_grad():
        return model(tokens).last_hidden_state.flatten().tolist()  # type: ignore[no-any-return]


class Reader:
    """A process that loads, and keeps what it loaded."""

    def __init__(self) -> None:
        import torch  # noqa: F401 - what a process that serves has loaded already is no part of the time
        import transformers.models.bert.modeling_bert  # noqa: F401 - as above

        self._model: Any = None

    def load(self, shared: list[Any], repeat: int) -> list[float]:
        """Seconds of each load, from asking Ray to a module that computes.

        The reference comes in a list, since Ray would hand over the object in place of a bare one.
        """
        times = []
        for _ in range(repeat):
            self._model = None
            begin = time.perf_counter()
            self._model = load(shared[0])
            times.append(time.perf_counter() - begin)
        return times

    def outputs(self) -> list[float]:
        """Of the loaded model; every weight was read once."""
        for weight in self._model.parameters():
            weight.sum()
        return outputs(self._model)

    def look(self) -> dict[str, Any]:
        """What it costs in memory while all processes have it, and whether it is safe."""
        mappings = weight_mappings(self._model)
        return {
            "shared": all(one.shared for one in mappings),
            "weights_bytes": sum(one.proportional_bytes for one in mappings),
            "own_bytes": own_bytes(),
            "refused": is_unchangeable(self._model),
        }


def _timed(act: Callable[[], Any], repeat: int, before: Callable[[], None]) -> tuple[float, Any]:
    """(median seconds, the last result)."""
    times = []
    result = None
    for _ in range(repeat):
        result = None
        gc.collect()
        before()
        begin = time.perf_counter()
        result = act()
        times.append(time.perf_counter() - begin)
    return statistics.median(times), result


def _forget(folder: Path) -> None:
    """Drop the files from the page cache, as after a restart."""
    os.sync()
    for path in folder.iterdir():
        handle = os.open(path, os.O_RDONLY)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def other_ways(model: Any, repeat: int) -> dict[str, tuple[float, list[float]]]:
    """Seconds and outputs of transformers' from_pretrained, warm and cold, and of a pickled checkpoint.

    The last is how the often-cited factor of 340 was counted: weights are first initialised, then overwritten.
    """
    import torch
    from transformers import BertModel

    found: dict[str, tuple[float, list[float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model.save_pretrained(folder)
        torch.save(model.state_dict(), folder / "weights.pickle")

        def pretrained() -> Any:
            return BertModel.from_pretrained(folder).eval()

        def pickled() -> Any:
            made = BertModel(model.config)
            made.load_state_dict(torch.load(folder / "weights.pickle", weights_only=True))
            return made.eval()

        for way, act, before in (
            ("from_pretrained_warm", pretrained, lambda: None),
            ("from_pretrained_cold", pretrained, lambda: _forget(folder)),
            ("pickled_checkpoint", pickled, lambda: None),
        ):
            seconds, made = _timed(act, repeat, before)
            found[way] = (seconds, outputs(made))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=tuple(SHAPES), default="bert-base")
    parser.add_argument("--repeat", type=int, default=20)
    parser.add_argument("--processes", type=int, default=3)
    asked = parser.parse_args()
    document = measured(bert(asked.shape), asked.repeat, asked.processes)
    sys.stdout.write("\n" + json.dumps({"schema": SCHEMA, "shape": asked.shape} | document) + "\n")
    return 0


def measured(model: Any, repeat: int, processes: int) -> dict[str, Any]:
    """One process is timed alone; then so many have the model at the same time."""
    weights_bytes = sum(p.numel() * p.element_size() for p in model.parameters())
    with private_ray(cpus=1, store_bytes=2 * weights_bytes + 3 * _SPARE_BYTES):
        import ray

        shared = [share(model)]
        begun = ray.remote(num_cpus=0)(Reader)
        readers = [begun.remote() for _ in range(processes)]
        ray.get([reader.__ray_ready__.remote() for reader in readers])
        times = ray.get(readers[0].load.remote(shared, repeat))
        for reader in readers[1:]:
            ray.get(reader.load.remote(shared, 1))
        made = ray.get([reader.outputs.remote() for reader in readers])
        seen = ray.get([reader.look.remote() for reader in readers])
    others = other_ways(model, _REPEAT_OTHERS)
    seconds = statistics.median(times)
    expected = outputs(model)
    return {
        "weights_bytes": weights_bytes,
        "zero_copy_s": seconds,
        "zero_copy_first_s": times[0],
        "others_s": {way: took for way, (took, _) in others.items()},
        "ratios": {way: took / seconds for way, (took, _) in others.items()},
        "same_outputs": all(
            out == expected for out in (*made, *(out for _, out in others.values()))
        ),
        "shared_memory": all(one["shared"] for one in seen),
        "writing_refused": all(one["refused"] for one in seen),
        "processes": processes,
        "weights_in_all_bytes": sum(one["weights_bytes"] for one in seen),
        "own_bytes": [one["own_bytes"] for one in seen],
    }


if __name__ == "__main__":
    sys.exit(main())
