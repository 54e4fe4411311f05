"""`homecluster diagnose` on cluster documents: the founding question in one screen."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from netprobe.report import report_document
from netprobe.types import Loaded, LoadedRoundTrip, Report, RoundTrip, Throughput
from tests.cli.shell import EXAMPLES, run

HOTSPOT = ("--cluster", EXAMPLES / "hotspot.toml")


def causes(*arguments: str) -> list[dict[str, Any]]:
    return run("diagnose", "--json", *arguments).document["causes"]


def hotspot(*more: str) -> list[dict[str, Any]]:
    return causes("--model", "gpt2", *map(str, HOTSPOT), *more)


def test_the_founding_case_is_latency_bound_tensor_parallel() -> None:
    assert hotspot()[0]["id"] == "latency-bound-tensor-parallel"


def test_a_found_cause_is_exit_code_1() -> None:
    assert run("diagnose", "--model", "gpt2", *HOTSPOT).code == 1


def test_the_founding_case_says_in_one_screen_how_many_messages_wait_for_what() -> None:
    """25 all-reduces, the logits' gather and the scheduler's message; a round trip of 40 ms and its jitter."""
    ran = run("diagnose", "--model", "gpt2", *HOTSPOT)
    assert "27 messages per token" in ran.out
    assert "round trip of 45.6 ms" in ran.out
    assert len(ran.out.splitlines()) <= 24


def test_the_remedy_of_the_founding_case_is_one_pc_and_its_effect_is_what_plan_predicts() -> None:
    best = run("plan", "--json", "--model", "gpt2", *HOTSPOT).document["plans"]
    slow = next(p for p in best if p["tensor_parallel"] == 2)["estimate"]["output_tokens_per_s"][
        "mid"
    ]
    fast = best[0]["estimate"]["output_tokens_per_s"]["mid"]
    assert hotspot()[0]["effect_tokens_per_s"] == pytest.approx(fast - slow)
    assert "alice" in hotspot()[0]["remedy"]["text"]
    assert hotspot()[0]["remedy"]["argv"][-4:] == ["--replicas", "1", "--nodes", "alice"]


def test_the_silence_before_the_first_token_is_explained() -> None:
    (stuck,) = [cause for cause in hotspot() if cause["id"] == "start-up-looks-stuck"]
    assert any("78.6 MB" in line for line in stuck["evidence"])


def test_one_pc_alone_is_healthy() -> None:
    ran = run("diagnose", "--json", "--model", "gpt2", *HOTSPOT, "--nodes", "alice")
    assert ran.code == 0
    assert ran.document["healthy"]
    assert ran.document["causes"] == []


def test_causes_come_most_effective_first() -> None:
    effects = [cause["effect_tokens_per_s"] for cause in hotspot()]
    assert effects == sorted(effects, reverse=True)


def test_every_cause_has_every_key_of_the_contract() -> None:
    document = run("diagnose", "--json", "--model", "gpt2", *HOTSPOT).document
    assert document["schema"] == "homecluster.diagnose/1"
    for cause in document["causes"]:
        assert set(cause) == {"id", "summary", "evidence", "effect_tokens_per_s", "remedy"}
        assert set(cause["remedy"]) == {"text", "argv"}


def test_a_pipeline_over_the_hotspot_is_latency_bound_too() -> None:
    assert hotspot("--pipeline-parallel", "2")[0]["id"] == "latency-bound-pipeline"


def test_a_model_that_fits_nowhere_cannot_run_and_the_evidence_counts_the_bytes() -> None:
    (cause,) = causes("--model", "llama-2-70b", *map(str, HOTSPOT))
    assert cause["id"] == "cannot-run"
    assert any("lacks" in line and "GiB" in line for line in cause["evidence"])


def test_pins_that_nothing_satisfies_name_the_rule_that_they_break() -> None:
    (cause,) = hotspot("--tensor-parallel", "5")
    assert cause["id"] == "cannot-run"
    assert any("12 attention heads do not divide by 5" in line for line in cause["evidence"])


def test_where_only_both_pcs_hold_the_model_the_remedy_is_a_better_link() -> None:
    """1.56 B parameters in fp32 take 6.2 GB: one card of 6 GiB is not enough, two are."""
    (first, *_) = causes(
        "--model",
        "gpt2-xl",
        "--dtype",
        "float32",
        *map(str, HOTSPOT),
        "--tensor-parallel",
        "1",
        "--pipeline-parallel",
        "2",
    )
    assert first["id"] == "latency-bound-pipeline"
    assert "cable" in first["remedy"]["text"]
    assert first["effect_tokens_per_s"] > 0


def report(tmp_path: Path, **changes: Any) -> Path:
    """What `netprobe run --json` printed between the founding laptops."""
    seen = Report(
        src="alice",
        dst="bob",
        plan="full",
        started_at="2026-11-20T10:00:00+00:00",
        round_trip=RoundTrip(min_s=0.035, p50_s=0.04, p95_s=0.05, p99_s=0.06, sent=400, lost=0),
        throughput=Throughput(
            forward_bytes_per_s=2.4e6, back_bytes_per_s=2.4e6, tool="builtin", congestion_control="cubic",
            forward_retransmits=0, back_retransmits=0, steady=True,
        ),
    )  # fmt: skip
    path = tmp_path / "report.json"
    path.write_text(json.dumps(report_document(replace(seen, **changes))))
    return path


def test_a_saved_measurement_is_judged_by_itself(tmp_path: Path) -> None:
    lossy = RoundTrip(min_s=0.035, p50_s=0.04, p95_s=0.05, p99_s=0.06, sent=400, lost=30)

    ran = run("diagnose", "--json", report(tmp_path, round_trip=lossy), *HOTSPOT)

    assert [cause["id"] for cause in ran.document["causes"]] == ["packet-loss"]
    assert ran.code == 1


def test_a_saved_measurement_of_a_healthy_link_finds_nothing(tmp_path: Path) -> None:
    assert run("diagnose", report(tmp_path), *HOTSPOT).code == 0


def matrix(tmp_path: Path, **changes: Any) -> Path:
    """What `netprobe matrix --json` printed, when the laptops' pair and another slowed each other."""
    document = {
        "schema": "netprobe.matrix/1",
        "reports": [json.loads(report(tmp_path).read_text())],
        "shared": [
            {"pairs": [["alice", "bob"], ["carol", "dave"]], "alone_bytes_per_s": 9.6e6, "together_bytes_per_s": 4.8e6}
        ],
    }  # fmt: skip
    path = tmp_path / "matrix.json"
    path.write_text(json.dumps(document | changes))
    return path


def test_pairs_that_slow_each_other_down_share_a_medium(tmp_path: Path) -> None:
    ran = run("diagnose", "--json", matrix(tmp_path), *HOTSPOT)

    assert [cause["id"] for cause in ran.document["causes"]] == ["shared-medium"]
    assert run("diagnose", matrix(tmp_path, shared=[]), *HOTSPOT).code == 0


@pytest.mark.parametrize("change", [{"shared": [{}]}, {"reports": [{}]}, {"shared": 7}])
def test_a_damaged_matrix_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    ran = run("diagnose", matrix(tmp_path, **change), *HOTSPOT)

    assert ran.code == 2
    assert "is damaged" in ran.err


def test_a_measurement_replaces_what_the_document_believes_of_the_link(tmp_path: Path) -> None:
    quick = RoundTrip(min_s=1e-4, p50_s=2e-4, p95_s=3e-4, p99_s=3e-4, sent=400, lost=0)
    before = hotspot()[0]["summary"]

    after = causes("--model", "gpt2", str(report(tmp_path, round_trip=quick)), *map(str, HOTSPOT))

    assert after[0]["summary"] != before


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_document_is_refused_with_its_path(tmp_path: Path, share: float) -> None:
    path = report(tmp_path)
    text = path.read_text()
    path.write_text(text[: int(share * len(text))])

    ran = run("diagnose", path)

    assert ran.code == 2
    assert str(path) in ran.err


@pytest.mark.parametrize(
    "text", ["{}", "[]", "7", '{"schema": "homecluster.plan/1"}', '{"schema": "netprobe.report/1"}']
)
def test_a_foreign_document_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "foreign.json"
    path.write_text(text)

    assert run("diagnose", path, *HOTSPOT).code == 2


def test_with_no_job_and_no_cluster_this_pc_is_watched_and_what_was_seen_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOMECLUSTER_HOME", str(tmp_path / "home"))
    kept = tmp_path / "signs.json"

    ran = run("diagnose", "--json", "--seconds", "0.2", "--save", kept)

    assert ran.code in (0, 1)
    assert ran.document["job"] is None
    assert json.loads(kept.read_text())["schema"] == "homecluster.signs/1"
    assert run("diagnose", kept, *HOTSPOT).code in (0, 1)


def test_a_job_that_is_not_there_is_wrong_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOMECLUSTER_HOME", str(tmp_path / "home"))

    assert run("diagnose", "gpt2-8000-xyz").code == 2


GIGABIT = """\
schema = "homecluster.cluster/1"
[nodes.alice]
os = "linux"
ram = "64 GiB"
[[nodes.alice.devices]]
kind = "cuda"
name = "NVIDIA GeForce RTX 4090"
[nodes.bob]
os = "linux"
ram = "64 GiB"
[[nodes.bob.devices]]
kind = "cuda"
name = "NVIDIA GeForce RTX 4090"
[[links]]
between = ["alice", "bob"]
rtt = "0.3 ms"
bandwidth = "940 Mbit/s"
"""
PIPELINE = ("--model", "llama-2-13b", "--pipeline-parallel", "2", "--tensor-parallel", "1", "--concurrency", "16")  # fmt: skip

SHORT = (*PIPELINE[:-1], "1", "--prompt-tokens", "16")


def rates(forward: float, back: float) -> Throughput:
    """In Mbit/s."""
    return Throughput(
        forward_bytes_per_s=forward / 8 * 1e6, back_bytes_per_s=back / 8 * 1e6, tool="builtin",
        congestion_control="cubic", forward_retransmits=50, back_retransmits=50, steady=True,
    )  # fmt: skip


def trip(p50_s: float, lost: int = 0) -> RoundTrip:
    return RoundTrip(min_s=0.8 * p50_s, p50_s=p50_s, p95_s=1.3 * p50_s, p99_s=1.5 * p50_s, sent=160, lost=lost)  # fmt: skip


def full_queue(p50_s: float) -> LoadedRoundTrip:
    way = Loaded(p50_s=p50_s, p95_s=1.2 * p50_s)
    return LoadedRoundTrip(forward=way, back=way, grade="D")


@pytest.mark.parametrize(
    ("expected", "seen"),
    [
        ([], {"throughput": rates(935, 938)}),
        (["asymmetric-uplink"], {"throughput": rates(2.9, 930)}),
        (["packet-loss"], {"throughput": rates(30, 40), "round_trip": trip(3e-4, lost=9)}),
        (["packet-loss"], {"throughput": rates(500, 600), "round_trip": trip(3e-4, lost=4)}),
    ],
)
def test_what_a_probe_sees_of_a_hurt_cable_is_named_first(
    tmp_path: Path, expected: list[str], seen: dict[str, Any]
) -> None:
    """Figures as netprobe takes them on an emulated gigabit home with that trouble."""
    cluster = tmp_path / "home.toml"
    cluster.write_text(GIGABIT)
    path = report(tmp_path, **({"round_trip": trip(3e-4)} | seen))

    found = causes(str(path), "--cluster", str(cluster), *PIPELINE)

    assert [cause["id"] for cause in found][:1] == expected


def test_a_queue_that_fills_is_named_where_bytes_do_not_bind(tmp_path: Path) -> None:
    cluster = tmp_path / "home.toml"
    cluster.write_text(GIGABIT)
    bloated = {"throughput": rates(28, 28), "loaded_round_trip": full_queue(0.28)}
    path = report(tmp_path, round_trip=trip(3e-4), **bloated)

    found = causes(str(path), "--cluster", str(cluster), *SHORT)

    assert [cause["id"] for cause in found][:1] == ["bufferbloat"]
