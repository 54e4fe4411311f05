"""What is measured: models, layouts, links between the PCs, and loads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from homecluster.domain.hardware import DType
from homecluster.domain.model import ModelSpec
from homecluster.domain.plan import Backend
from homecluster.domain.small_collectives import SmallCollectives
from homecluster.store.model_config import parse_config
from homecluster.store.models import find_model
from tests.lab.homes import home_named, host_names, lan, line_mbit, shape, wired
from tests.lab.pipe import Shape
from tests.lab.plan import HomePlan

TINY_LLAMA: Final[dict[str, Any]] = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 256,
    "intermediate_size": 688, "num_hidden_layers": 8, "num_attention_heads": 8,
    "num_key_value_heads": 4, "vocab_size": 8192, "max_position_embeddings": 2048,
    "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": False, "torch_dtype": "float32",
}  # fmt: skip
MODELS: Final = ("gpt2", "gpt2-medium", "qwen2.5-0.5b", "tiny-llama")


@cache
def config_of(model: str) -> dict[str, Any]:
    return dict(TINY_LLAMA if model == "tiny-llama" else find_model(model).config)


@cache
def spec_of(model: str) -> ModelSpec:
    return parse_config(config_of(model), name=model, where="the grid")


def dtype_of(model: str) -> DType:
    """fp32 for the tiny one: its tokens are compared between layouts, which round differently in bf16."""
    return DType.FP32 if model == "tiny-llama" else DType.BF16


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One model in one layout, one rank on each PC; started once, measured under many links and loads."""

    model: str
    layout: str
    backend: Backend = Backend.MP

    @property
    def name(self) -> str:
        by = " by Ray" if self.backend is Backend.RAY else ""
        return f"{self.model} {self.layout}{by}"

    @property
    def tensor_parallel(self) -> int:
        return 2 if self.layout in {"tensor", "exchange"} else 1

    @property
    def partition(self) -> tuple[int, ...]:
        """Layers of each stage."""
        layers = spec_of(self.model).layers
        match self.layout:
            case "pipeline":
                return (layers // 2, layers - layers // 2)
            case "uneven":
                return (layers // 3, layers - layers // 3)
            case "three":
                return (layers // 3, layers // 3, layers - 2 * (layers // 3))
        return (layers,)

    @property
    def hosts(self) -> tuple[str, ...]:
        return host_names(self.tensor_parallel * len(self.partition))

    @property
    def small_collectives(self) -> SmallCollectives:
        exchanged = self.layout == "exchange"
        return SmallCollectives.EXCHANGE if exchanged else SmallCollectives.ENGINE


STARTS: Final = (
    *(Start(model=model, layout="single") for model in MODELS),
    Start(model="gpt2", layout="tensor", backend=Backend.RAY),
    Start(model="gpt2", layout="exchange"),
    Start(model="gpt2", layout="pipeline"),
    Start(model="gpt2", layout="tensor"),
    Start(model="qwen2.5-0.5b", layout="exchange"),
    Start(model="qwen2.5-0.5b", layout="pipeline"),
    Start(model="tiny-llama", layout="exchange"),
    Start(model="tiny-llama", layout="pipeline"),
    Start(model="gpt2-medium", layout="exchange"),
    Start(model="gpt2-medium", layout="pipeline"),
    Start(model="gpt2", layout="pipeline", backend=Backend.RAY),
    Start(model="gpt2", layout="uneven"),
    Start(model="tiny-llama", layout="tensor"),
    Start(model="gpt2", layout="three"),
    Start(model="gpt2", layout="three", backend=Backend.RAY),
    Start(model="qwen2.5-0.5b", layout="tensor"),
    Start(model="gpt2-medium", layout="tensor"),
)
"""In the order in which they are measured."""


def _lopsided(hosts: int) -> HomePlan:
    """The first PC sends slowly, as over a DSL line, and hears quickly."""
    slow = shape(rate_mbit=line_mbit(20), rtt_ms=10, queue_kib=256)
    fast = shape(rate_mbit=line_mbit(100), rtt_ms=10, queue_kib=256)
    return _sides("lopsided", hosts, slow, fast)


def _late_one_way(hosts: int) -> HomePlan:
    """What the first PC sends comes 8 ms late, what it hears does not."""
    late = shape(rate_mbit=line_mbit(300), rtt_ms=32)
    return _sides("late one way", hosts, late, shape(rate_mbit=line_mbit(300), rtt_ms=0.4))


def _sides(name: str, hosts: int, up: Shape, down: Shape) -> HomePlan:
    """One PC's way out and in; the others are on fast cables."""
    cable = shape(rate_mbit=line_mbit(940), rtt_ms=0.3)
    first, *others = (wired(host, i, cable) for i, host in enumerate(host_names(hosts)))
    made = type(first)(**{**_fields(first), "up": up, "down": down})
    return lan(name, "", (made, *others))


def _fields(one: Any) -> dict[str, Any]:
    return {name: getattr(one, name) for name in type(one).__dataclass_fields__}


def _cables(
    name: str, tcp_mbit: float, rtt_ms: float, jitter_ms: float = 0.0
) -> Callable[[int], HomePlan]:
    link = shape(rate_mbit=line_mbit(tcp_mbit), rtt_ms=rtt_ms, jitter_ms=jitter_ms)
    return lambda hosts: lan(
        name, "", tuple(wired(host, i, link) for i, host in enumerate(host_names(hosts)))
    )


def _home(name: str) -> Callable[[int], HomePlan]:
    return lambda hosts: home_named(name, hosts)


LINKS: Final[dict[str, Callable[[int], HomePlan]]] = {
    "1gbe": _home("1gbe"),
    "hotspot": _home("hotspot"),
    "wifi5": _home("wifi5"),
    "mixed": _home("mixed"),
    "wifi6": _home("wifi6"),
    "100mbe": _home("100mbe"),
    "powerline": _cables("powerline", 60, 5, 3),
    "lopsided": _lopsided,
    "late one way": _late_one_way,
}
"""The first is the one on which engines are started."""


_UNLIKE: Final = frozenset({"mixed", "lopsided", "late one way"})
"""Whose PCs differ: links are probed between two, and say nothing of a third there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """So many requests at once, each with this many new random tokens."""

    requests: int
    prompt_tokens: int


LOADS: Final = (
    Load(requests=1, prompt_tokens=16),
    Load(requests=4, prompt_tokens=16),
    Load(requests=16, prompt_tokens=16),
    Load(requests=1, prompt_tokens=128),
)
ALONE: Final = (
    *LOADS,
    Load(requests=2, prompt_tokens=64),
    Load(requests=8, prompt_tokens=32),
    Load(requests=4, prompt_tokens=128),
)
"""Of one PC, where no link takes time: more of them, since calibration learns from these."""


def loads_of(start: Start) -> tuple[Load, ...]:
    if start.layout == "single":
        return ALONE
    if start.layout == "three":  # three PCs on two cores: only one of them may compute at a time
        return tuple(load for load in LOADS if load.requests == 1)
    return LOADS


def links_of(start: Start) -> tuple[str, ...]:
    if start.layout == "single":
        return ("none",)
    if start.layout == "three":
        return tuple(link for link in LINKS if link not in _UNLIKE)
    return tuple(LINKS)


def model_folder(root: Path, model: str) -> Path:
    return root / f"grid-{model}"


SLOW_STARTS: Final = tuple(
    (Start(model="gpt2", layout=layout, backend=backend), link)
    for link in ("hotspot", "wifi5")
    for layout, backend in (
        ("tensor", Backend.MP),
        ("pipeline", Backend.MP),
        ("tensor", Backend.RAY),
        ("three", Backend.MP),
    )
)
"""Started once more on a slow link, for the start alone."""
