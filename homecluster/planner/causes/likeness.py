"""PCs that should agree and do not: software versions, clocks."""

from __future__ import annotations

from homecluster.domain.ids import NodeId
from homecluster.domain.units import format_seconds
from homecluster.planner.causes.case import Case, Found, found

_MUST_MATCH = ("vllm", "torch", "ray", "engine python", "nccl", "homecluster")
"""Ranks of one copy exchange pickled values and raw tensors; Ray refuses another Python, NCCL another release."""
_MINOR = ("engine python",)
"""Of these only the first two numbers count."""
_SKEWED_S = 5.0
"""Tokens live 15 minutes and certificates are checked to the day; logs and leases need seconds."""


def mixed_versions(case: Case) -> Found | None:
    """PCs that would share a copy have different versions of what must match."""
    known = _versions(case)
    for software in _MUST_MATCH:
        seen = {
            node: _comparable(software, versions[software])
            for node, versions in known.items()
            if software in versions
        }
        if len(set(seen.values())) > 1:
            said = ", ".join(f"{node} {version}" for node, version in sorted(seen.items()))
            newest = max(seen.values(), key=_numbers)
            behind = sorted(node for node, version in seen.items() if version != newest)
            return found(
                "mixed-versions",
                f"the PCs have different versions of {software}: {said}; a copy over them fails or hangs at its start",
                do=f"on {', '.join(behind)}: "
                + (
                    "install the same homecluster, then homecluster engine install"
                    if software == "homecluster"
                    else "homecluster engine install --from-peers installs what the others have"
                ),
                argv=("homecluster", "engine", "install"),
            )
    return None


def clock_skew(case: Case) -> Found | None:
    """A PC's clock is wrong by more than protocols and logs bear."""
    for node in case.signs.nodes:
        offset_s = node.clock_offset_s
        if offset_s is not None and abs(offset_s) >= _SKEWED_S:
            way = "ahead" if offset_s > 0 else "behind"
            return found(
                "clock-skew",
                f"the clock of {node.node} is {format_seconds(abs(offset_s))} {way}: tokens expire early, logs do not fit together",
                do=f"on {node.node}: timedatectl set-ntp true (WSL after sleep: wsl --shutdown, or sudo hwclock -s)",
                argv=("timedatectl", "set-ntp", "true"),
            )
    return None


def _versions(case: Case) -> dict[NodeId, dict[str, str]]:
    """Of members first, then of what they told, then of the document; only PCs that count."""
    known: dict[NodeId, dict[str, str]] = {}
    for node in case.cluster.nodes:
        known[node.id] = dict(node.versions)
    for member in case.signs.members:
        known[member.node] = known.get(member.node, {}) | dict(member.versions)
    for node_id, versions in case.signs.versions:
        known[node_id] = known.get(node_id, {}) | dict(versions)
    if case.judged is not None and not case.judged.spans_pcs:
        return {}
    return {node: versions for node, versions in known.items() if case.concerns(node)}


def _comparable(software: str, version: str) -> str:
    """`0.32.0+cpu` and `0.32.0` are one version of vLLM; CPU and CUDA builds of torch are not mixed anyway."""
    plain = version.partition("+")[0]
    return ".".join(plain.split(".")[:2]) if software in _MINOR else plain


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
