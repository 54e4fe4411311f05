import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from homecluster.domain.hardware import DType
from homecluster.errors import InputError, MissingError
from homecluster.planner.weights import parameter_count, stage_weight_bytes
from homecluster.store import hub
from homecluster.store.model_catalogue import catalogue, find_in_catalogue
from homecluster.store.model_config import parse_config
from homecluster.store.models import find_model, weights_folder

CONFIGS = Path(__file__).parents[1] / "data" / "configs"
CONFIG = {"model_type": "gpt2", "n_layer": 2}

PUBLISHED = {
    "gpt2": 124_439_808,
    "gpt2-medium": 354_823_168,
    "gpt2-large": 774_030_080,
    "gpt2-xl": 1_557_611_200,
    "opt-125m": 125_239_296,
    "opt-350m": 331_196_416,
    "opt-6.7b": 6_658_473_984,
    "opt-13b": 12_853_473_280,
    "opt-30b": 29_974_540_288,
    "tinyllama-1.1b": 1_100_048_384,
    "llama-2-7b": 6_738_415_616,
    "llama-2-13b": 13_015_864_320,
    "llama-2-70b": 68_976_648_192,
    "llama-30b": 32_528_943_616,
    "llama-3-8b": 8_030_261_248,
    "llama-3-70b": 70_553_706_496,
    "llama-3.2-1b": 1_235_814_400,
    "llama-3.2-3b": 3_212_749_824,
    "mistral-7b": 7_241_732_096,
    "qwen2.5-0.5b": 494_032_768,
    "qwen2.5-7b": 7_615_616_512,
    "qwen2.5-72b": 72_706_203_648,
    "qwen3-0.6b": 596_049_920,
    "qwen3-8b": 8_190_735_360,
    "qwen3-30b-a3b": 30_532_122_624,
    "gemma-2-2b": 2_614_341_888,
    "gemma-2-9b": 9_241_705_984,
    "gemma-2-27b": 27_227_128_320,
    "phi-2": 2_779_683_840,
    "phi-3-mini": 3_821_079_552,
    "bloom-560m": 559_214_592,
    "bloom-7b1": 7_069_016_064,
    "bloom-176b": 176_247_271_424,
    "bert-base": 109_482_240,
    "bert-large": 335_141_888,
    "mixtral-8x7b": 46_702_792_704,
    "qwen1.5-moe-a2.7b": 14_315_784_192,
}
"""As their publishers or the hub's safetensors metadata give them."""


@pytest.mark.parametrize(("name", "parameters"), PUBLISHED.items())
def test_a_bundled_shape_gives_the_published_total(name: str, parameters: int) -> None:
    assert parameter_count(find_model(name).spec) == parameters


def test_every_row_agrees_with_its_total_and_with_transformers() -> None:
    # the second totals were counted once on the real classes; the file says how
    confirmed = json.loads((CONFIGS / "transformers_totals.json").read_text())["totals"]
    rows = catalogue()
    assert {row.name: row.parameters for row in rows} == confirmed
    for row in rows:
        spec = parse_config(row.config, name=row.name, where=row.name)
        assert (row.name, parameter_count(spec)) == (row.name, row.parameters)


def test_every_row_says_where_it_is_from_and_is_found_by_each_of_its_names() -> None:
    rows = json.loads(
        (Path(hub.__file__).parent / "data" / "models.json").read_text(encoding="utf-8")
    )["models"]
    assert len(rows) >= 40
    assert len({row["name"] for row in rows}) == len(rows)
    for row in rows:
        assert row["source"].startswith("https://")
        for name in (row["name"], row["hub_id"], *row.get("aliases", ())):
            found = find_in_catalogue(name)
            assert found is not None
            assert (name, found.name) == (name, row["name"])
            if "/" in name:
                assert found.hub_id == name


@pytest.mark.parametrize(
    ("spelling", "name", "hub_id"),
    [
        ("GPT2", "gpt2", "openai-community/gpt2"),
        ("gpt-2", "gpt2", "openai-community/gpt2"),
        (" gpt2 ", "gpt2", "openai-community/gpt2"),
        ("llama_2_13b", "llama-2-13b", "meta-llama/Llama-2-13b-hf"),
        ("Llama2-7b-chat-hf", "llama-2-7b", "meta-llama/Llama-2-7b-chat-hf"),
        ("meta-llama/Meta-Llama-3-8B", "llama-3-8b", "meta-llama/Meta-Llama-3-8B"),
        ("Llama-3.1-8B-Instruct", "llama-3.1-8b", "meta-llama/Llama-3.1-8B-Instruct"),
        ("unsloth/Llama-3.1-8B-Instruct", "llama-3.1-8b", "unsloth/Llama-3.1-8B-Instruct"),
        ("mixtral-8x7b-instruct", "mixtral-8x7b", "mistralai/Mixtral-8x7B-Instruct-v0.1"),
        ("llama-3.1-8b-instruct-awq", "llama-3.1-8b-awq", "hugging-quants/Meta-Llama-3.1-8B-Instruct-AWQ-INT4"),
        ("opt-125m-instruct", "opt-125m", None),
    ],
)  # fmt: skip
def test_common_spellings_are_understood(spelling: str, name: str, hub_id: str | None) -> None:
    found = find_model(spelling)
    assert (found.spec.name, found.hub_id, found.source) == (name, hub_id, "catalogue")


def test_a_name_of_an_unknown_publisher_is_not_taken_for_the_original() -> None:
    assert find_in_catalogue("someone/llama-3.1-8b") is None


def test_quantised_variants_fit_where_the_original_does_not() -> None:
    def held(name: str) -> int:
        spec = find_model(name).spec
        return stage_weight_bytes(
            spec, layers=spec.layers, first=True, last=True, tensor_parallel=1, dtype=DType.FP16
        )

    # published file sizes: 16.07 GB in bf16, 5.73 GB as AWQ, 9.08 GB as FP8
    assert held("llama-3.1-8b") == pytest.approx(16.07e9, rel=0.005)
    assert held("llama-3.1-8b-awq") == pytest.approx(5.73e9, rel=0.01)
    assert held("llama-3.1-8b-fp8") == pytest.approx(9.08e9, rel=0.01)


@pytest.mark.parametrize(
    ("typo", "meant"),
    [("lama-3-8b", "llama-3-8b"), ("gpt2-lrage", "gpt2-large"), ("qwen2.5-7", "qwen2.5-7b")],
)
def test_an_unknown_name_is_answered_with_the_nearest(typo: str, meant: str) -> None:
    with pytest.raises(InputError) as refusal:
        find_model(typo)
    assert typo in refusal.value.message
    assert meant in (refusal.value.hint or "")


@pytest.mark.parametrize(
    "reference",
    ["", "  ", "a\0b", "x" * 5000, "y" * 300, "./nowhere", "/dev/zero", "no/such/../one", "a b/c"],
)
def test_a_reference_that_means_nothing_is_refused(reference: str) -> None:
    with pytest.raises(InputError) as refusal:
        find_model(reference)
    assert len(refusal.value.message) < 400


@pytest.mark.parametrize("reference", ["{}", "{}/", "{}/config.json"])
def test_a_folder_and_its_config_mean_the_same_model(tmp_path: Path, reference: str) -> None:
    folder = model_folder(tmp_path / "my-model")
    found = find_model(reference.format(folder))
    assert (found.spec.name, found.spec.layers, found.source) == ("my-model", 2, "folder")
    assert weights_folder(found) == folder


def test_a_folder_without_weights_has_a_shape_but_nothing_to_run(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "bare", weights=False)
    assert weights_folder(find_model(str(folder))) is None


@pytest.mark.parametrize("reference", ["tuned/model", "./tuned/model", "tuned/model/config.json"])
def test_a_folder_named_from_here_is_found_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: str
) -> None:
    (tmp_path / "tuned").mkdir()
    model_folder(tmp_path / "tuned" / "model")
    monkeypatch.chdir(tmp_path)
    found = find_model(reference)
    assert (found.folder, found.spec.name) == (tmp_path / "tuned" / "model", "model")


def test_a_folder_of_the_working_directory_without_config_hides_no_bundled_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gpt2").mkdir()
    monkeypatch.chdir(tmp_path)
    assert find_model("gpt2").source == "catalogue"
    with pytest.raises(InputError, match="holds no"):
        find_model("./gpt2")


@pytest.mark.parametrize(
    "place", ["hub/models/some/Thing-1___5B", "hub/some/Thing-1___5B", "hub/models/some/Thing-1.5B"]
)
def test_a_modelscope_folder_is_found_by_its_hub_id(tmp_path: Path, place: str) -> None:
    folder = model_folder(tmp_path / ".cache" / "modelscope" / place)
    found = find_model("some/Thing-1.5B", {"HOME": str(tmp_path)})
    assert (found.spec.name, found.folder, found.source) == ("some/Thing-1.5B", folder, "cache")


def test_moved_modelscope_folders_are_found_too(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "models" / "some" / "thing")
    assert find_model("some/thing", {"MODELSCOPE_CACHE": str(tmp_path)}).folder == folder


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def test_a_snapshot_in_the_hub_s_cache_is_found_offline(hub_cache: Path) -> None:
    repository = hub_cache / "models--some--thing"
    snapshot = model_folder(repository / "snapshots" / "c0ffee")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("c0ffee")
    found = find_model("some/thing")
    assert (found.folder, found.hub_id, found.source) == (snapshot, "some/thing", "cache")
    assert weights_folder(found) == snapshot


def test_a_bundled_model_s_weights_are_found_in_the_hub_s_cache(hub_cache: Path) -> None:
    assert weights_folder(find_model("gpt2")) is None
    repository = hub_cache / "models--openai-community--gpt2"
    snapshot = model_folder(repository / "snapshots" / "c0ffee")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("c0ffee")
    assert weights_folder(find_model("gpt2")) == snapshot


class Hub(BaseHTTPRequestHandler):
    """Answers as the real hub does, by owner."""

    def do_GET(self) -> None:
        owner = self.path.split("/")[1]
        if owner == "slow":
            time.sleep(hub.ANSWER_WITHIN_S * 2)
        status, error = {"gated": (403, "GatedRepo"), "gone": (404, "EntryNotFound")}.get(
            owner, (200, "")
        )
        if owner == "nobody":
            status, error = 401, "RepoNotFound"
        body = b"x" * (9 * 1024**2) if owner == "huge" else json.dumps(CONFIG).encode()
        self.send_response(status)
        if error:
            self.send_header("X-Error-Code", error)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def local_hub(hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    del hub_cache
    server = HTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
    monkeypatch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
        endpoint + "/{repo_id}/resolve/{revision}/{filename}",
    )
    yield
    server.shutdown()
    server.server_close()


@pytest.mark.usefixtures("local_hub")
def test_a_model_that_is_only_on_the_hub_is_read_from_there() -> None:
    found = find_model("some/thing")
    assert (found.spec.layers, found.folder, found.hub_id, found.source) == (
        2,
        None,
        "some/thing",
        "hub",
    )


@pytest.mark.usefixtures("local_hub")
@pytest.mark.parametrize(
    ("hub_id", "error", "said"),
    [
        ("nobody/thing", InputError, "knows no model nobody/thing"),
        ("gone/thing", InputError, "no config.json"),
        ("huge/thing", InputError, "larger than any"),
        ("gated/thing", MissingError, "accepted its licence"),
    ],
)
def test_the_hub_s_refusals_are_told_apart(hub_id: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        find_model(hub_id)


@pytest.mark.usefixtures("local_hub")
def test_a_hub_that_does_not_answer_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "ANSWER_WITHIN_S", 0.3)
    with pytest.raises(InputError, match=r"hub (does not answer|cannot be reached)"):
        find_model("slow/thing")


def test_bundled_models_are_found_without_the_hub_s_library() -> None:
    script = (
        "import sys\n"
        "from homecluster.store.models import find_model\n"
        "find_model('llama-3.1-8b-instruct')\n"
        "heavy = {'huggingface_hub', 'torch', 'numpy', 'transformers'} & set(sys.modules)\n"
        "print(heavy or 'light')\n"
    )
    run = subprocess.run(
        (sys.executable, "-c", script),
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ),
    )
    assert run.stdout.strip() == "light"


def model_folder(folder: Path, *, weights: bool = True) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    if weights:
        (folder / "model.safetensors").write_bytes(b"")
    return folder
