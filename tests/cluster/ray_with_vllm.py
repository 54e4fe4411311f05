"""A gang of real vLLM under a Ray of its own; asked for by name until it has passed:

`python -m pytest tests/cluster/ray_with_vllm.py`.
"""

from pathlib import Path

import pytest

from homecluster.domain.plan import Backend
from homecluster.store.engine_store import Engine
from tests.cluster.gang_in_lab import lab_gang
from tests.cluster.test_gangs import _lab_possible, single
from tests.live.test_plugin import PROMPTS

__all__ = ["_lab_possible", "single"]

pytestmark = [pytest.mark.lab, pytest.mark.engine, pytest.mark.slow]


def test_tensor_parallel_under_a_ray_of_its_own_gives_the_tokens_of_one_pc(
    engine: Engine, tiny_llama: Path, single: list[list[int]]
) -> None:
    with lab_gang("1gbe", engine, tiny_llama, backend=Backend.RAY) as gang:
        gang.wait_until_it_runs()
        assert [gang.complete(prompt, 24) for prompt in PROMPTS] == single
        gang.stop()
