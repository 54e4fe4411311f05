import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

from homecluster.store.own_wheel import own_code, write_bare_wheel, write_own_wheel

LOOK = """
from importlib.metadata import version, distribution
import homecluster, homecluster.jobs.vllm_plugin.gate
missing = [file for file in distribution("homecluster").files if not file.locate().exists()]
print(version("vllm"), homecluster.__file__, missing)
"""


def test_our_wheel_holds_our_code_and_only_vllms_entry_points(tmp_path: Path) -> None:
    with zipfile.ZipFile(write_own_wheel(own_code(), tmp_path)) as wheel:
        names = wheel.namelist()
        (points,) = [name for name in names if name.endswith("entry_points.txt")]
        text = wheel.read(points).decode()
    assert "homecluster/jobs/vllm_plugin/gate.py" in names
    assert "homecluster/store/data/engine-cpu.lock" in names
    assert "[vllm.platform_plugins]" in text
    assert "console_scripts" not in text
    assert not any("__pycache__" in name for name in names)


def test_the_same_code_makes_the_same_wheel_and_any_change_another_hash(tmp_path: Path) -> None:
    code = own_code()
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second = (write_own_wheel(own_code(), tmp_path / name) for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    changed = replace(code, files={**code.files, "homecluster/__init__.py": b"x = 1\n"})
    assert changed.sha256 != code.sha256
    renamed = replace(code, entry_points=code.entry_points + "\n")
    assert renamed.sha256 != code.sha256


def test_pip_installs_both_wheels_and_finds_every_file_as_recorded(tmp_path: Path) -> None:
    wheels = [
        write_own_wheel(own_code(), tmp_path),
        write_bare_wheel("vllm", "0.32.0+cpu", tmp_path),
    ]
    target = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps",
         "--target", target, *wheels],
        check=True,
    )  # fmt: skip
    told = subprocess.run(
        [sys.executable, "-S", "-c", LOOK],
        env={"PYTHONPATH": str(target)}, cwd=tmp_path, capture_output=True, text=True, check=True,
    ).stdout.split(maxsplit=2)  # fmt: skip
    assert told == ["0.32.0+cpu", str(target / "homecluster/__init__.py"), "[]\n"]
