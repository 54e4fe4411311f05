import json
from pathlib import Path

from tests.cli.shell import run

TWO_CPUS = """
schema = "homecluster.cluster/1"
[nodes.desk]
os = "linux"
ram = "16 GiB"
cores = 8
[[nodes.desk.devices]]
kind = "cpu"
[nodes.laptop]
os = "linux"
ram = "16 GiB"
cores = 8
[[nodes.laptop.devices]]
kind = "cpu"
[[links]]
between = ["desk", "laptop"]
rtt = "20 ms"
bandwidth = "20 Mbit/s"
"""


def plan(home: Path, *flags: str) -> str:
    file = home / "home.toml"
    file.write_text(TWO_CPUS)
    ran = run("plan", "--model", "gpt2", "--cluster", str(file), "--tensor-parallel", "2", *flags)
    assert ran.code == 0, ran.err
    return ran.out


def test_drafting_pays_over_a_slow_link_and_the_plan_says_from_where_on(tmp_path: Path) -> None:
    said = plan(tmp_path, "--speculate", "ngram")
    assert "n-gram speculation on the best plan, 4 drafted tokens a step" in said
    assert "it pays where more than" in said


def test_the_document_has_the_gains(tmp_path: Path) -> None:
    told = json.loads(plan(tmp_path, "--speculate", "ngram", "--json"))["speculation"]
    assert (told["method"], told["drafts"]) == ("ngram", 4)
    assert 0 < told["least_acceptance"] < 0.5
    gains = [one["gain"] for one in told["gains"]]
    assert gains == sorted(gains)


def test_a_measured_share_of_right_drafts_is_priced(tmp_path: Path) -> None:
    told = json.loads(plan(tmp_path, "--acceptance", "0.7", "--json"))["speculation"]
    (only,) = told["gains"]
    assert only["acceptance"] == 0.7
    assert only["gain"] > 1


def test_without_the_flag_nothing_is_said_of_it(tmp_path: Path) -> None:
    assert "speculation" not in plan(tmp_path, "--json")


def test_a_diagnosis_of_the_engines_own_way_names_the_exchange(tmp_path: Path) -> None:
    plan(tmp_path)
    pinned = ("--tensor-parallel", "2", "--small-collectives")
    judged = ("diagnose", "--model", "gpt2", "--cluster", str(tmp_path / "home.toml"), *pinned)
    assert "instead: this layout by direct exchange" in run(*judged, "engine").out
    assert "instead: this layout by direct exchange" not in run(*judged, "exchange").out


def test_the_exchange_is_chosen_named_and_can_be_pinned_away(tmp_path: Path) -> None:
    (ours,) = json.loads(plan(tmp_path, "--json"))["plans"]
    (stock,) = json.loads(plan(tmp_path, "--json", "--small-collectives", "engine"))["plans"]
    assert (ours["small_collectives"], stock["small_collectives"]) == ("exchange", "engine")
    assert "by direct exchange" in ours["reason"]
    rates = [one["estimate"]["output_tokens_per_s"]["mid"] for one in (ours, stock)]
    assert rates[0] > 2 * rates[1]
