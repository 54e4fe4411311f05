"""Every trouble that is made in a home whose PCs run homecluster, and the cause that must be named first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final

from tests.cluster.lab_link_troubles import (
    NEW_CONNECTION,
    asleep,
    blackhole,
    got_worse,
    isolated,
    link,
    listed_as_wireless,
    nft,
)
from tests.cluster.lab_pc_troubles import (
    another_version,
    hot,
    left_engine,
    memory,
    on_battery,
    over,
    short_of_quota,
    small_wsl,
    swapping,
    wrong_clock,
)
from tests.cluster.lab_site import Site, Trouble, both, probe


def planned(*arguments: str) -> Trouble:
    """A layout that does not suit, judged on the live cluster with its measured links.

    Both PCs have the same memory on every machine that runs this.
    """
    plenty = {"": memory(24, 20)}

    @contextmanager
    def harm(site: Site) -> Iterator[tuple[str, ...]]:
        if not any(site.asks.state.glob("links/*.json")):
            probe(site, "--quick")
        a, b = site.asks.host, site.harmed
        with over(a, "/proc/meminfo", plenty), over(b, "/proc/meminfo", plenty):
            yield ("--nodes", "a,b", *arguments)

    return harm


_PIPE = ("--tensor-parallel", "1", "--pipeline-parallel", "2", "--replicas", "1")
_TENSOR = ("--tensor-parallel", "2", "--pipeline-parallel", "1", "--replicas", "1")
_LONG = ("--prompt-tokens", "1000", "--output-tokens", "4", "--concurrency", "8")
NO_MULTICAST = nft("output", "ip daddr 224.0.0.0/4")
ONE_WAY = nft("input", NEW_CONNECTION, "b")
LOSS = link(loss_percent=3)
TROUBLES: Final[Mapping[str, tuple[str, Trouble]]] = MappingProxyType(
    {
        "clients kept apart": ("client-isolation", isolated),
        "multicast dropped": ("multicast-dropped", NO_MULTICAST),
        "a firewall on one PC": ("firewall-drop", ONE_WAY),
        "a firewall on two PCs": ("firewall-drop", nft("input", NEW_CONNECTION, "b", "c")),
        "a PC asleep": ("member-gone", asleep),
        "a wrong clock": ("clock-skew", wrong_clock),
        "an old engine": ("stale-processes", left_engine),
        "on battery": ("power-saving", on_battery),
        "swapping": ("memory-pressure", swapping),
        "WSL's share of memory": ("wsl-memory-cap", small_wsl),
        "a container's quota": ("cpu-quota", short_of_quota),
        "heat": ("throttled", hot),
        "another homecluster": ("mixed-versions", another_version),
        "loss": ("packet-loss", LOSS),
        "a thin uplink": ("asymmetric-uplink", link(direction="up", rate_mbit=3)),
        "a full queue": ("bufferbloat", link(rate_mbit=20, queue_kib=1024)),
        "large packets vanish": ("mtu-blackhole", blackhole),
        "a link that got worse": ("link-got-worse", got_worse),
        "Wi-Fi that sleeps": ("wifi-power-save", both(listed_as_wireless, link(host="c", direction="down", wakes_ms=100))),
        "tensor parallel over a link": ("latency-bound-tensor-parallel", planned("--model", "gpt2", *_TENSOR)),
        "long prompts over a thin link": ("thin-link", both(link(rate_mbit=20), planned("--model", "gpt2", *_TENSOR, *_LONG))),
        "a pipeline nobody needs": ("distributing-does-not-pay", planned("--model", "llama-2-7b", *_PIPE, "--concurrency", "8")),
        "a lopsided cut": ("uneven-split", planned("--model", "llama-2-13b", *_PIPE, "--concurrency", "2", "--prompt-tokens", "64", "--output-tokens", "64", "--partition", "26,14")),
        "one request for two stages": ("too-little-concurrency", planned("--model", "llama-2-13b", *_PIPE, "--goal", "throughput")),
        "a model too large": ("cannot-run", planned("--model", "llama-2-70b", *_PIPE)),
        "more requests than cache": ("kv-cache-too-small", planned("--model", "llama-2-13b", *_PIPE, "--concurrency", "400")),
    }
)  # fmt: skip
PAIRS: Final[Mapping[str, tuple[str, Trouble]]] = MappingProxyType(
    {
        "a firewall, swapping": ("firewall-drop", both(ONE_WAY, swapping)),
        "an old engine, on battery": ("stale-processes", both(left_engine, on_battery)),
        "a wrong clock, multicast dropped": ("clock-skew", both(wrong_clock, NO_MULTICAST)),
        "loss, multicast dropped": ("packet-loss", both(LOSS, NO_MULTICAST)),
        "clients kept apart, on battery": ("client-isolation", both(isolated, on_battery)),
        "a wrong clock, a container's quota": ("clock-skew", both(wrong_clock, short_of_quota)),
    }
)
MEASURING: Final = frozenset(
    {
        "loss",
        "a thin uplink",
        "a full queue",
        "large packets vanish",
        "a link that got worse",
        "Wi-Fi that sleeps",
        "loss, multicast dropped",
        "tensor parallel over a link",
        "long prompts over a thin link",
    }
)
"""Troubles that are told by the figures of a link."""
LAYOUTS: Final = frozenset(
    {
        "a pipeline nobody needs",
        "a lopsided cut",
        "one request for two stages",
        "a model too large",
        "more requests than cache",
    }
)
"""Troubles of a plan: nothing is done to the home, so nothing heals."""
