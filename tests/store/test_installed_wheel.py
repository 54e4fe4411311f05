"""Wheels made again from what is installed: pip takes them, and every file is as it was."""

import base64
import csv
import hashlib
import importlib.metadata
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from homecluster.store.installed_wheel import wheel_name, write_wheel

TAG = "cp311-cp311-linux_x86_64"
METADATA = "Metadata-Version: 2.1\nName: toy-kit\nVersion: 1.0+cpu\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: false\nTag: cp311-cp311-manylinux_2_17_x86_64\nTag: cp311-cp311-manylinux2014_x86_64\n"


@pytest.fixture
def toy(tmp_path: Path) -> importlib.metadata.Distribution:
    """A package with a module, a data file, a script of its own and one made by pip."""
    packages = tmp_path / "env" / "lib" / "python3.11" / "site-packages"
    info = packages / "toy_kit-1.0+cpu.dist-info"
    files = {
        packages / "toy.py": "def main(): print('toy')\n",
        packages / "N=1,K=2.json": "{}",
        info / "METADATA": METADATA,
        info / "WHEEL": WHEEL,
        info / "INSTALLER": "pip\n",
        info / "entry_points.txt": "[console_scripts]\nmade = toy:main\n",
        tmp_path / "env" / "lib" / "libtoy.so": "binary",
        tmp_path / "env" / "lib" / "libnear.so": "binary",
        tmp_path / "env" / "bin" / "made": "#!/somewhere/python\n",
        tmp_path / "env" / "bin" / "own": "#!/somewhere/env/bin/python\nprint('own')\n",
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    names = [
        "toy.py",
        "N=1,K=2.json",
        "../../../lib/libtoy.so",
        "../../libnear.so",
        "../../../bin/made",
        "../../../bin/own",
    ]
    names += [
        f"{info.name}/{n}" for n in ("METADATA", "WHEEL", "INSTALLER", "entry_points.txt", "RECORD")
    ]
    (info / "RECORD").write_text("".join(f'"{name}",,\n' for name in names))
    (found,) = importlib.metadata.distributions(path=[str(packages)])
    return found


def test_machine_code_gets_the_tag_of_its_pc_and_pure_python_none(
    toy: importlib.metadata.Distribution,
) -> None:
    assert wheel_name(toy, TAG) == "toy_kit-1.0+cpu-cp311-cp311-linux_x86_64.whl"
    assert wheel_name(importlib.metadata.distribution("click"), TAG).endswith("-py3-none-any.whl")


def test_everything_but_pips_own_notes_is_in_it_with_its_hash(
    toy: importlib.metadata.Distribution, tmp_path: Path
) -> None:
    with zipfile.ZipFile(write_wheel(toy, tmp_path, TAG)) as wheel:
        names = set(wheel.namelist())
        assert names == {
            "toy.py",
            "N=1,K=2.json",
            "toy_kit-1.0+cpu.data/data/lib/libtoy.so",
            "toy_kit-1.0+cpu.data/data/lib/libnear.so",
            "toy_kit-1.0+cpu.data/scripts/own",
            "toy_kit-1.0+cpu.dist-info/METADATA",
            "toy_kit-1.0+cpu.dist-info/WHEEL",
            "toy_kit-1.0+cpu.dist-info/entry_points.txt",
            "toy_kit-1.0+cpu.dist-info/RECORD",
        }
        assert wheel.read("toy_kit-1.0+cpu.data/scripts/own") == b"#!python\nprint('own')\n"
        record = wheel.read("toy_kit-1.0+cpu.dist-info/RECORD").decode()
        for name, hashed, size in csv.reader(io.StringIO(record)):
            if not hashed:
                assert name.endswith("RECORD")
                continue
            content = wheel.read(name)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
            assert (hashed, int(size)) == (f"sha256={digest.decode()}", len(content))


def test_the_same_files_make_the_same_wheel(
    toy: importlib.metadata.Distribution, tmp_path: Path
) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    first.mkdir()
    second.mkdir()
    assert write_wheel(toy, first, TAG).read_bytes() == write_wheel(toy, second, TAG).read_bytes()


def test_pip_installs_a_package_of_this_environment_from_its_remade_wheel(tmp_path: Path) -> None:
    wheel = write_wheel(importlib.metadata.distribution("click"), tmp_path, TAG)
    target = tmp_path / "target"
    subprocess.run(
        (
            *(sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--quiet"),
            *("--target", str(target), str(wheel)),
        ),
        check=True,
        timeout=120,
    )
    (installed,) = importlib.metadata.distributions(path=[str(target)])
    assert installed.version == importlib.metadata.version("click")
    assert (target / "click" / "__init__.py").is_file()
