"""`homecluster plan --train`: its document and its refusals."""

from __future__ import annotations

import pytest

from tests.cli.shell import EXAMPLES, run

HOTSPOT = ("--cluster", EXAMPLES / "hotspot.toml")
SERVER = ("--cluster", EXAMPLES / "rtx4090.toml")


def test_zeros_memory_is_told_without_a_model() -> None:
    ran = run("plan", "--train", "--parameters", "7.5B", "--devices", "64", "--json")
    assert ran.code == 0, ran.err
    shown = {
        row["stage"]: round(row["paper_bytes"] / 1e9, 1) for row in ran.document["zero_memory"]
    }
    assert shown == {0: 120.0, 1: 31.4, 2: 16.6, 3: 1.9}
    assert all(row["deepspeed_bytes"] > row["paper_bytes"] for row in ran.document["zero_memory"])


def test_the_same_is_read_by_people() -> None:
    ran = run("plan", "--train", "--parameters", "7.5B", "--devices", "64")
    for figure in ("120.0 GB", "31.4 GB", "16.6 GB", "1.9 GB"):
        assert figure in ran.out


def test_the_founders_two_laptops_should_not_train_together() -> None:
    ran = run("plan", "--train", "--model", "gpt2", *HOTSPOT, "--json")
    assert ran.code == 0, ran.err
    document = ran.document
    assert document["schema"] == "homecluster.plan/1"
    assert document["verdict"]["kind"] == "single-node"
    (first, *_) = document["plans"]
    estimate = first["estimate"]
    assert sum(estimate["terms"].values()) == pytest.approx(estimate["step_s"]["mid"])
    assert estimate["samples_per_s"]["mid"] == pytest.approx(16 / estimate["step_s"]["mid"])
    assert {"zero_stage", "offload", "micro_batch", "gradient_accumulation", "method"} <= set(first)
    assert {"device", "weights_bytes", "optimizer_bytes", "capacity_bytes"} <= set(
        estimate["memory"][0]
    )


def test_a_better_link_is_supposed() -> None:
    ran = run("plan", "--train", "--model", "gpt2", *HOTSPOT, "--what-if", "link=10gbe", "--json")
    (supposed,) = ran.document["what_if"]
    assert supposed["verdict"]["kind"] == "multi-node-worth-it"
    assert supposed["best_plan"]["zero_stage"] in {0, 1, 2, 3}


def test_what_does_not_fit_is_answered_with_code_1() -> None:
    ran = run("plan", "--train", "--model", "llama-2-70b", *HOTSPOT)
    assert ran.code == 1
    assert "cannot-run" in ran.out
    assert "refused on" in ran.out


def test_people_see_samples_per_second_and_memory() -> None:
    ran = run("plan", "--train", "--method", "lora", "--model", "llama-2-7b", *SERVER)
    assert ran.code == 0, ran.err
    for words in ("samples/s", "gradients and optimiser", "ZeRO"):
        assert words in ran.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--train",), "name a model"),
        ((), "name a model"),
        (("--train", "--parameters", "7.5B"), "--devices"),
        (("--train", "--parameters", "many", "--devices", "2"), "number of parameters"),
        (("--train", "--model", "gpt2", "--tensor-parallel", "2"), "does not go with --train"),
        (("--train", "--model", "gpt2", *HOTSPOT, "--nodes", "alise"), "alice"),
    ],
)
def test_what_contradicts_itself_is_refused(arguments: tuple[str, ...], words: str) -> None:
    ran = run("plan", *arguments)
    assert (ran.code, ran.out) == (2, ""), ran.err
    assert words in ran.err
