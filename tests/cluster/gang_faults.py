"""What can go wrong with one copy over two PCs: each fault with its stated outcome, and how it is made.

`benchmarks.faults` shows all of them, test_gang_faults.py the quick ones.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.cluster import gang_breaking as make
from tests.cluster.gang_home import PORT
from tests.cluster.gang_outcomes import Show, comes_up, ends, goes_on, interrupted, refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that goes wrong, and what the user is promised then."""

    name: str
    outcome: str
    show: Show
    home: str = "1gbe"


ENGINE, KEEPER, SHARE, LEADER = (
    "gang_engine_process -S",
    "launch.keeper",
    "gang_share_process",
    "app.gang_process",
)
KILLED = "the engine was killed (SIGKILL)"
OWNER_KILLED = "its supervisor was killed"
SAYS_NO_MORE = "has not answered for"

FAULTS = (
    Fault(
        name="kill -9 of the first rank",
        outcome=f"fails: {KILLED}",
        show=ends(make.killed("a", ENGINE), says=f"a: {KILLED}"),
    ),
    Fault(
        name="kill -9 of a rank on another PC",
        outcome=f"fails: {KILLED}",
        show=ends(make.killed("b", ENGINE), says=f"b: {KILLED}"),
    ),
    Fault(
        name="kill -9 of the parent of a rank",
        outcome="fails, with the PC's name",
        show=ends(make.killed("b", KEEPER), says="b: "),
    ),
    Fault(
        name="kill -9 of a share's supervisor",
        outcome=f"fails: {OWNER_KILLED}",
        show=ends(make.killed("b", SHARE), says=OWNER_KILLED),
    ),
    Fault(
        name="kill -9 of the leading process",
        outcome=f"{OWNER_KILLED}; shares end by their leases",
        show=ends(make.killed("a", LEADER), says=OWNER_KILLED),
    ),
    Fault(
        name="kill -9 of another PC's agent",
        outcome=f"fails: b {SAYS_NO_MORE} 10 s",
        show=ends(make.agent_killed("b"), says=f"b {SAYS_NO_MORE}", mended=make.rejoined),
    ),
    Fault(
        name="the same, restarted at once (as a service is)",
        outcome="goes on",
        show=goes_on(make.agent_restarted),
    ),
    Fault(
        name="kill -9 of the coordinator's agent",
        outcome="fails: no agent runs",
        show=ends(make.agent_killed("a"), says="no agent runs", mended=make.rejoined),
    ),
    Fault(name="link down for 1 s", outcome="goes on", show=goes_on(make.link_down(1))),
    Fault(
        name="link down for 20 s",
        outcome=f"fails: b {SAYS_NO_MORE} 10 s",
        show=ends(make.link_down(20), says=f"b {SAYS_NO_MORE}", mended=make.link_up),
    ),
    Fault(
        name="link down for 120 s",
        outcome=f"fails: b {SAYS_NO_MORE} 10 s; b ends its share itself",
        show=ends(make.link_down(120), says=f"b {SAYS_NO_MORE}", mended=make.link_up),
    ),
    Fault(
        name="the API's port is taken",
        outcome="refused before anything starts",
        show=refused(make.port_taken, make.nothing, code=3, says=(str(PORT),)),
    ),
    Fault(
        name="the model is missing on one PC",
        outcome="comes up, once it is copied there",
        show=comes_up(make.model_gone, make.model_back),
    ),
    Fault(
        name="the same, and no room for it",
        outcome="fails: what it needs and what is free",
        show=refused(make.no_room, make.room, code=5, says=("failed on b: ", "is free")),
    ),
    Fault(
        name="another vLLM on one PC",
        outcome="refused, with both versions",
        show=refused(
            make.engine_says("0.32.0", "0.31.0"),
            make.engines_alike,
            code=4,
            says=("vllm differs", "0.32.0 on a", "0.31.0 on b"),
        ),
    ),
    Fault(
        name="another Python on one PC",
        outcome="refused, with both versions",
        show=refused(
            make.python_says("3.11.9", "3.12.1"),
            make.engines_alike,
            code=4,
            says=("engine python differs", "3.11 on a", "3.12 on b"),
        ),
    ),
    Fault(
        name="another Ray on one PC",
        outcome="refused under Ray, with both versions",
        show=refused(
            make.engine_says("2.60.0", "2.59.0", "ray"),
            make.engines_alike,
            code=4,
            says=("ray differs", "2.60.0 on a", "2.59.0 on b"),
            asked=("--backend", "ray"),
        ),
    ),
    Fault(
        name="127.0.1.1 for the PC's own name in /etc/hosts",
        outcome="comes up",
        show=comes_up(make.own_name_is_loopback, make.own_name_is_address),
    ),
    Fault(
        name="no default route",
        outcome="comes up",
        show=comes_up(make.no_default_route, make.default_route),
    ),
    Fault(
        name="a VPN first in the list of interfaces",
        outcome="comes up over the cable",
        home="vpn",
        show=comes_up(make.nothing, make.nothing, has="GLOO_SOCKET_IFNAME=eth0"),
    ),
    Fault(
        name="Ctrl-C while the PCs are asked",
        outcome="exit 130",
        show=interrupted(make.asks_a_pc_that_sleeps, mended=make.agent_continued),
    ),
    Fault(
        name="Ctrl-C as the leading process starts",
        outcome="exit 130",
        show=interrupted(make.leader_is_there),
    ),
    Fault(
        name="Ctrl-C as a share starts", outcome="exit 130", show=interrupted(make.share_is_there)
    ),
    Fault(
        name="Ctrl-C while the model's files are copied",
        outcome="exit 130",
        home="hotspot",
        show=interrupted(
            make.files_come, prepared=make.large_model_gone, mended=make.large_model_back
        ),
    ),
    Fault(
        name="Ctrl-C while the engines load",
        outcome="exit 130",
        show=interrupted(make.engine_is_there, behaviour="0 mute\n"),
    ),
    Fault(name="Ctrl-C once it runs", outcome="exit 130", show=interrupted(make.runs)),
    Fault(name="Ctrl-C three times", outcome="exit 130", show=interrupted(make.runs, times=3)),
)
