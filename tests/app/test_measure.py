"""This PC as the planner sees it, and measuring it through a stand-in for the engine's interpreter."""

from __future__ import annotations

import json
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from homecluster.app import measure
from homecluster.app.measure import Act, measure_this_pc, probed_dtypes
from homecluster.app.own_devices import own_devices, unmeasured_devices, with_speeds
from homecluster.app.this_pc import this_pc
from homecluster.domain.hardware import Device, DeviceKind, DType, Provenance
from homecluster.errors import LaunchError, MissingError
from homecluster.inventory.collect import Inventory, own_node_id
from homecluster.inventory.nvidia import Gpu, GpuReading
from homecluster.inventory.processor import Processor
from homecluster.inventory.system import SystemFacts
from homecluster.store.device_speeds import DeviceSpeeds, Fingerprint
from homecluster.store.engine_lock import bundled_lock
from homecluster.store.engine_store import Engine, Manifest
from homecluster.store.paths import Paths

GIB = 1024**3
NO_GPU = GpuReading(gpus=(), driver=None, cuda_driver=None, note="no NVIDIA driver is installed")
SYSTEM = SystemFacts(
    hostname="desk.lan",
    os="linux",
    processor=Processor(name="AMD EPYC", features=frozenset(), last_level_cache_bytes=32 * 1024**2),
    cpu_cores=4,
    engine_cores=(1, 3),
    ram_total_bytes=32 * GIB,
    ram_available_bytes=20 * GIB,
    addresses=("192.168.1.20",),
)
DESK = Inventory(system=SYSTEM, gpus=NO_GPU, wsl_mode=None, versions=())
GOOD = {
    "kernels": {
        "memory_bandwidth_bytes_per_s": {"bf16": 40e9},
        "peak_flop_per_s": {"bf16": 850e9, "fp32": 440e9},
    },
    "overheads": {
        "step_overhead_s": 1e-3,
        "layer_overhead_s": 2e-4,
        "sequence_overhead_s": 3e-4,
        "kv_cache_bandwidth_bytes_per_s": 20e9,
        "disturbance": 1.0,
    },
}


def gpu(name: str = "NVIDIA GeForce RTX 3060 Laptop GPU", **changes: Any) -> Gpu:
    return replace(
        Gpu(
            index=0,
            name=name,
            uuid=None,
            memory_total_bytes=6 * GIB - 1024,
            memory_free_bytes=5 * GIB,
            compute_capability=(8, 6),
            pcie_generation=4,
            pcie_width=8,
        ),
        **changes,
    )


def with_gpus(*gpus: Gpu) -> Inventory:
    return replace(
        DESK, gpus=GpuReading(gpus=gpus, driver="580.95.05", cuda_driver="13.0", note=None)
    )


def speeds(**changes: Any) -> DeviceSpeeds:
    known = DeviceSpeeds(
        fingerprint=Fingerprint(kind="cuda", name="x", cores=2, memory_bytes=0, driver="", vllm="", torch=""),
        measured_at="2026-11-21T12:00:00+00:00",
        memory_bandwidth_bytes_per_s=300e9,
        peak_flop_per_s=((DType.BF16, 13.08e12),),
        step_overhead_s=2e-3,
        layer_overhead_s=5e-5,
        sequence_overhead_s=None,
        kv_cache_bandwidth_bytes_per_s=None,
        attention_flop_per_s=None,
        sampling_s_per_logit=None,
        server_start_s=None,
        worker_start_s=None,
        engine_ready_s=None,
        disturbance=1.0,
    )  # fmt: skip
    return replace(known, **changes)


def test_a_cpu_nobody_measured_is_assumed_and_says_so(tmp_path: Path) -> None:
    (cpu,) = own_devices(DESK, tmp_path)
    assert (cpu.id, cpu.kind, cpu.name) == ("desk/cpu:0", DeviceKind.CPU, "AMD EPYC")
    assert (cpu.memory_total_bytes, cpu.memory_free_bytes) == (32 * GIB, 20 * GIB)
    assert cpu.provenance_of("memory_bandwidth_bytes_per_s") is Provenance.ASSUMED
    assert cpu.provenance_of("memory_total_bytes") is Provenance.MEASURED


def test_a_gpu_of_the_catalogue_has_its_sheet_and_the_drivers_memory(tmp_path: Path) -> None:
    card, cpu = own_devices(with_gpus(gpu()), tmp_path)
    assert card.id == "desk/cuda:0"
    assert card.memory_bandwidth_bytes_per_s == 336e9
    assert card.provenance_of("memory_bandwidth_bytes_per_s") is Provenance.CATALOGUE
    assert (card.memory_total_bytes, card.memory_free_bytes) == (6 * GIB - 1024, 5 * GIB)
    assert cpu.kind is DeviceKind.CPU


def test_a_gpu_that_nobody_knows_is_assumed_to_be_its_slowest_relative(tmp_path: Path) -> None:
    card, _ = own_devices(with_gpus(gpu("NVIDIA Prototype 9")), tmp_path)
    assert card.name == "NVIDIA Prototype 9"
    assert card.memory_bandwidth_bytes_per_s == 112e9  # RTX 2050, the slowest of 8.6
    assert card.provenance_of("memory_bandwidth_bytes_per_s") is Provenance.ASSUMED


def test_two_cards_get_the_drivers_numbers(tmp_path: Path) -> None:
    cards = own_devices(with_gpus(gpu(), gpu(index=1)), tmp_path)
    assert [device.id for device in cards] == ["desk/cuda:0", "desk/cuda:1", "desk/cpu:0"]


def test_what_was_measured_replaces_what_was_believed_and_nothing_else() -> None:
    (sheet, _), *_ = unmeasured_devices(with_gpus(gpu()))
    device = with_speeds(sheet, speeds())
    assert device.memory_bandwidth_bytes_per_s == 300e9
    assert device.provenance_of("step_overhead_s") is Provenance.MEASURED
    assert device.sequence_overhead_s == sheet.sequence_overhead_s
    assert device.provenance_of("sequence_overhead_s") is Provenance.ASSUMED
    # bf16 reached half of the sheet's 26.16 TFLOP/s, so the formats not measured are halved, too.
    assert device.flop_per_s(DType.BF16) == 13.08e12
    assert device.flop_per_s(DType.INT8) == pytest.approx(104.6e12 / 2, rel=1e-3)


@pytest.mark.parametrize(
    ("hostname", "name"),
    [
        ("desk", "desk"),
        ("desk.fritz.box", "desk"),
        ("Jörgs PC", "J-rgs-PC"),
        ("", "this-pc"),
        ("...", "this-pc"),
        ("x" * 80, "x" * 63),
    ],
)
def test_the_hostname_becomes_a_name_that_documents_accept(hostname: str, name: str) -> None:
    assert own_node_id(hostname) == name


def test_the_engines_default_format_is_measured_first() -> None:
    (cpu, _), *_ = unmeasured_devices(DESK)
    (turing, _), *_ = unmeasured_devices(with_gpus(gpu("Tesla T4", compute_capability=(7, 5))))
    assert probed_dtypes(cpu) == (DType.BF16, DType.FP16, DType.FP32)
    assert probed_dtypes(turing) == (DType.FP16, DType.FP32)


def test_this_real_pc_is_a_cluster_of_one(tmp_path: Path) -> None:
    cluster = this_pc(Paths(home=tmp_path, engines=tmp_path / "engines"))
    (node,) = cluster.nodes
    assert node.devices[-1].kind is DeviceKind.CPU
    assert not list(tmp_path.iterdir())


class Lab:
    """A PC without GPU, whose engine interpreter is a script of ours."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.paths = Paths(home=tmp_path / "home", engines=tmp_path / "engines")
        self.python = tmp_path / "bin" / "python"
        self.told: list[str] = []
        lock = bundled_lock(DeviceKind.CPU)
        manifest = Manifest(
            kind=DeviceKind.CPU, vllm="0", torch="0", ray="0", python="3", lock_sha256=lock.sha256,
            own_code_sha256="", installed_at="", disk_bytes=0,
        )  # fmt: skip
        engine = Engine(path=tmp_path, manifest=manifest)
        monkeypatch.setattr(measure, "find_engine", lambda *_: engine)
        monkeypatch.setattr(measure, "refresh_own_code", lambda engine: engine)
        monkeypatch.setattr(measure, "take_inventory", lambda **_: DESK)

    def script(self, body: str) -> None:
        self.python.parent.mkdir(exist_ok=True)
        self.python.write_text(f"#!{sys.executable}\n{textwrap.dedent(body)}")
        self.python.chmod(0o700)

    def measure(self, *, force: bool = False) -> measure.Measured:
        return measure_this_pc(self.paths, force=force, tell=self.told.append)

    def cpu(self) -> Device:
        (device,) = own_devices(DESK, self.paths.devices)
        return device


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    return Lab(tmp_path, monkeypatch)


def answering(document: object, before: str = "") -> str:
    return f"""
import json, os, sys
{before}
sys.stderr.write("progress: streaming weights\\n")
sys.stderr.write("engine chatter\\n")
print("noise on stdout")
print({json.dumps(json.dumps(document))})
"""


def test_a_measurement_is_told_kept_and_used(lab: Lab) -> None:
    lab.script(answering(GOOD))
    (outcome,) = lab.measure().outcomes
    assert outcome.act is Act.MEASURED
    assert outcome.device.memory_bandwidth_bytes_per_s == 40e9
    assert outcome.device.kv_cache_bandwidth_bytes_per_s == 20e9
    assert outcome.device.provenance_of("layer_overhead_s") is Provenance.MEASURED
    assert "streaming weights" in lab.told
    assert "engine chatter" not in " ".join(lab.told)
    assert lab.cpu() == outcome.device


def test_what_is_known_is_not_measured_again_unless_forced(lab: Lab) -> None:
    lab.script(answering(GOOD))
    lab.measure()
    lab.script("raise SystemExit(1)")
    (outcome,) = lab.measure().outcomes
    assert outcome.act is Act.KEPT
    with pytest.raises(LaunchError):
        lab.measure(force=True)
    assert lab.cpu().memory_bandwidth_bytes_per_s == 40e9  # a failed repetition spoils nothing


def test_the_measurement_gets_the_engines_environment_and_cores(lab: Lab) -> None:
    lab.script(answering(GOOD, before="open(os.path.dirname(__file__) + '/seen', 'w').write(json.dumps([sys.argv, dict(os.environ)]))"))  # fmt: skip
    lab.measure()
    argv, environment = json.loads((lab.python.parent / "seen").read_text())
    assert argv[1:5] == ["-m", "homecluster.jobs.device_probe", "--kind", "cpu"]
    assert "--eager" in argv
    assert environment["VLLM_CPU_OMP_THREADS_BIND"] == "1,3"
    assert environment["VLLM_NO_USAGE_STATS"] == "1"
    assert "PYTHONPATH" not in environment


def test_overheads_that_could_not_be_measured_leave_the_rates_and_a_reason(lab: Lab) -> None:
    lab.script(answering({"kernels": GOOD["kernels"], "overheads_failed": "vLLM ended with code 1"}))  # fmt: skip
    (outcome,) = lab.measure().outcomes
    assert outcome.reason == "vLLM ended with code 1"
    assert outcome.device.provenance_of("memory_bandwidth_bytes_per_s") is Provenance.MEASURED
    assert outcome.device.provenance_of("step_overhead_s") is Provenance.ASSUMED


@pytest.mark.parametrize(
    "body",
    [
        "import sys; sys.stderr.write('no AVX2\\n'); sys.exit(1)",
        "print('no document')",
        "",
        answering({"kernels": {}}),
        answering({}),
        answering(
            {"kernels": {"memory_bandwidth_bytes_per_s": {"bf16": -1}, "peak_flop_per_s": {}}}
        ),
    ],
)
def test_a_failed_measurement_is_an_error_and_nothing_is_believed(lab: Lab, body: str) -> None:
    lab.script(body)
    with pytest.raises(LaunchError, match="AMD EPYC"):
        lab.measure()
    assert lab.cpu().provenance_of("memory_bandwidth_bytes_per_s") is Provenance.ASSUMED


def test_the_error_names_a_log_with_the_engines_last_words(lab: Lab) -> None:
    lab.script("import sys; sys.stderr.write('no AVX2\\n'); sys.exit(1)")
    with pytest.raises(LaunchError) as caught:
        lab.measure()
    log = lab.paths.devices / "last-probe.log"
    assert str(log) in str(caught.value.hint)
    assert "no AVX2" in log.read_text()


def test_nothing_that_the_measurement_started_outlives_it(lab: Lab) -> None:
    lab.script(answering(GOOD, before="import subprocess; child = subprocess.Popen(['sleep', '60'], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL); open(os.path.dirname(__file__) + '/pid', 'w').write(str(child.pid))"))  # fmt: skip
    lab.measure()
    pid = int((lab.python.parent / "pid").read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_measurement_that_hangs_is_stopped(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "_LIMIT_S", 0.5)
    lab.script("import time; time.sleep(60)")
    with pytest.raises(LaunchError, match="stopped"):
        lab.measure()


def test_without_an_engine_nothing_runs_and_the_way_to_one_is_named(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object) -> None:
        raise MissingError(
            "the cpu engine is not installed", hint="homecluster engine install --cpu"
        )

    monkeypatch.setattr(measure, "find_engine", missing)
    lab.script("raise SystemExit('must not run')")
    measured = lab.measure()
    assert [outcome.act for outcome in measured.outcomes] == [Act.SKIPPED]
    assert "homecluster engine install --cpu" in str(measured.missing_engine)
    assert not lab.paths.devices.exists()


def test_the_state_of_other_people_is_not_read(lab: Lab) -> None:
    lab.script(answering(GOOD))
    lab.measure()
    for path in lab.paths.devices.iterdir():
        assert path.stat().st_mode & 0o077 == 0
