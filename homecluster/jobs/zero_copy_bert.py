"""How long a model takes to load: from Ray's object store without a copy, and as it is done otherwise.

Runs inside the engine environment:

    python -m homecluster.jobs.zero_copy_bert --shape bert-base --repeat 20 --processes 3

Random weights; every way's outputs are compared bit for bit. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from homecluster.jobs.private_ray import MIB, private_ray
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


def address_is_shared(model: Any) -> bool:
    """Whether the weights lie in a mapping of shared memory (a file below /dev/shm), not in this process's own."""
    address = next(iter(model.parameters())).data_ptr()
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, access, *_ = line.split()
        first, last = (int(edge, 16) for edge in span.split("-"))
        if first <= address < last:
            return access[3] == "s"
    return False


def look(shared: list[Any], repeat: int) -> dict[str, Any]:
    """Load in this process, several times; what came out, and what it cost in memory of its own.

    The reference comes in a list, since Ray would hand over the object in place of a bare one.
    """
    import torch  # noqa: F401 - what a process that serves has loaded already is no part of the time
    import transformers.models.bert.modeling_bert  # noqa: F401 - as above

    times = []
    model = None
    for _ in range(repeat):
        del model
        begin = time.perf_counter()
        model = load(shared[0])
        times.append(time.perf_counter() - begin)
    own_kib = _own_kib()
    assert model is not None
    return {
        "times_s": times,
        "outputs": outputs(model),
        "shared": address_is_shared(model),
        "own_bytes": own_kib * 1024,
        "refused": refused(model) and ends_by_signal(lambda: _change(model)),
    }


def refused(model: Any) -> bool:
    """Whether torch refuses to change the weights in place."""
    try:
        next(iter(model.parameters())).add_(1)
    except RuntimeError:
        return True
    return False


def _change(model: Any) -> None:
    """Past torch's own check."""
    next(iter(model.parameters())).data.view(-1)[:1].add_(1)


def ends_by_signal(act: Callable[[], None]) -> bool:
    """Whether a child process that does it is ended by the write protection."""
    child = os.fork()
    if child == 0:
        faulthandler.disable()
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)
        act()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGSEGV


def _own_kib() -> int:
    """Memory that is this process's alone."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


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
    model = bert(asked.shape)
    weights_bytes = sum(p.numel() * p.element_size() for p in model.parameters())
    with private_ray(cpus=1, store_bytes=2 * weights_bytes + _SPARE_BYTES + 2 * _SPARE_BYTES):
        import ray

        expected = outputs(model)
        shared = [share(model)]
        begun = ray.remote(num_cpus=0)(look)
        here = look(shared, asked.repeat)
        away = ray.get([begun.remote(shared, asked.repeat) for _ in range(asked.processes)])
    others = other_ways(model, 3)
    # Of a process that did not write them: where the pages were touched, protecting them takes longer.
    seconds = statistics.median(away[0]["times_s"])
    document = {
        "schema": SCHEMA,
        "shape": asked.shape,
        "weights_bytes": weights_bytes,
        "zero_copy_s": seconds,
        "zero_copy_first_s": away[0]["times_s"][0],
        "zero_copy_where_written_s": statistics.median(here["times_s"]),
        "others_s": {way: took for way, (took, _) in others.items()},
        "ratios": {way: took / seconds for way, (took, _) in others.items()},
        "same_outputs": all(
            made == expected
            for made in (
                here["outputs"],
                *(one["outputs"] for one in away),
                *(out for _, out in others.values()),
            )
        ),
        "shared_memory": here["shared"] and all(one["shared"] for one in away),
        "writing_refused": here["refused"] and all(one["refused"] for one in away),
        "processes": asked.processes,
        "own_bytes": [one["own_bytes"] for one in away],
    }
    sys.stdout.write("\n" + json.dumps(document) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
