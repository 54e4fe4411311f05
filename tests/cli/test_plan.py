"""`homecluster plan` on the founders' two systems, and the form of its document."""

from functools import cache
from typing import Any

import pytest

from tests.cli.shell import EXAMPLES, Ran, run

SERVER = ("--cluster", EXAMPLES / "rtx4090.toml")
HOTSPOT = ("--cluster", EXAMPLES / "hotspot.toml")
FOUNDERS = ("--concurrency", "256", "--prompt-tokens", "220", "--output-tokens", "237")


@cache
def planned(*arguments: str) -> dict[str, Any]:
    ran = run("plan", "--json", *arguments)
    assert ran.code == 0, ran.err
    return ran.document


def on_server(model: str, *more: str) -> dict[str, Any]:
    return planned("--model", model, *map(str, SERVER), *FOUNDERS, *more)


def on_hotspot(*more: str) -> dict[str, Any]:
    return planned("--model", "gpt2", *map(str, HOTSPOT), *more)


def total_rate(
    document: dict[str, Any], tensor: int, pipeline: int = 1, replicas: int = 1
) -> float:
    """Input and output tokens per second of the fastest plan of a shape, as the founders counted."""
    return max(
        plan["estimate"]["total_tokens_per_s"]["mid"]
        for plan in document["plans"]
        if (plan["tensor_parallel"], plan["pipeline_parallel"], plan["replicas"])
        == (tensor, pipeline, replicas)
    )


def cards(entry: dict[str, Any]) -> int:
    return entry["tensor_parallel"] * entry["pipeline_parallel"]


def test_gpt2_on_two_cards_is_slower_than_on_one() -> None:
    """The founders measured 0.795x."""
    one = on_server("gpt2", "--replicas", "1")
    assert total_rate(one, 2) < total_rate(one, 1)


def test_llama_3_8b_on_two_cards_is_faster_than_on_one_by_a_fifth_to_a_half() -> None:
    one = on_server("llama-3-8b", "--replicas", "1")
    assert 1.2 <= total_rate(one, 2) / total_rate(one, 1) <= 1.45


@pytest.mark.parametrize("model", ["gpt2", "llama-3-8b"])
def test_copies_on_the_cards_of_one_server_leave_the_verdict_at_one_pc(model: str) -> None:
    assert on_server(model)["verdict"]["kind"] == "single-node"


def test_copies_on_all_four_cards_are_the_best_for_gpt2() -> None:
    best = on_server("gpt2")["plans"][0]
    assert (best["replicas"], best["tensor_parallel"]) == (4, 1)


def test_llama_2_13b_is_refused_on_one_card_with_the_missing_bytes_and_planned_on_two() -> None:
    document = on_server("llama-2-13b", "--replicas", "1")
    (refused,) = [r for r in document["rejections"] if cards(r) == 1]
    assert refused["rule"] == "memory"
    assert 1e9 < refused["shortfall_bytes"] < 6e9  # 26 GB of weights and overheads against 21.6 GiB
    assert 2 in {cards(plan) for plan in document["plans"]}


def test_a_30b_model_is_refused_on_one_and_two_cards_and_planned_on_four() -> None:
    document = on_server("llama-30b", "--replicas", "1")
    refused = {cards(r) for r in document["rejections"] if r["rule"] == "memory"}
    assert {1, 2} <= refused
    assert {cards(plan) for plan in document["plans"]} == {4}


def test_on_the_hotspot_one_pc_is_best_for_one_request() -> None:
    assert on_hotspot()["verdict"]["kind"] == "single-node"


def test_tensor_parallel_over_the_hotspot_gives_about_one_token_per_second() -> None:
    (plan,) = [p for p in on_hotspot()["plans"] if p["tensor_parallel"] == 2]
    assert 0.4 <= plan["estimate"]["output_tokens_per_s"]["mid"] <= 1.5
    assert plan["estimate"]["bottleneck"] == "network_latency"


def test_the_start_up_over_the_hotspot_explains_why_it_looked_stuck() -> None:
    (plan,) = [p for p in on_hotspot()["plans"] if p["tensor_parallel"] == 2]
    parts = plan["estimate"]["start_up_parts"]
    assert plan["estimate"]["start_up_s"]["mid"] > 60
    assert sum(parts.values()) == pytest.approx(plan["estimate"]["start_up_s"]["mid"])
    assert max(parts, key=parts.get) == "profiling pass over the links"


def test_on_the_hotspot_eight_requests_are_best_served_by_a_copy_on_each_pc() -> None:
    document = on_hotspot("--concurrency", "8")
    assert document["verdict"]["kind"] == "replicas"
    assert document["plans"][0]["nodes"] == ["alice", "bob"]
    assert document["plans"][0]["replicas"] == 2


INTERVAL = {"low", "mid", "high"}


def test_the_plan_document_has_every_key_of_the_contract() -> None:
    document = on_hotspot("--what-if", "link=1gbe")
    assert document["schema"] == "homecluster.plan/1"
    assert {
        "model",
        "workload",
        "cluster_fingerprint",
        "verdict",
        "plans",
        "rejections",
        "what_if",
    } <= set(document)
    assert set(document["verdict"]) == {"kind", "reason", "gain", "break_even"}
    assert set(document["verdict"]["break_even"]) == {"state", "rtt_s", "bandwidth_bytes_per_s"}
    assert set(document["what_if"][0]) == {"name", "verdict", "best_plan"}


def test_every_plan_has_every_key_of_the_contract() -> None:
    for position, plan in enumerate(on_hotspot()["plans"], start=1):
        assert plan["rank"] == position
        assert {
            "engine",
            "backend",
            "tensor_parallel",
            "pipeline_parallel",
            "replicas",
            "nodes",
            "partition",
            "stages",
            "commands",
        } <= set(plan)
        assert plan["backend"] in {"none", "ray", "mp"}
        assert {"devices", "layers"} <= set(plan["stages"][0])
        assert sum(plan["partition"]) == 12


def test_every_estimate_has_every_key_of_the_contract() -> None:
    for plan in on_hotspot()["plans"]:
        estimate = plan["estimate"]
        for name in (
            "output_tokens_per_s",
            "total_tokens_per_s",
            "requests_per_s",
            "first_token_s",
            "token_interval_s",
            "start_up_s",
        ):
            assert set(estimate[name]) == INTERVAL
        assert set(estimate["terms"]) == {
            "compute_s",
            "memory_s",
            "network_latency_s",
            "network_transfer_s",
            "host_s",
            "idle_s",
        }
        assert set(estimate["memory"][0]) == {
            "device",
            "weights_bytes",
            "kv_cache_bytes",
            "activations_bytes",
            "optimizer_bytes",
            "overhead_bytes",
            "capacity_bytes",
        }
        assert {"kv_cache_tokens", "bottleneck", "assumptions"} <= set(estimate)
        assert f"{estimate['bottleneck']}_s" in estimate["terms"]


def test_every_refusal_has_every_key_of_the_contract() -> None:
    for refused in on_server("llama-30b")["rejections"]:
        assert set(refused) == {
            "tensor_parallel",
            "pipeline_parallel",
            "replicas",
            "nodes",
            "rule",
            "detail",
            "shortfall_bytes",
        }


def test_what_if_says_what_an_ethernet_cable_would_bring() -> None:
    (supposed,) = on_hotspot("--tensor-parallel", "2", "--what-if", "link=1gbe")["what_if"]
    (now,) = on_hotspot("--tensor-parallel", "2")["plans"]
    there = supposed["best_plan"]["estimate"]["output_tokens_per_s"]["mid"]
    assert there > 20 * now["estimate"]["output_tokens_per_s"]["mid"]


def test_nodes_leaves_only_the_named_pcs() -> None:
    assert {tuple(p["nodes"]) for p in on_hotspot("--nodes", "bob")["plans"]} == {("bob",)}


def test_a_pinned_partition_is_the_one_planned() -> None:
    assert {tuple(p["partition"]) for p in on_hotspot("--partition", "8,4")["plans"]} == {(8, 4)}


def test_a_model_that_fits_nowhere_is_an_answer_with_code_1_and_a_document() -> None:
    ran = run("plan", "--json", "--model", "llama-2-70b", *HOTSPOT)
    assert ran.code == 1
    assert ran.document["verdict"]["kind"] == "cannot-run"
    assert ran.document["plans"] == []
    assert all(
        r["shortfall_bytes"] > 0 for r in ran.document["rejections"] if r["rule"] == "memory"
    )


def test_people_read_the_verdict_first() -> None:
    ran = run("plan", "--model", "gpt2", *HOTSPOT)
    assert ran.out.splitlines()[1].startswith("single-node: one PC is best.")


def test_the_request_rate_is_not_exceeded() -> None:
    document = on_hotspot("--request-rate", "0.5")
    assert all(p["estimate"]["requests_per_s"]["mid"] <= 0.5 for p in document["plans"])


def json_and_nothing_else(ran: Ran) -> bool:
    return bool(ran.document) and ran.err == ""


def test_with_json_stdout_holds_one_document_and_stderr_nothing() -> None:
    assert json_and_nothing_else(run("plan", "--json", "--model", "gpt2", *HOTSPOT))
