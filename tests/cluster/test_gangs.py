"""Real vLLM over emulated PCs: the same tokens as one PC, over the link, and nothing left of it."""

from pathlib import Path

import pytest

from homecluster.domain.job import Failed
from homecluster.domain.plan import Backend
from homecluster.domain.small_collectives import SmallCollectives
from homecluster.store.engine_store import Engine
from tests.cluster.gang_in_lab import gang_lab, lab_gang
from tests.lab.availability import require_lab
from tests.live.test_plugin import PROMPTS, greedy_tokens
from tests.waiting import within

pytestmark = [pytest.mark.lab, pytest.mark.engine, pytest.mark.slow]

EXCHANGED = "small collectives of tp:0 go by direct exchange (2 ranks)"
LAYERS, HIDDEN, BYTES_EACH, PROMPT_TOKENS = 4, 128, 4, 200


@pytest.fixture(autouse=True)
def _lab_possible() -> None:
    require_lab()


@pytest.fixture(scope="module")
def single(
    engine: Engine, tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[list[int]]:
    tokens, _ = greedy_tokens(engine, tiny_llama, tmp_path_factory.mktemp("single"))
    return tokens


@pytest.mark.parametrize(
    ("backend", "collectives"),
    [(Backend.MP, SmallCollectives.ENGINE), (Backend.RAY, SmallCollectives.EXCHANGE)],
    ids=["mp", "ray-with-exchange"],
)
def test_tensor_parallel_crosses_the_link_and_gives_the_tokens_of_one_pc(
    engine: Engine,
    tiny_llama: Path,
    single: list[list[int]],
    backend: Backend,
    collectives: SmallCollectives,
) -> None:
    with (
        gang_lab("1gbe") as lab,
        lab_gang(lab, engine, tiny_llama, backend=backend, small_collectives=collectives) as gang,
    ):
        gang.wait_until_it_runs()
        # The exchange's line may come after the news that the gang runs.
        if collectives is SmallCollectives.EXCHANGE:
            within(30, lambda: any(EXCHANGED in line for line in gang.log), gang.told)
        assert [gang.complete(prompt, 24) for prompt in PROMPTS] == single
        before, _ = gang.link_bytes()
        gang.complete([3 + n % 200 for n in range(PROMPT_TOKENS)], 1)
        after, _ = gang.link_bytes()
        gang.stop()
    assert any(EXCHANGED in line for line in gang.log) == (collectives is SmallCollectives.EXCHANGE)
    # Each way every all-reduce carries the hidden states once; frames, and what Ray says besides, add some.
    planned = (2 * LAYERS + 1) * PROMPT_TOKENS * HIDDEN * BYTES_EACH
    assert planned < after - before < 2 * planned


def test_an_uneven_pipeline_gives_the_tokens_of_one_pc_and_ends_whole_when_a_rank_is_killed(
    engine: Engine, tiny_llama: Path, single: list[list[int]]
) -> None:
    with (
        gang_lab("wifi5") as lab,
        lab_gang(lab, engine, tiny_llama, tensor_parallel=1, partition=(1, 3)) as gang,
    ):
        gang.wait_until_it_runs()
        assert [gang.complete(prompt, 24) for prompt in PROMPTS] == single
        gang.members.lab.host("b").run(["pkill", "-KILL", "-f", "VLLM::Worker"], check=True)
        last = gang.wait_until_over()
        assert isinstance(last, Failed), gang.told()
        gang.check_nothing_is_left()
