"""Real vLLM over two emulated PCs with the exchange: the tokens of one PC, and an end on both when one is lost."""

from pathlib import Path

import pytest

from homecluster.domain.small_collectives import SmallCollectives
from homecluster.store.engine_store import Engine
from tests.lab.availability import require_lab
from tests.lab.lab import Lab
from tests.live.engine_copy import EngineCopy, engine_copy
from tests.live.test_plugin import PROMPTS, greedy_tokens
from tests.waiting import within

pytestmark = [pytest.mark.lab, pytest.mark.engine, pytest.mark.slow]

ENGINE_DEADLINE_S = 60.0


@pytest.fixture(scope="module")
def single(
    engine: Engine, tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[list[int]]:
    tokens, _ = greedy_tokens(engine, tiny_llama, tmp_path_factory.mktemp("single"))
    return tokens


def test_the_exchange_gives_the_tokens_of_one_pc_and_ends_on_both_when_one_is_killed(
    engine: Engine, tiny_llama: Path, single: list[list[int]], tmp_path: Path
) -> None:
    require_lab()
    with (
        Lab("1gbe", hosts=2) as lab,
        engine_copy(lab, engine, tiny_llama, SmallCollectives.EXCHANGE, tmp_path) as copy,
    ):
        copy.wait_until_it_answers()
        assert "small collectives of tp:0 go by direct exchange (2 ranks)" in copy.log(0)
        before = carried_bytes(lab)
        assert [copy.complete(prompt, 24)[0] for prompt in PROMPTS] == single
        assert carried_bytes(lab) > before
        kill_the_worker_of(copy, "b")
        within(ENGINE_DEADLINE_S, lambda: copy.processes[1].poll() is not None, copy.told)
        assert copy.status_of_a_request() != 200
        within(ENGINE_DEADLINE_S, copy.all_ended, copy.told)
        assert "ExchangeError: rank 1" in copy.log(0), copy.log(0)[-3000:]


def carried_bytes(lab: Lab) -> int:
    return sum(way["up"]["delivered_bytes"] for way in lab.counters().values())


def kill_the_worker_of(copy: EngineCopy, host: str) -> None:
    lines = copy.lab.host(host).run(["ps", "-ww", "-eo", "pid=,args="]).stdout.splitlines()
    workers = [line.split()[0] for line in lines if "Worker" in line]
    assert workers, lines
    copy.lab.host(host).run(["kill", "-9", *workers])
