"""The measurement computes with the threads of a vLLM worker."""

from __future__ import annotations

import pytest

from homecluster.jobs.worker_threads import bound_cpus, worker_environment


@pytest.mark.parametrize(
    ("binding", "cpus"),
    [
        ("0,1", (0, 1)),
        ("0-3", (0, 1, 2, 3)),
        ("5,2-4", (5, 2, 3, 4)),
        ("0,1|2,3", (0, 1)),
        ("auto", ()),
        ("nobind", ()),
    ],
)
def test_the_first_ranks_cpus_are_read_as_vllm_writes_them(
    binding: str, cpus: tuple[int, ...]
) -> None:
    assert bound_cpus(binding) == cpus


def test_any_openmp_is_bound_by_the_standard_variables() -> None:
    environment = worker_environment({"A": "b", "VLLM_CPU_OMP_THREADS_BIND": "0,2"})
    assert environment["OMP_NUM_THREADS"] == "2"
    assert environment["OMP_PLACES"] == "{0,2}"
    assert environment["OMP_PROC_BIND"] == "true"
    assert environment["A"] == "b"


def test_intels_openmp_is_bound_by_its_own() -> None:
    environment = worker_environment(
        {"LD_PRELOAD": "/e/lib/libiomp5.so", "VLLM_CPU_OMP_THREADS_BIND": "0,2"}
    )
    assert environment["KMP_AFFINITY"] == "granularity=fine,explicit,proclist=[0,2]"
    assert "OMP_PLACES" not in environment


def test_without_a_list_nothing_is_bound() -> None:
    assert worker_environment({"VLLM_CPU_OMP_THREADS_BIND": "auto"}) == {
        "VLLM_CPU_OMP_THREADS_BIND": "auto"
    }
