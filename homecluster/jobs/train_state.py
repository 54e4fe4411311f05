"""The whole state of a training, free of how many ranks share it: what a checkpoint holds, and how it comes back.

DeepSpeed's own checkpoints have one file per rank, each on that rank's disk, for exactly so many ranks. Here rank 0
gathers every trained weight in fp32 with both moments of Adam, so a training goes on with fewer PCs, or more.
Both functions are collective: every rank calls them. 12 bytes per trained parameter cross the link.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import torch

WEIGHT: Final = "weight"
MOMENTS: Final = ("exp_avg", "exp_avg_sq")
BYTES_PER_PARAMETER: Final = 12

State = dict[str, dict[str, "torch.Tensor"]]
"""By the parameter's name: its fp32 weight and Adam's moments."""


def begin(engine: Any) -> None:
    """Let Adam count from the first real step.

    In stage 0 DeepSpeed makes the moments by a step without gradients and counts it, which makes the first real
    steps a quarter shorter than in the other stages.
    """
    for state in _torch_adam(engine).state.values():
        state["step"].zero_()


def gather(engine: Any) -> State:
    """Every trained parameter after at least one step; filled on rank 0, empty on the others."""
    from torch import distributed

    masters = _masters(engine)
    state: State = {}
    for name, parameter in _trained(engine):
        parts = {part: _read(engine, masters, parameter, part).cpu() for part in (WEIGHT, *MOMENTS)}
        if distributed.get_rank() == 0:
            state[name] = parts
    return state


def restore(engine: Any, state: State, step: int) -> None:
    """Put what rank 0 brings into every rank; `state` of the others is not read, `step` must be told to all."""
    import torch
    from torch import distributed

    _make_moments(engine, step)
    masters = _masters(engine)
    for name, parameter in _trained(engine):
        shape = getattr(parameter, "ds_shape", parameter.shape)
        for part in (WEIGHT, *MOMENTS):
            value = torch.empty(shape, dtype=torch.float32, device=engine.device)
            if distributed.get_rank() == 0:
                value.copy_(state[name][part])
            distributed.broadcast(value, 0)
            _write(engine, masters, parameter, part, value)


def _trained(engine: Any) -> Iterator[tuple[str, Any]]:
    return ((n, p) for n, p in engine.module.named_parameters() if p.requires_grad)


def _masters(engine: Any) -> dict[int, Any]:
    """Stage 0 only: the fp32 tensor behind each parameter; with fp32 arithmetic, the parameter itself."""
    if engine.zero_optimization_stage() > 0:
        return {}
    optimizer = engine.optimizer
    if not hasattr(optimizer, "fp32_groups"):
        return {id(p): p for _, p in _trained(engine)}
    return {
        id(low): high
        for lows, highs in zip(optimizer.fp16_groups, optimizer.fp32_groups, strict=True)
        for low, high in zip(lows, highs, strict=True)
    }


def _torch_adam(engine: Any) -> Any:
    """The optimiser inside DeepSpeed's wrapper."""
    return getattr(engine.optimizer, "optimizer", engine.optimizer)


def _read(engine: Any, masters: dict[int, Any], parameter: Any, part: str) -> Any:
    from deepspeed.utils import safe_get_full_fp32_param, safe_get_full_optimizer_state

    if engine.zero_optimization_stage() == 0:
        master = masters[id(parameter)]
        return (master if part == WEIGHT else _torch_adam(engine).state[master][part]).detach()
    if part == WEIGHT:
        return safe_get_full_fp32_param(parameter)
    return safe_get_full_optimizer_state(parameter, part)


def _write(engine: Any, masters: dict[int, Any], parameter: Any, part: str, value: Any) -> None:
    """A weight goes into fp32 and into the 16-bit copy that computes."""
    import deepspeed
    import torch
    from deepspeed.utils import safe_set_full_fp32_param, safe_set_full_optimizer_state

    stage = engine.zero_optimization_stage()
    if stage == 0:
        master = masters[id(parameter)]
        (master if part == WEIGHT else _torch_adam(engine).state[master][part]).data.copy_(value)
    elif part == WEIGHT:
        safe_set_full_fp32_param(parameter, value)
    else:
        safe_set_full_optimizer_state(parameter, value, part)
    if part == WEIGHT:
        whole = deepspeed.zero.GatheredParameters([parameter], modifier_rank=0, enabled=stage == 3)  # noqa: PLR2004 - the stage's own number
        with torch.no_grad(), whole:
            parameter.data.copy_(value)


def _make_moments(engine: Any, step: int) -> None:
    """What torch's Adam makes in its first step, so that there is a place for what is restored."""
    import torch

    adam, optimizer = _torch_adam(engine), engine.optimizer
    if engine.zero_optimization_stage() == 3:  # noqa: PLR2004 - as above
        flats = optimizer.fp32_partitioned_groups_flat
    else:
        flats = [one for group in adam.param_groups for one in group["params"]]
    for flat in flats:
        adam.state[flat] = {
            "step": torch.tensor(float(step)),
            **{moment: torch.zeros_like(flat.data) for moment in MOMENTS},
        }
    if hasattr(optimizer, "_lazy_init_hp_params_optimizer_state"):
        optimizer._lazy_init_hp_params_optimizer_state()  # noqa: SLF001 - what DeepSpeed calls after its first step
