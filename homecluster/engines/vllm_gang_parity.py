"""Whether the PCs of a gang run the same programs: ranks of unlike versions fail in ways nobody can read."""

from __future__ import annotations

from collections.abc import Mapping

from homecluster.domain.plan import Backend

ALIKE = ("homecluster", "vllm", "torch")
"""Must be the very same: messages between ranks are pickled by them."""
ALIKE_WITH_RAY = ("ray", "engine python")
"""Ray refuses another Ray, and another Python down to the patch level."""


def mismatches(versions: Mapping[str, Mapping[str, str]], backend: Backend) -> tuple[str, ...]:
    """One sentence for each program of which the PCs have unlike versions; empty when all agree.

    Args:
        versions: program -> version, by the PC's name.
        backend: Ray asks for more likeness than vLLM's own multi-host mode.
    """
    programs = ALIKE + (ALIKE_WITH_RAY if backend is Backend.RAY else ())
    found = [_unlike(program, versions) for program in programs]
    if backend is not Backend.RAY:
        minors = {
            name: {"engine python": ".".join(own.get("engine python", "?").split(".")[:2])}
            for name, own in versions.items()
        }
        found.append(_unlike("engine python", minors))
    return tuple(sentence for sentence in found if sentence)


def _unlike(program: str, versions: Mapping[str, Mapping[str, str]]) -> str | None:
    has = {name: own.get(program, "none") for name, own in versions.items()}
    if len(set(has.values())) == 1:
        return None
    told = ", ".join(f"{version} on {name}" for name, version in has.items())
    return f"{program} differs: {told}"
