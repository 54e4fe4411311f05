"""Ray's own flags and variables for one job: its own head, its own ports, nothing open that need not be."""

from __future__ import annotations

from homecluster.engines.vllm_gang_order import ShareOrder

PROGRAM = "homecluster.jobs.ray_share"
PORTS_EACH = 60
"""Ports above the meeting port that one Ray cluster may use; all PCs use the same numbers."""
_WORKERS_FROM = 20
"""Ports below are of Ray's own processes, from here on of its workers."""


def ray_wrapped(order: ShareOrder, *, python: str, server: tuple[str, ...]) -> tuple[str, ...]:
    """The argv that starts this PC's part of Ray, and behind `--` the engine's server where it is."""
    flags = (
        *("--address", order.addresses[order.share], "--head", order.addresses[0]),
        *("--port", str(order.meeting_port), "--units", str(order.ranks)),
        *("--pcs", str(len(order.addresses))),
    )
    return (python, "-m", PROGRAM, *flags, *(("--", *server) if server else ()))


def ray_start_arguments(
    *, own_address: str, head_address: str, port: int, units: int, folder: str
) -> tuple[str, ...]:
    """Flags of `ray start`, all its ports pinned.

    Args:
        own_address: of this PC.
        head_address: of the PC with share 0.
        port: where the head's control store listens.
        units: workers that vLLM may place here; told as GPUs, since vLLM asks Ray for those.
        folder: short, for this PC's sockets and logs; without one, Ray makes the head's path on every PC.
    """
    is_head = own_address == head_address
    role = (
        ("--head", "--port", str(port), "--include-dashboard", "false")
        if is_head
        else ("--address", f"{head_address}:{port}")
    )
    pinned = (
        "--node-manager-port", str(port + 1),
        "--object-manager-port", str(port + 2),
        "--dashboard-agent-grpc-port", str(port + 3),
        "--metrics-export-port", str(port + 4),
        "--runtime-env-agent-port", str(port + 5),
        "--dashboard-agent-listen-port", str(port + 6),
        "--min-worker-port", str(port + _WORKERS_FROM),
        "--max-worker-port", str(port + PORTS_EACH - 1),
    )  # fmt: skip
    client = ("--ray-client-server-port", str(port + 7)) if is_head else ()
    return (
        *("start", *role, "--temp-dir", folder, *pinned, *client),
        *("--node-ip-address", own_address, "--num-gpus", str(units), "--num-cpus", str(units + 1)),
        *("--disable-usage-stats", "--block"),
    )


def ray_environment(token_file: str, port: int) -> dict[str, str]:
    """Variables of every Ray process of the job; the token is in a private file, not in here."""
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": token_file,
        "RAY_USAGE_STATS_ENABLED": "0",
        "AUTOSCALER_METRIC_PORT": str(port + 8),
        "DASHBOARD_METRIC_PORT": str(port + 9),
        "RAY_DEDUP_LOGS": "0",
    }
