from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from homecluster.domain.hardware import ANY_CPU, DeviceKind
from homecluster.engines.vllm_environment import core_shares, engine_environment

CORES = st.lists(st.integers(0, 63), min_size=1, max_size=32, unique=True).map(tuple)


def cpu(**changes: Any) -> dict[str, str]:
    given: dict[str, Any] = {
        "kind": DeviceKind.CPU,
        "ranks": 1,
        "cores": (0, 1, 2, 3),
        "weights_local": True,
    }
    return dict(engine_environment(**(given | changes)))


def test_no_usage_is_reported_to_anyone() -> None:
    assert cpu()["VLLM_NO_USAGE_STATS"] == "1"


def test_the_hub_is_closed_only_when_the_weights_are_here() -> None:
    assert cpu(weights_local=True)["HF_HUB_OFFLINE"] == "1"
    assert "HF_HUB_OFFLINE" not in cpu(weights_local=False)


def test_on_four_cores_one_is_left_to_the_server() -> None:
    assert cpu(cores=(0, 2, 4, 6))["VLLM_CPU_OMP_THREADS_BIND"] == "0,2,4"


def test_on_two_cores_both_compute() -> None:
    assert cpu(cores=(0, 1))["VLLM_CPU_OMP_THREADS_BIND"] == "0,1"


def test_two_ranks_on_two_cores_get_one_each() -> None:
    assert cpu(cores=(0, 1), ranks=2)["VLLM_CPU_OMP_THREADS_BIND"] == "0|1"


def test_under_a_quota_the_threads_are_counted_and_bound_to_no_cpu() -> None:
    environment = cpu(cores=(ANY_CPU,) * 4, ranks=2)
    assert environment["VLLM_CPU_OMP_THREADS_BIND"] == "nobind"
    assert environment["OMP_NUM_THREADS"] == "2"
    assert "OMP_NUM_THREADS" not in cpu()  # a list of CPUs counts them


def test_an_uneven_partition_is_told_to_every_stage() -> None:
    assert cpu(ranks=2, partition=(8, 4))["VLLM_PP_LAYER_PARTITION"] == "8,4"
    assert "VLLM_PP_LAYER_PARTITION" not in cpu(partition=(12,))


def test_intels_openmp_is_loaded_first_where_there_is_one() -> None:
    assert cpu(openmp_library="/e/lib/libiomp5.so")["LD_PRELOAD"] == "/e/lib/libiomp5.so"
    assert "LD_PRELOAD" not in cpu()


def test_on_cpu_nothing_is_compiled_before_the_first_token() -> None:
    assert cpu()["TORCHDYNAMO_DISABLE"] == "1"
    assert "TORCHDYNAMO_DISABLE" not in cpu(kind=DeviceKind.CUDA, cores=())


def test_cuda_gets_its_devices_in_the_order_nvml_counts_and_no_cpu_setting() -> None:
    env = cpu(kind=DeviceKind.CUDA, cores=(), device_indices=(1, 0))
    assert env["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert env["CUDA_VISIBLE_DEVICES"] == "1,0"
    assert not any(name.startswith("VLLM_CPU") for name in env)


@given(CORES, st.integers(1, 8))
def test_every_rank_gets_cores_and_all_get_as_many(cores: tuple[int, ...], ranks: int) -> None:
    shares = core_shares(cores, ranks)
    assert len(shares) == ranks
    assert len({len(share) for share in shares}) == 1
    assert all(set(share) <= set(cores) for share in shares)


@given(CORES, st.integers(1, 8))
def test_no_core_serves_two_ranks_while_there_are_enough(
    cores: tuple[int, ...], ranks: int
) -> None:
    used = [core for share in core_shares(cores, ranks) for core in share]
    if len(cores) >= ranks:
        assert len(used) == len(set(used))
