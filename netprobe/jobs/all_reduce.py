"""Times the engine's own all-reduce of two ranks by size; run by the engine's Python, prints one JSON line."""

from __future__ import annotations

import argparse
import json
import time
from datetime import timedelta

import torch
import torch.distributed as dist

SIZES_BYTES = (1024, 4096, 16384, 65536, 262144, 1048576)
WARM_UP = 3
MOST = 200
PER_SIZE_S = 0.3


def main() -> None:
    asked = _arguments()
    limit = timedelta(seconds=asked.limit_s)
    store = _store(asked, limit)
    store.set(f"cuda{asked.rank}", str(int(torch.cuda.is_available())))
    on_cuda = all(store.get(f"cuda{rank}") == b"1" for rank in range(2))
    backend, device = ("nccl", "cuda:0") if on_cuda else ("gloo", "cpu")
    dist.init_process_group(backend, store=store, rank=asked.rank, world_size=2, timeout=limit)
    curve = {size: _times(size, device) for size in SIZES_BYTES}
    dist.destroy_process_group()
    print(json.dumps({"backend": backend, "curve": curve}), flush=True)  # noqa: T201 - its one result


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rank", type=int, required=True)
    parser.add_argument("--address", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--listen-fd", type=int)
    parser.add_argument("--limit-s", type=float, required=True)
    return parser.parse_args()


def _store(asked: argparse.Namespace, limit: timedelta) -> dist.TCPStore:
    """Rank 0 serves it on a socket that is bound already: torch by itself would listen everywhere."""
    options = {} if asked.listen_fd is None else {"master_listen_fd": asked.listen_fd}
    return dist.TCPStore(
        asked.address, asked.port, 2, asked.rank == 0, limit, wait_for_workers=False, **options
    )


def _times(size_bytes: int, device: str) -> list[float]:
    """Seconds of each all-reduce after the warm-up; both ranks take rank 0's count."""
    message = torch.ones(size_bytes // 4, device=device)
    warm = [_one(message, device) for _ in range(WARM_UP)]
    count = torch.tensor([min(MOST, max(4, int(PER_SIZE_S / warm[-1])))], device=device)
    dist.broadcast(count, src=0)
    return [_one(message, device) for _ in range(int(count.item()))]


def _one(message: torch.Tensor, device: str) -> float:
    message.fill_(1.0)
    start = time.perf_counter()
    dist.all_reduce(message)
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
