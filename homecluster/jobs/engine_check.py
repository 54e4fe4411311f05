"""Whether the engine environment works: imports vLLM, multiplies with torch, prints what it found.

Runs inside the engine environment: `python -m homecluster.jobs.engine_check`.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version


def main() -> int:
    """0 and one JSON line; any trouble is a traceback, whose last line tells."""
    import torch
    import vllm
    from vllm.platforms import current_platform

    device = current_platform.device_type
    ones = torch.ones(2, 2, device=device)
    if not torch.equal(ones @ ones, 2 * ones):
        raise ArithmeticError(f"torch multiplies wrongly on {device}")
    found = {
        "device": device,
        "vllm": vllm.__version__,
        "torch": torch.__version__,
        "ray": version("ray"),
        "platform": type(current_platform).__name__,
    }
    sys.stdout.write("\n" + json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
