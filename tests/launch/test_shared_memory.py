import os
import subprocess
import sys
import uuid
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import pytest

from homecluster.launch import strays
from homecluster.launch.shared_memory import files_held_by, remove_left
from homecluster.launch.strays import kill_descendants


def test_a_file_that_a_process_maps_is_found_and_removed_once_it_is_dead() -> None:
    memory = SharedMemory(create=True, size=4096)
    path = Path("/dev/shm") / memory.name.lstrip("/")
    held = files_held_by([os.getpid()])
    memory.close()
    assert path in held
    assert path not in files_held_by([os.getpid()])
    assert path.exists()
    remove_left([path])
    assert not path.exists()
    with pytest.raises(FileNotFoundError):
        memory.unlink()
    resource_tracker.unregister(f"/{memory.name}", "shared_memory")


def test_killing_a_process_takes_its_shared_memory_along() -> None:
    holder = (
        "from multiprocessing.shared_memory import SharedMemory as S; import time\n"
        "memory = S(create=True, size=4096); print(memory.name, flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", holder], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    path = Path("/dev/shm") / process.stdout.readline().strip()
    assert path.exists()
    assert kill_descendants(5.0) == []
    assert not path.exists()
    process.wait()


def test_marks_of_dead_processes_go_and_those_of_the_living_and_of_others_stay(
    tmp_path: Path,
) -> None:
    uid, me = os.getuid(), os.getpid()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    names = [f"__KMP_REGISTERED_LIB_{gone.pid}_{uid}", f"__KMP_REGISTERED_LIB_{me}_{uid}",
             f"__KMP_REGISTERED_LIB_{gone.pid}_{uid + 1}", "psm_1234"]  # fmt: skip
    for name in names:
        (tmp_path / name).touch()
    remove_left([], folder=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])


_LOCKED = """
import multiprocessing, sys, time
from multiprocessing.synchronize import Lock

def wait(lock):
    time.sleep(600)

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    lock = context.Lock()
    child = context.Process(target=wait, args=(lock,))
    child.start()
    print(lock._semlock.name.strip("/"), flush=True)
    time.sleep(600)
"""


def test_a_killed_family_leaves_no_named_semaphore(tmp_path: Path) -> None:
    """Its names are in no process's memory map; only Python's resource tracker knows them."""
    script = tmp_path / "locked.py"
    script.write_text(_LOCKED)
    job = f"test-{uuid.uuid4().hex}"
    family = subprocess.Popen(
        [sys.executable, str(script)],
        env=os.environ | {strays.JOB_VARIABLE: job},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert family.stdout is not None
    semaphore = Path("/dev/shm") / f"sem.{family.stdout.readline().strip()}"
    assert semaphore.exists()

    assert strays.kill_tagged(job, 10.0) == []
    family.wait()

    assert not semaphore.exists()
