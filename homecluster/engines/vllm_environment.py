"""Which environment variables a vLLM process gets on one PC, and which CPU cores its ranks use."""

from __future__ import annotations

from collections.abc import Mapping

from homecluster.domain.hardware import ANY_CPU, DeviceKind

FEW_CORES = 2
"""Up to here every core computes; docs/decisions/0010-cpu-engine-runs-eager.md has the figures."""

Environment = tuple[tuple[str, str], ...]
"""(name, value), sorted by name."""


def engine_environment(
    *,
    kind: DeviceKind,
    ranks: int,
    cores: tuple[int, ...],
    weights_local: bool,
    partition: tuple[int, ...] = (),
    device_indices: tuple[int, ...] = (),
    openmp_library: str | None = None,
) -> Environment:
    """Variables of every vLLM process of a copy that lives on one PC.

    Args:
        kind: the devices' kind; a copy never mixes kinds.
        ranks: processes that compute: tensor parallel times pipeline parallel.
        cores: logical CPU ids (or `ANY_CPU`), one for each physical core that this process may use; CPU only.
        weights_local: the model is a folder here, so the hub must not be asked.
        partition: layers per pipeline stage; empty: one stage.
        device_indices: CUDA devices to use; empty: all.
        openmp_library: path of the engine environment's Intel OpenMP, where it has one; CPU only.
    """
    variables: dict[str, str] = {
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        # Without it vLLM asks the routing table for an address that other PCs could reach.
        "VLLM_HOST_IP": "127.0.0.1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    if weights_local:
        variables |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    if len(partition) > 1:
        variables["VLLM_PP_LAYER_PARTITION"] = ",".join(map(str, partition))
    match kind:
        case DeviceKind.CPU:
            variables |= _cpu_variables(ranks, cores, openmp_library)
        case DeviceKind.CUDA:
            variables |= _cuda_variables(device_indices)
    return tuple(sorted(variables.items()))


def _cpu_variables(
    ranks: int, cores: tuple[int, ...], openmp_library: str | None
) -> Mapping[str, str]:
    shares = core_shares(cores, ranks)
    # Its idle threads sleep after 5 ms; GNU's spin and take the cores from server and scheduler.
    preload = {"LD_PRELOAD": openmp_library} if openmp_library else {}
    return preload | {
        **_threads(shares),
        # The engine runs eager; the helpers that vLLM compiles all the same cost half a minute at the
        # first token of a tensor-parallel copy and need a C++ compiler (decision 0141).
        "TORCHDYNAMO_DISABLE": "1",
        # All ranks and the server share one PC: gloo must not look for a route.
        "GLOO_SOCKET_IFNAME": "lo",
    }


def _threads(shares: tuple[tuple[int, ...], ...]) -> Mapping[str, str]:
    """Explicit lists, for vLLM's `auto` refuses more ranks than NUMA nodes; under a quota only how many."""
    if ANY_CPU in shares[0]:
        return {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": str(len(shares[0]))}
    lists = "|".join(",".join(map(str, share)) for share in shares)
    return {"VLLM_CPU_OMP_THREADS_BIND": lists}


def _cuda_variables(device_indices: tuple[int, ...]) -> Mapping[str, str]:
    variables = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}  # the order in which NVML counts them
    if device_indices:
        variables["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, device_indices))
    return variables


def core_shares(cores: tuple[int, ...], ranks: int) -> tuple[tuple[int, ...], ...]:
    """Cores of each rank: consecutive, equal in number, none shared while there are enough.

    One core is left to the API server and the scheduler where there are more than two a rank;
    with fewer its loss costs more than the sharing does.
    """
    assert cores
    assert ranks > 0
    if len(cores) < ranks:
        return tuple((cores[rank % len(cores)],) for rank in range(ranks))
    computing = cores[:-1] if len(cores) > FEW_CORES * ranks else cores
    each = len(computing) // ranks
    return tuple(computing[rank * each : (rank + 1) * each] for rank in range(ranks))
