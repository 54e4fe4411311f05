import re

import pytest

from homecluster.domain.hardware import DeviceKind
from homecluster.domain.units import GIB
from homecluster.store.engine_lock import bundled_lock, parse_lock

BOTH = pytest.mark.parametrize("kind", list(DeviceKind))


@BOTH
def test_every_requirement_is_one_exact_version(kind: DeviceKind) -> None:
    lines = [line for group in bundled_lock(kind).groups for line in group.requirements]
    assert len(lines) > 100
    assert all(re.fullmatch(r"[a-z0-9.-]+={2,3}[\w.+]+", line) for line in lines), lines
    names = [re.split("=", line)[0] for line in lines]
    assert len(names) == len(set(names))


def test_both_kinds_hold_the_same_vllm_ray_and_transformers() -> None:
    cpu, cuda = bundled_lock(DeviceKind.CPU), bundled_lock(DeviceKind.CUDA)
    assert cpu.vllm_version == cuda.vllm_version
    for name in ("ray", "transformers", "tokenizers", "numpy"):
        assert cpu.version(name) == cuda.version(name)
    assert cpu.version("torch") == cuda.version("torch") + "+cpu"


def test_the_cpu_lock_leaves_out_what_breaks_torch_cpu() -> None:
    text = "\n".join(
        line for group in bundled_lock(DeviceKind.CPU).groups for line in group.requirements
    )
    assert not re.search(
        r"^(torchvision|torchaudio|torchcodec|triton|nvidia-cu)", text, re.MULTILINE
    )


def test_the_cuda_lock_cannot_be_met_by_a_cpu_build() -> None:
    lines = [line for group in bundled_lock(DeviceKind.CUDA).groups for line in group.requirements]
    assert "torch===2.13.0" in lines  # `==2.13.0` also takes 2.13.0+cpu


def test_pip_comes_first_because_the_next_groups_need_its_progress() -> None:
    for kind in DeviceKind:
        assert bundled_lock(kind).groups[0].title == "pip"


def test_a_changed_lock_is_another_lock() -> None:
    text = "# homecluster.engine-lock/1\n# kind: cpu\n# disk: 3 GiB\n\n#: pip\npip==26.3\n"
    one, other = parse_lock(text), parse_lock(text.replace("26.3", "26.4"))
    assert one.disk_bytes == 3 * GIB
    assert one.sha256 != other.sha256
