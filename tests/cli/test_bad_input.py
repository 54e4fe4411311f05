"""Wrong input through the command line: the exit code, a message that names the place, no traceback, nothing on stdout."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.shell import EXAMPLES, Ran, run

HOTSPOT = ("--cluster", EXAMPLES / "hotspot.toml")
HEAD = 'schema = "homecluster.cluster/1"\n'
DESK = HEAD + '[nodes.desk]\nram = "32 GiB"\n'
CARD = DESK + '[[nodes.desk.devices]]\nkind = "cuda"\nname = "NVIDIA GeForce RTX 4090"\n'
PAIR = DESK + '[nodes.laptop]\nram = "8 GiB"\n'
LINK = '[[links]]\nbetween = ["desk", "laptop"]\nrtt = "1 ms"\nbandwidth = "1 Gbit/s"\n'


def refused(ran: Ran, *words: str, code: int = 2) -> None:
    """The right exit code, every word in the message, and stdout left alone."""
    assert (ran.code, ran.out) == (code, ""), ran.err
    for word in words:
        assert word in ran.err, ran.err
    assert "Traceback" not in ran.err
    assert len(ran.err) < 2000


def plan_of(tmp_path: Path, text: str, name: str = "home.toml") -> Ran:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return run("plan", "--json", "--model", "gpt2", "--cluster", file)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (DESK.replace("32 GiB", "32 Gib"), ("home.toml:3", "nodes.desk.ram", "did you mean 'GiB'")),
        (DESK.replace('"32 GiB"', '"32"'), ("home.toml:3", "no unit", "24 GiB")),
        (DESK.replace('"32 GiB"', "32"), ("home.toml:3", "number with its unit")),
        (DESK + "colour = 3\n", ("home.toml:4", "colour", "unknown key")),
        (DESK + "rams = 3\n", ("home.toml:4", "did you mean 'ram'")),
        (CARD.replace("RTX 4090", "4091 XYZ"), ("catalogue does not know", "? Or give memory")),
        (CARD.replace("NVIDIA GeForce RTX 4090", "qqqq"), ("does not know 'qqqq': give memory",)),
        (HEAD, ("the cluster is empty", "[nodes.NAME]")),
        (HEAD + "[nodes]\n", ("the cluster is empty",)),
        ("", ("the first line must be: schema = ",)),
        ('schema = "homecluster.cluster/9"', ("homecluster.cluster/1",)),
        (PAIR + LINK.replace("laptop", "labtop"), ("labtop", "did you mean 'laptop'")),
        (PAIR + LINK.replace("laptop", "desk"), ("to itself",)),
        (PAIR + LINK + LINK, ("given twice",)),
        (PAIR + LINK + LINK.replace('"desk", "laptop"', '"laptop", "desk"'), ("given twice",)),
        (PAIR + LINK.replace('"desk", "laptop"', '"desk"'), ("names two PCs",)),
        (PAIR + LINK.replace('["desk", "laptop"]', "7"), ("between", "must be a list")),
        (PAIR + LINK.replace("1 Gbit/s", "0 Gbit/s"), ("bandwidth", "more than zero")),
        (PAIR + LINK.replace("1 ms", "-1 ms"), ("rtt", "negative")),
        (PAIR + LINK.replace('"1 ms"', "nan"), ("rtt", "number with its unit")),
        (PAIR + LINK.replace("1 ms", "nan ms"), ("rtt", "number with its unit")),
        (PAIR + LINK.replace("1 ms", "inf ms"), ("rtt", "number with its unit")),
        (PAIR + LINK.replace("1 ms", "1e999 ms"), ("rtt", "finite")),
        (PAIR + LINK.replace("1 Gbit/s", "1e-300 bit/s"), ("bandwidth", "real")),
        (PAIR + LINK.replace("1 Gbit/s", "1e300 bit/s"), ("bandwidth", "real")),
        (PAIR + LINK.replace("1 ms", "1e-300 s"), ("rtt", "real")),
        (PAIR + LINK + 'loss = "101 %"\n', ("loss", "100 %")),
        (PAIR + LINK + 'all_reduce = { "1 Kib" = "1 ms" }\n', ("all_reduce", "KiB")),
        (PAIR + LINK + 'all_reduce = { "1 KiB" = "0 ms" }\n', ("all_reduce", "more than zero")),
        (PAIR + LINK + 'medium = ""\n', ("medium",)),
        (CARD + "count = 1_000_000_000\n", ("count", "1000000000", "at most")),
        (PAIR + LINK + f"medium = {'x' * 10_000!r}\n", ("medium", "at most 1000 characters")),
        (CARD + "count = 0\n", ("count", "at least 1")),
        (CARD + "count = true\n", ("count", "whole number")),
        (CARD + "count = 0x" + "f" * 9000 + "\n", ("count",)),
        (CARD + 'memory = "0 GiB"\n', ("memory", "more than zero")),
        (CARD + 'memory_free = "25 GiB"\n', ("memory_free", "more memory is free than there is")),
        (CARD + "flops = {}\n", ("flops",)),
        (CARD + 'flops = { bf17 = "1 TFLOP/s" }\n', ("bf17", "did you mean 'bf16'")),
        (CARD + 'compute_capability = "eight"\n', ("compute_capability", "8.9")),
        (CARD + 'provenance = { memory = "guessed" }\n', ("provenance", "measured")),
        (CARD.replace("4090", "9099"), ("9099", "did you mean")),
        (CARD.replace('"cuda"', '"cudda"'), ("kind", "did you mean 'cuda'")),
        (DESK + '[[nodes.desk.devices]]\nkind = "cpu"\ncount = 2\n', ("cpu", "one")),
        (DESK + '[[nodes.desk.devices]]\nkind = "cpu"\n' * 2, ("cpu", "one")),
        (DESK.replace("desk", '"de sk"'), ("letters, digits",)),
        (HEAD + "nodes = 3\n", ("nodes", "must be a table")),
        (HEAD + "[nodes]\ndesk = 3\n", ("nodes.desk", "must be a table")),
        (DESK + "devices = 3\n", ("devices", "array of tables")),
        (DESK + "devices = [3]\n", ("devices[0]", "must be a table")),
        (DESK + "ram = 3\n", ("not valid TOML", "line 4")),
        (DESK + 'os = "linx"\n', ("os", "did you mean 'linux'")),
        (DESK + "x = " + "[" * 100_000 + "\n", ("TOML",)),
        (DESK + "x = 1" + "0" * 5000 + "\n", ("TOML",)),
    ],
)  # fmt: skip
def test_a_wrong_cluster_document_is_refused_with_its_place(
    tmp_path: Path, text: str, words: tuple[str, ...]
) -> None:
    refused(plan_of(tmp_path, text), "home.toml", *words)


@pytest.mark.parametrize("depth", [900, 960, 990, 1000, 100_000])
def test_json_nested_absurdly_is_refused(tmp_path: Path, depth: int) -> None:
    text = '{"schema": "homecluster.cluster/1", "nodes": ' + "[" * depth + "]" * depth + "}"
    refused(plan_of(tmp_path, text, "home.json"), "home.json")


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "1e999", "[[[]]]", "null", '"x"', "1" + "0" * 5000]
)
def test_json_of_another_shape_is_refused(tmp_path: Path, value: str) -> None:
    refused(plan_of(tmp_path, value, "home.json"), "home.json")


def test_many_pcs_are_refused_before_they_are_planned(tmp_path: Path) -> None:
    text = HEAD + "".join(f'[nodes.n{i}]\nram = "8 GiB"\n' for i in range(3000))
    refused(plan_of(tmp_path, text), "at most")


def test_a_file_of_100_mb_is_refused_unread(tmp_path: Path) -> None:
    file = tmp_path / "home.toml"
    with file.open("wb") as handle:
        handle.truncate(100_000_000)
    refused(run("plan", "--json", "--model", "gpt2", "--cluster", file), "home.toml", "larger than")


def test_a_device_that_never_ends_is_refused() -> None:
    refused(
        run("plan", "--json", "--model", "gpt2", "--cluster", "/dev/zero"), "/dev/zero", "larger"
    )


def test_a_binary_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "home.toml"
    file.write_bytes(os.urandom(4096) + b"\xff\xfe")
    refused(run("plan", "--json", "--model", "gpt2", "--cluster", file), "home.toml", "not UTF-8")


def test_a_folder_is_no_cluster_document(tmp_path: Path) -> None:
    refused(run("plan", "--json", "--model", "gpt2", "--cluster", tmp_path), "folder")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    refused(
        run("plan", "--json", "--model", "gpt2", "--cluster", tmp_path / "no.toml"),
        "no.toml",
        "No such file",
    )


def test_a_document_that_windows_saved_with_a_mark_and_its_own_line_ends_is_read(
    tmp_path: Path,
) -> None:
    ran = plan_of(tmp_path, "\ufeff" + CARD.replace("\n", "\r\n"))
    assert ran.code == 0, ran.err


def test_a_json_document_is_read_whatever_the_file_is_called(tmp_path: Path) -> None:
    ran = plan_of(
        tmp_path,
        json.dumps({"schema": "homecluster.cluster/1", "nodes": {"a": {"ram": "8 GiB"}}}),
        "fd63",
    )
    assert ran.code == 0, ran.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--model", "gtp2"), ("gtp2", "gpt2")),
        (("--model", "lama-3-8b"), ("did you mean llama-3-8b",)),
        (("--model", ""), ("no model",)),
        (("--model", "./nowhere"), ("./nowhere",)),
        ((), ("--model",)),
        (("--model", "gpt2", "--nodes", "alise"), ("alise", "did you mean 'alice'")),
        (("--model", "gpt2", "--nodes", ","), ("--nodes",)),
        (("--model", "gpt2", "--nodes", ""), ("--nodes",)),
        (("--model", "gpt2", "--concurrency", "8", "--request-rate", "1"), ("exclude each other",)),
        (("--model", "gpt2", "--concurrency", "0"), ("--concurrency",)),
        (("--model", "gpt2", "--concurrency", "1.5"), ("--concurrency",)),
        (("--model", "gpt2", "--concurrency", "9" * 400), ("--concurrency",)),
        (("--model", "gpt2", "--request-rate", "nan"), ("--request-rate",)),
        (("--model", "gpt2", "--request-rate", "inf"), ("--request-rate",)),
        (("--model", "gpt2", "--request-rate", "0"), ("--request-rate",)),
        (("--model", "gpt2", "--request-rate", "1e-300"), ("--request-rate",)),
        (("--model", "gpt2", "--memory-utilization", "nan"), ("--memory-utilization",)),
        (("--model", "gpt2", "--memory-utilization", "1.1"), ("--memory-utilization",)),
        (("--model", "gpt2", "--max-model-len", "100"), ("--max-model-len 100", "512")),
        (("--model", "gpt2", "--dtype", "bf61"), ("--dtype",)),
        (("--model", "gpt2", "--goal", "speed"), ("--goal",)),
        (("--model", "gpt2", "--partition", "6,5"), ("adds up to 11", "12")),
        (("--model", "gpt2", "--partition", "6,six"), ("--partition",)),
        (("--model", "gpt2", "--partition", "12,0"), ("--partition",)),
        (("--model", "gpt2", "--partition", ""), ("--partition",)),
        (("--model", "gpt2", "--partition", "9" * 5000), ("--partition",)),
        (("--model", "gpt2", "--partition", "6,6", "--pipeline-parallel", "3"), ("--pipeline-parallel 3",)),
        (("--model", "gpt2", "--what-if", "link=1gbit"), ("1gbit", "1gbe")),
        (("--model", "gpt2", "--what-if", "lnk=1gbe"), ("lnk=1gbe", "link=1gbe")),
        (("--model", "gpt2", "--what-if", "rtt=fast"), ("fast",)),
        (("--model", "gpt2", "--what-if", "rtt=0ms"), ("more than zero",)),
        (("--model", "gpt2", "--what-if", "rtt=1ms,rtt=2ms"), ("rtt", "twice")),
        (("--model", "gpt2", "--what-if", "remove=alise"), ("alise", "alice")),
        (("--model", "gpt2", "--what-if", ""), ("--what-if",)),
        (("--model", "gpt2", "--quantization", "awq"), ("awq", "none")),
        (("--model", "gpt2", "--tensor-parallel", "two"), ("--tensor-parallel",)),
        (("--model", "gpt2", "--no-such-flag"), ("--no-such-flag",)),
    ],
)  # fmt: skip
def test_wrong_flags_are_refused_by_name(
    arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    refused(run("plan", "--json", *HOTSPOT, *arguments), *words)


def test_removing_the_only_pc_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "home.toml"
    file.write_text(CARD)
    refused(
        run("plan", "--model", "gpt2", "--cluster", file, "--what-if", "remove=desk"),
        "no PC would be left",
    )


@pytest.mark.parametrize(
    "pin",
    [
        ("--tensor-parallel", "5"),
        ("--replicas", "3"),
        ("--pipeline-parallel", "13"),
        ("--partition", "4,4,4"),
    ],
)
def test_pins_that_nothing_satisfies_are_answered_by_their_rule(pin: tuple[str, str]) -> None:
    ran = run("plan", "--json", "--model", "gpt2", *HOTSPOT, *pin)
    rules = {"--tensor-parallel": "heads", "--replicas": "not-enough-devices", "--pipeline-parallel": "layers", "--partition": "not-enough-devices"}  # fmt: skip
    assert ran.code == 1
    assert [r["rule"] for r in ran.document["rejections"]] == [rules[pin[0]]]


GPT2 = {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "n_layer": 12, "n_embd": 768, "n_head": 12, "vocab_size": 50257, "n_positions": 1024}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"n_head": 7}, "7 attention heads"),
        ({"n_head": -12}, "n_head"),
        ({"n_head": 0}, "n_head"),
        ({"n_layer": 10**9}, "n_layer"),
        ({"n_layer": 1.5}, "n_layer"),
        ({"n_layer": True}, "n_layer"),
        ({"n_embd": "768"}, "n_embd"),
        ({"vocab_size": -1}, "vocab_size"),
        ({"architectures": ["Nobody"]}, "Nobody"),
        ({"architectures": 3}, "architectures"),
    ],
)
def test_a_config_json_that_lies_is_refused_by_its_key(
    tmp_path: Path, changes: dict[str, object], word: str
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(GPT2 | changes))
    refused(run("plan", "--json", "--model", tmp_path, *HOTSPOT), "config.json", word)


@pytest.mark.parametrize(
    "text", ["", "[]", "3", "{", '"x"', "[" * 1000, '{"a":' * 100_000, "NaN", "\ufeff{}"]
)
def test_a_config_json_of_another_shape_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text, encoding="utf-8")
    refused(run("plan", "--json", "--model", tmp_path, *HOTSPOT), "config")


def test_a_config_json_of_100_mb_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "config.json").open("wb") as handle:
        handle.truncate(100_000_000)
    refused(run("plan", "--json", "--model", tmp_path, *HOTSPOT), "larger than")


def test_a_folder_without_a_config_json_is_refused(tmp_path: Path) -> None:
    refused(run("plan", "--json", "--model", f"{tmp_path}/", *HOTSPOT), "config.json")


def test_a_prompt_longer_than_the_model_takes_is_answered_with_its_rule() -> None:
    ran = run("plan", "--json", "--model", "gpt2", *HOTSPOT, "--prompt-tokens", "2000")
    assert ran.code == 1
    assert ran.document["rejections"][0]["rule"] == "context-length"


def test_the_largest_workload_that_the_flags_allow_is_planned_or_refused_quickly() -> None:
    ran = run("plan", "--json", "--model", "llama-3.1-8b", "--cluster", EXAMPLES / "rtx4090.toml", "--concurrency", "1000000", "--prompt-tokens", "100000", "--output-tokens", "20000")  # fmt: skip
    assert ran.code in (0, 1)


def test_diagnose_refuses_the_same_inputs() -> None:
    refused(run("diagnose", "--json", "--model", "gtp2", *HOTSPOT), "gpt2")
    refused(
        run("diagnose", "--json", "--model", "gpt2", *HOTSPOT, "--partition", "6,5"),
        "adds up to 11",
    )
    refused(run("diagnose", "--json", "--model", "gpt2", *HOTSPOT, "--nodes", "alise"), "alice")


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (("plan", "--model", "gpt2", "--cluster", "nowhere.toml"), ("nowhere.toml", "looked for in")),
        (("join", "--token-file", "nowhere"), ("nowhere: No such file",)),
        (("engine", "install", "--cpu", "--cuda"), ("--cpu and --cuda",)),
        (("run", "qqqq"), ("zero-copy-bert. A file's",)),
    ],
)  # fmt: skip
def test_a_slip_of_a_newcomer_is_told_with_what_to_do(
    typed: tuple[str, ...], words: tuple[str, ...]
) -> None:
    ran = run(*typed)
    refused(ran, "hint: " if "join" not in typed else "error: ", *words)
    assert "Errno" not in ran.err


def test_an_unknown_command_is_exit_code_2() -> None:
    refused(run("plam"), "plam")


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    """`homecluster plan | head -1`: Python must not complain at its end."""
    command = f"{sys.executable} -m homecluster plan --json --model gpt2 --cluster {EXAMPLES / 'hotspot.toml'} | head -c 1"
    ended = subprocess.run(
        ["/bin/sh", "-c", command],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=tmp_path,
    )
    assert ended.stdout == "{"
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr


def test_the_program_itself_returns_the_code_and_no_traceback(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-m", "homecluster", "plan", "--model", "gpt2", "--cluster", "nowhere.toml"], capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path)  # fmt: skip
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: ")
    assert "nowhere.toml" in ended.stderr


@pytest.mark.parametrize(
    "argv",
    [("report", "--html"), ("plan", "--model", "gpt2", "--picture"), ("diagnose", "--save")],
)
def test_a_folder_is_no_file_to_write(tmp_path: Path, argv: tuple[str, ...]) -> None:
    refused(run(*argv, tmp_path), "is a directory")
