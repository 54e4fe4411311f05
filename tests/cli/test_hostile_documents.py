"""Every command that takes a document, given one that lies: an answer or exit code 2 with the reason, and nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cli.shell import EXAMPLES, Ran, run

HOME = ("--cluster", EXAMPLES / "hotspot.toml")
HUGE = 10**400
COMMANDS: dict[str, Callable[[Path], Ran]] = {
    "plan --cluster": lambda file: run("plan", "--model", "gpt2", "--cluster", file),
    "plan --model": lambda file: run("plan", "--model", file, *HOME),
    "report": lambda file: run("report", "--json", "--model", "gpt2", "--cluster", file),
    "diagnose --cluster": lambda file: run("diagnose", "--model", "gpt2", "--cluster", file),
    "diagnose FILE": lambda file: run("diagnose", file, *HOME),
    "up --plan": lambda file: run("up", "--plan", file, "--dry-run"),
    "run": lambda file: run("run", file, "--dry-run"),
    "join --token-file": lambda file: run("join", "--token-file", file),
    "join --from-backup": lambda file: run("join", "--new", "--from-backup", file),
}


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMECLUSTER_HOME", str(tmp_path / "home"))


def written(content: str | bytes) -> Callable[[Path], object]:
    data = content if isinstance(content, bytes) else content.encode()
    return lambda path: path.write_bytes(data)


def of_100_mb(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(100_000_000)


FILES: dict[str, Callable[[Path], object]] = {
    "missing": lambda _: None,
    "empty": written(""),
    "folder": Path.mkdir,
    "pipe that nobody writes to": os.mkfifo,
    "link to itself": lambda path: path.symlink_to(path),
    "endless": lambda path: path.symlink_to("/dev/zero"),
    "100 MB": of_100_mb,
    "not UTF-8": written(b"\xff\xfe\x00" * 99),
    "nested": written("[" * 100_000),
    "another schema": written('{"schema": "homecluster.cluster/9"}'),
    "NaN": written('{"schema": NaN}'),
    "huge number": written(f'{{"schema": {HUGE}}}'),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_is_no_document_is_refused_at_once(
    tmp_path: Path, command: str, kind: str
) -> None:
    file = tmp_path / "lies.toml"
    FILES[kind](file)
    if file.is_file() and kind != "endless":
        file.chmod(0o600)
    ran = COMMANDS[command](file)
    assert (ran.code, ran.out) == (2, ""), ran.err
    assert ran.err.startswith("error: ")
    assert len(ran.err) < 2000


def of(*path: str | int, value: Any) -> Any:
    """A change: (where, to what)."""
    return pytest.param(path, value, id=f"{'.'.join(map(str, path))}={str(value)[:12]}")


def changed(document: dict[str, Any], path: tuple[str | int, ...], value: object) -> str:
    inner: Any = document
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return json.dumps(document)


@pytest.fixture(scope="module")
def plan_document() -> str:
    return run("plan", "--json", "--model", "gpt2", *HOME).out


@pytest.mark.parametrize(
    ("path", "value"),
    [
        *(of("plans", value=value) for value in ({"a": 1}, "xx", [3], [None], 7)),
        *(of("plans", 0, "tensor_parallel", value=value) for value in (0, -1, HUGE, 1.5, "two", None)),
        *(of("plans", 0, "drafts", value=value) for value in (-1, HUGE)),
        *(of("plans", 0, "partition", value=value) for value in (3, [0], [HUGE], [12] * 10_000)),
        *(of("plans", 0, "nodes", value=value) for value in (3, [["a"]])),
        *(of("workload", "prompt_tokens", value=value) for value in (0, HUGE, True, "7", None)),
        *(of("workload", "max_model_len", value=value) for value in (-1, HUGE)),
        *(of("workload", "request_rate_per_s", value=value) for value in (0, -1, 1e300, "x")),
        *(of("workload", "memory_utilization", value=value) for value in (0, 2, None)),
        of("workload", value=3),
        of("workload", "goal", value=["x"]),
        of("model", "name", value=3),
        of("model", "name", value="./a\0b"),
    ],
)  # fmt: skip
def test_a_plan_document_that_lies_is_refused(
    tmp_path: Path, plan_document: str, path: tuple[str | int, ...], value: object
) -> None:
    file = tmp_path / "plan.json"
    file.write_text(changed(json.loads(plan_document), path, value))
    ran = COMMANDS["up --plan"](file)
    assert (ran.code, ran.out) == (2, ""), ran.err
    assert ran.err.startswith("error: ")


REPORT: dict[str, Any] = {
    "schema": "netprobe.report/1", "src": "alice", "dst": "bob", "src_address": None, "dst_address": None,
    "plan": "full", "interface": None, "interface_kind": None, "interface_reason": None, "far_interface": None,
    "started_at": "2026-01-01T00:00:00+00:00", "duration_s": 1.0,
    "round_trip": {"min_s": 0.01, "p50_s": 0.02, "p95_s": 0.03, "p99_s": 0.04, "sent": 9, "lost": 0, "via": "udp"},
    "idle_first_packet_s": 0.1,
    "throughput": {"forward_bytes_per_s": 1e6, "back_bytes_per_s": 1e6, "tool": "", "congestion_control": None,
                   "forward_retransmits": 3, "back_retransmits": 3, "steady": True},
    "loaded_round_trip": None, "exchange": [], "all_reduce": {}, "mtu_bytes": 1500, "failures": [], "samples": {},
}  # fmt: skip


@pytest.mark.parametrize("value", [-1, "nan", "inf", float("inf"), 1e300, HUGE, True, []], ids=str)
@pytest.mark.parametrize(
    "path",
    [
        ("round_trip", "p50_s"), ("round_trip", "lost"), ("throughput", "forward_bytes_per_s"),
        ("throughput", "back_retransmits"), ("idle_first_packet_s",), ("mtu_bytes",),
    ],
    ids="-".join,
)  # fmt: skip
def test_a_measurement_that_nobody_can_have_taken_is_refused(
    tmp_path: Path, path: tuple[str, ...], value: object
) -> None:
    file = tmp_path / "probe.json"
    text = changed(json.loads(json.dumps(REPORT)), path, value).replace("Infinity", "1e999")
    file.write_text(text)
    ran = COMMANDS["diagnose FILE"](file)
    assert (ran.code, ran.out) == (2, ""), ran.err
    assert "is damaged" in ran.err


def test_the_measurement_that_the_lies_are_made_of_is_read(tmp_path: Path) -> None:
    file = tmp_path / "probe.json"
    file.write_text(json.dumps(REPORT))
    assert COMMANDS["diagnose FILE"](file).code in (0, 1)


NUMBERS = ("1e-12", "1e-9", "1e-3", "1", "100", "1e6", "1e12", "1e24")
"""From the least to the most that a unit allows; further out a value is refused before it is planned with."""


def absurd(unit: str, usual: str) -> st.SearchStrategy[str]:
    return st.sampled_from((*(f"{number} {unit}" for number in NUMBERS), *([usual] * 8)))


BYTES, RATE = absurd("B", "24 GiB"), absurd("B/s", "100 GB/s")
SECONDS, FLOPS = absurd("s", "50 us"), absurd("FLOP/s", "50 TFLOP/s")
DEVICES = st.fixed_dictionaries(
    {"kind": st.just("cuda"), "name": st.sampled_from(("RTX 4090", "Tesla P40"))},
    optional={
        "count": st.sampled_from((1, 2, 4)), "memory": BYTES, "memory_bandwidth": RATE, "kv_cache_bandwidth": RATE,
        "flops": st.dictionaries(st.sampled_from(("fp32", "fp16", "bf16")), FLOPS, min_size=1),
        "step_overhead": SECONDS, "layer_overhead": SECONDS, "sequence_overhead": SECONDS,
        "sampling_per_logit": SECONDS, "server_start": SECONDS, "engine_ready": SECONDS,
    },
)  # fmt: skip
NODES = st.fixed_dictionaries(
    {"ram": BYTES},
    optional={
        "cores": st.sampled_from((1, 8, 1_000_000)), "devices": st.lists(DEVICES, max_size=2),
        "interconnect": st.fixed_dictionaries({"rtt": SECONDS, "bandwidth": RATE}),
    },
)  # fmt: skip
LINKS = st.fixed_dictionaries(
    {"rtt": SECONDS, "bandwidth": RATE | st.fixed_dictionaries({"forward": RATE, "back": RATE})},
    optional={
        "jitter": SECONDS, "loss": st.sampled_from(("0 %", "1 %", "99.9999 %", "100 %")), "medium": st.just("air"),
        "all_reduce": st.dictionaries(BYTES, SECONDS, max_size=2),
    },
)  # fmt: skip


@st.composite
def absurd_homes(draw: st.DrawFn) -> dict[str, Any]:
    """Whole documents of lawful form and absurd figures; links may be missing."""
    names = ("a", "b", "c")[: draw(st.integers(1, 3))]
    pairs = [(x, y) for x in names for y in names if x < y]
    known = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    return {
        "schema": "homecluster.cluster/1",
        "nodes": {name: draw(NODES) for name in names},
        "links": [draw(LINKS) | {"between": pair} for pair in known],
    }


MODELS = st.sampled_from(("gpt2", "llama-3-8b", "qwen3-30b-a3b", "llama-3.1-70b"))


@settings(
    max_examples=int(os.environ.get("LAW_EXAMPLES", "25")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    home=absurd_homes(),
    model=MODELS,
    words=st.sampled_from((("plan",), ("plan", "--train"), ("diagnose",), ("report",))),
    concurrency=st.sampled_from((1, 256)),
)
def test_law_absurd_figures_are_answered_or_refused(
    tmp_path_factory: pytest.TempPathFactory,
    home: dict[str, Any],
    model: str,
    words: tuple[str, ...],
    concurrency: int,
) -> None:
    file = tmp_path_factory.getbasetemp() / "absurd.json"
    file.write_text(json.dumps(home))
    load = () if "--train" in words else ("--concurrency", concurrency)
    ran = run(*words, "--json", "--model", model, "--cluster", file, *load)
    if ran.code == 2:
        assert ran.err.startswith("error: ")
        return
    assert ran.code in (0, 1), ran.err
    document = json.loads(ran.out, parse_constant=lambda name: pytest.fail(f"{name} in the answer"))
    for plan in document.get("plans", ()) if words == ("plan",) else ():
        told = plan["estimate"]["output_tokens_per_s"]
        assert 0 < told["low"] <= told["mid"] <= told["high"]
