"""All rules, in the order in which they speak when their effects are alike or unknown."""

from __future__ import annotations

from typing import Final

from homecluster.planner.causes import (
    choice,
    likeness,
    link_history,
    link_quality,
    machine,
    memory,
    moving,
    reach,
    serving,
    waiting,
)
from homecluster.planner.causes.case import Rule

BLOCKS: Final[tuple[Rule, ...]] = (
    reach.client_isolation,
    reach.wsl_nat,
    reach.wrong_interface,
    reach.firewall_drop,
    reach.worker_alive_then_dead,
    reach.loopback_host_name,
    reach.member_gone,
    link_quality.mtu_blackhole,
    likeness.mixed_versions,
    machine.stale_processes,
    likeness.clock_skew,
)
"""Keep PCs apart or a job from running: nothing else matters before."""

LINKS: Final[tuple[Rule, ...]] = (
    link_history.link_got_worse,
    link_quality.packet_loss,
    link_quality.wifi_power_save,
    moving.asymmetric_uplink,
    link_quality.bufferbloat,
    link_quality.shared_medium,
)
"""A link worse than it could be; what a layout suffers from it is their symptom."""

MACHINES: Final[tuple[Rule, ...]] = (
    memory.wsl_memory_cap,
    memory.memory_pressure,
    machine.throttled,
    machine.power_saving,
    machine.quota_throttled,
    machine.busy_elsewhere,
    memory.desktop_holds_video_memory,
    machine.host_overhead_bound,
    machine.disk_bound_load,
)
"""A PC slower than it could be."""

LAYOUTS: Final[tuple[Rule, ...]] = (
    choice.slow_device_in_group,
    choice.uneven_split,
    waiting.latency_bound_tensor_parallel,
    waiting.latency_bound_pipeline,
    moving.thin_link,
    choice.distributing_does_not_pay,
    choice.too_little_concurrency,
    serving.start_up_looks_stuck,
    serving.kv_cache_too_small,
)
"""A layout that does not suit these links, devices or requests."""

LAST: Final[tuple[Rule, ...]] = (reach.multicast_dropped,)
"""Worth knowing; nothing that runs suffers from it."""
