"""How near the emulated homes come to what they were asked to be: `python -m benchmarks.lab`.

Asked beside measured by ping and iperf3, with the error, on one link at a time. The suite only checks
bounds that hold on a busy machine; these are for a quiet one: 0.3 ms of a round trip, 3 % of a rate.
Needs root, ping and iperf3.
"""

from __future__ import annotations

import sys

from tests.lab.homes import shape, switch_home
from tests.lab.lab import Lab
from tests.lab.survey import ping, tcp_mbit

ROUND_TRIPS_MS = (0, 2, 20, 60)
RATES_MBIT = (5, 20, 100, 300, 500, 1000)
PAYLOAD_SHARE = 1448 / 1514
"""Of TCP in Ethernet's frames."""


def round_trip_row(rtt_ms: float) -> str:
    with Lab(switch_home(2, shape(rtt_ms=rtt_ms))) as lab:
        trips = ping(lab, "a", "b")
    least_ms, p50_ms = trips.least_s * 1000, trips.p50_s * 1000
    return (
        f"| round trip {rtt_ms} ms | {least_ms:.2f} ms least, {p50_ms:.2f} ms median "
        f"| {p50_ms - rtt_ms:+.2f} ms |"
    )


def rate_row(rate_mbit: float) -> str:
    """A queue of at least 8 ms: what cubic needs to keep the link full at 2 ms."""
    queue_kib = max(64, rate_mbit)
    ideal_mbit = rate_mbit * PAYLOAD_SHARE
    with Lab(switch_home(2, shape(rate_mbit=rate_mbit, rtt_ms=2, queue_kib=queue_kib))) as lab:
        reached_mbit = tcp_mbit(lab, "a", "b")
    error = reached_mbit / ideal_mbit - 1
    return f"| {rate_mbit} Mbit/s of Ethernet | {reached_mbit:.1f} Mbit/s of TCP | {error:+.1%} |"


def main() -> None:
    sys.stdout.write("| asked | measured | error |\n|---|---|---|\n")
    for rtt_ms in ROUND_TRIPS_MS:
        sys.stdout.write(round_trip_row(rtt_ms) + "\n")
        sys.stdout.flush()
    for rate_mbit in RATES_MBIT:
        sys.stdout.write(rate_row(rate_mbit) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
