"""How long netprobe takes and how much memory: `python -m benchmarks.netprobe` (root on Linux, needs the lab)."""

import json
import re
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from tests.lab.lab import Lab

PYTHON = sys.executable
PAIR_LIMITS_S = {"--full": 8.0, "--quick": 2.0}
MATRIX_LIMIT_S = 15.0
MEMORY_LIMIT_MB = 70.0


def main() -> int:
    rows = [*pair("1gbe"), *matrix("1gbe"), *pair("100mbe"), *matrix("100mbe")]
    for name, value, unit, limit in rows:
        print(
            f"{name:44} {value:7.1f} {unit:3} (limit {limit:g})  {'ok' if value <= limit else 'MISSED'}"
        )
    return 0 if all(value <= limit for _, value, _, limit in rows) else 1


def pair(home: str) -> list[tuple[str, float, str, float]]:
    rows = []
    with Lab(home, hosts=2) as lab, ExitStack() as stack:
        server = serve(lab, "b", stack)
        for size, limit_s in PAIR_LIMITS_S.items():
            took_s, peak_mb, _ = timed(lab, "a", ["run", lab.host("b").address, size])
            rows.append((f"{home}: run {size}", took_s, "s", limit_s))
            rows.append((f"{home}: run {size}, peak memory here", peak_mb, "MB", MEMORY_LIMIT_MB))
        rows.append((f"{home}: serve, peak memory", peak_of(server), "MB", MEMORY_LIMIT_MB))
    return rows


def matrix(home: str) -> list[tuple[str, float, str, float]]:
    with Lab(home, hosts=4) as lab, ExitStack() as stack:
        servers = [serve(lab, name, stack) for name in lab.hosts]
        hosts = lab.host("a").folder / "tmp" / "hosts"
        hosts.write_text("".join(f"{name} {host.address}\n" for name, host in lab.hosts.items()))
        took_s, peak_mb, _ = timed(lab, "a", ["matrix", "--hosts", str(hosts)])
        worst_mb = max(peak_of(server) for server in servers)
    return [
        (f"{home}: matrix of 4 hosts", took_s, "s", MATRIX_LIMIT_S),
        (f"{home}: matrix, peak memory here", peak_mb, "MB", MEMORY_LIMIT_MB),
        (f"{home}: matrix, peak memory of a serve", worst_mb, "MB", MEMORY_LIMIT_MB),
    ]


def serve(lab: Lab, name: str, stack: ExitStack) -> int:
    """Start it on a host; the pid of the process that holds it."""
    argv = [PYTHON, "-m", "netprobe", "serve", "--bind", lab.host(name).address]
    process = lab.host(name).popen(argv, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    stack.callback(process.stderr.close)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    process.stderr.readline()
    return process.pid


def peak_of(pid: int) -> float:
    """MB at most resident of the largest process at or below `pid`."""
    peaks = []
    waiting = [str(pid)]
    while waiting:
        one = waiting.pop()
        try:
            status = Path(f"/proc/{one}/status").read_text()
            waiting += Path(f"/proc/{one}/task/{one}/children").read_text().split()
        except OSError:
            continue
        peaks += [int(found) / 1024 for found in re.findall(r"VmHWM:\s+(\d+) kB", status)]
    return max(peaks)


def timed(lab: Lab, name: str, argv: list[str]) -> tuple[float, float, dict[str, object]]:
    """(seconds from start to end of the command, its peak MB, its document)."""
    code = (
        "import resource, sys\n"
        "from netprobe.cli import main\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)\n"
    )
    begin = time.monotonic()
    done = lab.host(name).run([PYTHON, "-c", code, *argv, "--json"], timeout=120)
    took_s = time.monotonic() - begin
    if done.returncode != 0:
        raise SystemExit(f"netprobe {' '.join(argv)}: {done.stderr}")
    return took_s, int(done.stderr.split()[-1]) / 1024, json.loads(done.stdout)


if __name__ == "__main__":
    sys.exit(main())
