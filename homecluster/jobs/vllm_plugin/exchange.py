"""Small collectives on tensors by one exchange of messages: half a round trip instead of the engine's two.

Loaded where torch is. Every rank adds the same parts in the same order, so all have the same bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from homecluster.domain.small_collectives import GATHER_LIMIT_BYTES, all_reduce_limit_bytes
from homecluster.jobs.vllm_plugin.frames import DTYPES

if TYPE_CHECKING:
    import torch

    from homecluster.jobs.vllm_plugin.mesh import Mesh


class Exchange:
    """The collectives of one group over its mesh; what it does not take goes the engine's way."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh

    def close(self) -> None:
        """Hang up."""
        self._mesh.close()

    def takes_all_reduce(self, tensor: torch.Tensor) -> bool:
        """The same answer on every rank: sizes and dtypes agree there."""
        return _payload_bytes(tensor) <= all_reduce_limit_bytes(self._mesh.ranks) and _is_known(
            tensor
        )

    def takes_gather(self, tensor: torch.Tensor) -> bool:
        return _payload_bytes(tensor) <= GATHER_LIMIT_BYTES and _is_known(tensor)

    def all_reduce(self, tensor: torch.Tensor) -> None:
        """Replace `tensor` by the sum over all ranks, added in the order of ranks.

        fp16 and bf16 are added in fp32 and rounded once.
        """
        parts = self._swap("all-reduce", tensor, None, None)
        tensor.copy_(_sum(parts).view(tensor.shape))

    def all_gather(self, tensor: torch.Tensor) -> list[torch.Tensor]:
        """Every rank's tensor, in the order of ranks."""
        return [part.view(tensor.shape) for part in self._swap("all-gather", tensor, None, None)]

    def gather(self, tensor: torch.Tensor, destination: int) -> list[torch.Tensor] | None:
        """Every rank's tensor at `destination`, None elsewhere."""
        if self._mesh.rank != destination:
            self._swap("gather", tensor, (destination,), ())
            return None
        return [part.view(tensor.shape) for part in self._swap("gather", tensor, (), None)]

    def _swap(
        self,
        operation: str,
        tensor: torch.Tensor,
        to: tuple[int, ...] | None,
        of: tuple[int, ...] | None,
    ) -> list[torch.Tensor]:
        """The flat parts in the order of ranks, ours among them."""
        import torch

        flat = tensor.contiguous().view(-1)
        own = flat.view(torch.uint8).numpy() if flat.numel() else b""
        received = self._mesh.swap(operation, _name(tensor), own, to=to, of=of)
        parts = {self._mesh.rank: flat}
        for rank, content in received.items():
            parts[rank] = (
                torch.frombuffer(content, dtype=tensor.dtype) if flat.numel() else flat.clone()
            )
        return [parts[rank] for rank in sorted(parts)]


def _sum(parts: list[torch.Tensor]) -> torch.Tensor:
    import torch

    if parts[0].dtype is torch.bool:
        return torch.stack(parts).any(dim=0)
    half = parts[0].dtype in (torch.float16, torch.bfloat16)
    total = parts[0].float() if half else parts[0]
    for part in parts[1:]:
        total = total + part  # fp32 + bf16 is added in fp32
    return total


def _payload_bytes(tensor: torch.Tensor) -> int:
    return int(tensor.numel() * tensor.element_size())


def _is_known(tensor: torch.Tensor) -> bool:
    return tensor.device.type == "cpu" and _name(tensor) in DTYPES


def _name(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
