"""The use case behind `--what-if`: read what is supposed, and plan as if it were so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from homecluster.domain.ids import NodeId
from homecluster.domain.model import ModelSpec
from homecluster.domain.plan import PlanSet
from homecluster.domain.topology import Cluster
from homecluster.domain.units import UnitError, parse_bandwidth, parse_seconds
from homecluster.domain.workload import Serve
from homecluster.errors import InputError
from homecluster.planner.plan import plan
from homecluster.planner.problem import Pins
from homecluster.planner.what_if import LINK_PRESETS, with_links, without


@dataclass(frozen=True, slots=True, kw_only=True)
class Supposed:
    """One supposition and what would then be planned."""

    name: str
    plans: PlanSet


def suppose(
    cluster: Cluster, spec: ModelSpec, workload: Serve, pins: Pins, suppositions: Sequence[str]
) -> tuple[Supposed, ...]:
    """Plans under each of `link=1gbe`, `rtt=0.3ms,bandwidth=1Gbit/s`, `remove=NODE`.

    Raises:
        InputError: a supposition that cannot be read; names the nearest spelling.
    """
    return tuple(
        Supposed(name=text, plans=plan(changed(cluster, text), spec, workload, pins))
        for text in suppositions
    )


def changed(cluster: Cluster, supposition: str) -> Cluster:
    """The cluster under one supposition."""
    pairs = [_pair(part, supposition) for part in supposition.split(",")]
    changes = dict(pairs)
    if len(changes) < len(pairs):
        raise InputError(f"--what-if {supposition} gives {pairs[-1][0]} twice")
    if "remove" in changes and len(changes) == 1:
        return without(cluster, _node(cluster, changes["remove"]))
    if "link" in changes and len(changes) == 1:
        preset = LINK_PRESETS.get(changes["link"].lower())
        if preset is None:
            raise InputError(
                f"--what-if {supposition}: unknown link", hint=f"known: {', '.join(LINK_PRESETS)}"
            )
        return with_links(cluster, rtt_s=None, bandwidth=None, preset=preset)
    if set(changes) <= {"rtt", "bandwidth"}:
        return _relinked(cluster, changes, supposition)
    raise _unreadable(supposition)


def _relinked(cluster: Cluster, changes: dict[str, str], supposition: str) -> Cluster:
    try:
        rtt_s = parse_seconds(changes["rtt"]) if "rtt" in changes else None
        bandwidth = parse_bandwidth(changes["bandwidth"]) if "bandwidth" in changes else None
    except UnitError as error:
        raise InputError(f"--what-if {supposition}: {error}") from error
    if rtt_s == 0 or bandwidth == 0:
        raise InputError(f"--what-if {supposition}: must be more than zero")
    return with_links(cluster, rtt_s=rtt_s, bandwidth=bandwidth)


def _pair(part: str, supposition: str) -> tuple[str, str]:
    key, equals, value = part.partition("=")
    if not equals or not value.strip():
        raise _unreadable(supposition)
    return key.strip(), value.strip()


def _unreadable(supposition: str) -> InputError:
    return InputError(
        f"--what-if {supposition!r} cannot be read",
        hint="write link=1gbe, rtt=0.3ms,bandwidth=1Gbit/s or remove=NODE",
    )


def _node(cluster: Cluster, name: str) -> NodeId:
    known = [node.id for node in cluster.nodes]
    if name not in known:
        close = get_close_matches(name, known, n=1, cutoff=0.4)
        raise InputError(
            f"--what-if remove={name}: there is no such PC",
            hint=f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}",
        )
    if len(known) == 1:
        raise InputError(f"--what-if remove={name}: no PC would be left")
    return NodeId(name)
