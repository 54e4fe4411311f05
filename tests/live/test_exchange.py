"""The exchange with the engine's own torch: right sums, the same bits on every rank, and an end when one dies."""

import json
import subprocess
from pathlib import Path

import pytest

from homecluster.store.engine_store import Engine
from tests.waiting import within

pytestmark = [pytest.mark.engine, pytest.mark.slow]

TENSORS = {2: 5000, 3: 3000, 4: 2000}
"""10 000 in all; by number of ranks."""


def start(
    engine: Engine, folder: Path, rank: int, ranks: int, tensors: int
) -> subprocess.Popen[str]:
    script = Path(__file__).with_name("exchange_ranks.py")
    return subprocess.Popen(
        [engine.python, script, str(rank), str(ranks), folder, str(tensors), str(1000 * ranks)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder,
    )  # fmt: skip


@pytest.mark.parametrize("ranks", TENSORS)
def test_random_tensors_of_all_dtypes_are_summed_alike_on_every_rank(
    engine: Engine, tmp_path: Path, ranks: int
) -> None:
    processes = [start(engine, tmp_path, rank, ranks, TENSORS[ranks]) for rank in range(ranks)]
    said = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0] * ranks, said
    results = [json.loads(out) for out, _ in said]
    assert len({result["digest"] for result in results}) == 1
    assert 0 < results[0]["declined"] < TENSORS[ranks] / 20


def test_a_killed_rank_ends_the_others_with_its_name(engine: Engine, tmp_path: Path) -> None:
    many = 10_000_000  # does not end by itself
    processes = [start(engine, tmp_path, rank, 3, many) for rank in range(3)]
    try:
        within(60, lambda: len(list(tmp_path.glob("*.met"))) == 3)
        processes[2].kill()
        errors = [process.communicate(timeout=120)[1] for process in processes[:2]]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert all("ExchangeError" in error for error in errors), errors
    assert any("rank 2" in error for error in errors), errors


@pytest.mark.parametrize(("choice", "exchanges"), [("exchange", True), ("engine", False)])
def test_vllms_communicator_gives_the_same_with_the_exchange_and_without(
    engine: Engine, tmp_path: Path, choice: str, exchanges: bool
) -> None:
    script = Path(__file__).with_name("communicator_rank.py")
    processes = [
        subprocess.Popen(
            [engine.python, script, str(rank), "3", tmp_path, choice],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        ) for rank in range(3)
    ]  # fmt: skip
    said = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], said
    facts = [json.loads(out.splitlines()[-1]) for out, _ in said]
    assert facts == [{"exchanges": exchanges, "agrees": True}] * 3
