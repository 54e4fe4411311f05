import pytest

from homecluster.domain.plan import BreakEvenState
from homecluster.domain.workload import Serve
from homecluster.planner import candidates, verdict
from homecluster.planner.problem import Pins
from homecluster.planner.search import search
from tests.builders import cluster, model, node


def test_a_pair_whose_only_split_no_candidate_makes_still_has_a_break_even(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The exact search knows splits of layers that the candidates do not; it crashed for these."""
    home, spec, workload = cluster(node("a"), node("b")), model(), Serve()
    found = search(home, spec, workload, Pins()).found
    monkeypatch.setattr(candidates, "spanning_copies", lambda _problem: ())
    even = verdict.pair_break_even(home, spec, workload, found, baseline_rate=1.0)
    assert even.state in set(BreakEvenState)
