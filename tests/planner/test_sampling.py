"""Drawing a token costs in proportion to the vocabulary and to the sequences."""

from __future__ import annotations

import pytest

from homecluster.domain.hardware import DeviceKind
from homecluster.domain.workload import Serve
from homecluster.planner.plan import plan
from homecluster.planner.problem import Pins
from tests.builders import cluster, device, model, node


def host_s(per_logit_s: float, *, concurrent: int = 1) -> float:
    cpu = device(kind=DeviceKind.CPU, sampling_s_per_logit=per_logit_s)
    (best,) = plan(
        cluster(node("a", cpu)), model(), Serve(concurrent_requests=concurrent), Pins()
    ).plans
    return best.estimate.terms.host_s


def test_each_sequence_draws_over_the_whole_vocabulary() -> None:
    vocabulary = model().vocab_size

    one = host_s(20e-9) - host_s(10e-9)
    four = host_s(20e-9, concurrent=4) - host_s(10e-9, concurrent=4)

    assert one == pytest.approx(vocabulary * 10e-9)
    # The first tokens of four prompts that are read together are drawn in the prefill.
    assert four == pytest.approx(4 * vocabulary * 10e-9, rel=0.1)
