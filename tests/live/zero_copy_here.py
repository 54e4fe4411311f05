"""Run by tests/live/test_zero_copy.py inside the engine environment, without Ray: one process, one buffer.

Prints JSON: what became of a module with tied weights, buffers, plain tensors and references between modules.
"""

import json
import sys

import torch
from torch import nn

from homecluster.jobs.shared_weights import ends_by_signal
from homecluster.jobs.zero_copy import put_together, taken_apart


class Odd(nn.Module):  # type: ignore[misc] # torch is not installed here
    """What real models have: a tied head, a buffer, a plain tensor, and a module that another one knows."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(300, 64)
        self.norm = nn.LayerNorm(64, dtype=torch.float64)
        self.head = nn.Linear(64, 300, bias=False)
        self.head.weight = self.table.weight
        self.register_buffer("places", torch.arange(9))
        self.scale = torch.tensor([2.0], dtype=torch.bfloat16)
        self.also_known = [self.table]

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        inner = self.norm(self.also_known[0](tokens + self.places[0]).double())
        return self.head(inner.float()) * self.scale


def main() -> None:
    torch.manual_seed(5)
    model = Odd().eval()
    form, buffer = taken_apart(model)
    buffer.flags.writeable = False
    again = put_together(form, buffer)
    tokens = torch.arange(8)
    first, last = buffer.ctypes.data, buffer.ctypes.data + buffer.nbytes
    places = [p.data_ptr() for p in (*again.parameters(), *again.buffers(), again.scale)]
    try:
        again.table.weight.add_(1)
        refused = False
    except RuntimeError:
        refused = True
    found = {
        "same": torch.equal(model(tokens), again(tokens)),
        "inside": all(first <= place < last for place in places),
        "tied": again.head.weight is again.table.weight,
        "same_reference": again.also_known[0] is again.table,
        "evaluates": not again.training,
        "refused": refused,
        "ends": ends_by_signal(again.table.weight.data[9:].zero_),
        "names": list(again.state_dict()) == list(model.state_dict()),
        "hooks_apart": again.table._forward_hooks is not again.head._forward_hooks,
    }
    places.clear()
    again = None
    buffer.flags.writeable = True
    buffer[:] = 0  # once the module is gone the pages may be written again
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
