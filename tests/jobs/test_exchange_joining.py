import threading
from pathlib import Path
from typing import Any

import pytest

from homecluster.jobs.vllm_plugin.joining import (
    CHOICE_VARIABLE,
    DEFAULT_LIMIT_S,
    LIMIT_VARIABLE,
    TOKEN_VARIABLE,
    Wish,
    join,
    wish,
)
from homecluster.jobs.vllm_plugin.mesh import Mesh
from homecluster.jobs.vllm_plugin.trouble import ExchangeError
from tests.jobs.exchange_group import GENEROUS_S, HOST, TOKEN, together

ON = {CHOICE_VARIABLE: "exchange"}


class Engine:
    """The engine's all-gather of objects, for ranks that are threads."""

    def __init__(self, ranks: int) -> None:
        self.seen: list[Any] = [None] * ranks
        self.barrier = threading.Barrier(ranks)

    def all_gather(self, rank: int, mine: Any) -> list[Any]:
        self.seen[rank] = mine
        self.barrier.wait(GENEROUS_S)
        return list(self.seen)


def joined(wishes: list[Wish]) -> list[Mesh | Exception]:
    engine = Engine(len(wishes))
    return together(
        [lambda rank=rank, wanted=wanted: join(
            wanted=wanted, rank=rank, ranks=len(wishes), group="tp:0", address=HOST,
            all_gather=lambda mine: engine.all_gather(rank, mine),
        ) for rank, wanted in enumerate(wishes)]
    )  # fmt: skip


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_bytes(TOKEN)
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("environment", [{}, {CHOICE_VARIABLE: "engine", TOKEN_VARIABLE: "/none"}])
def test_the_engines_own_collectives_are_the_default(environment: dict[str, str]) -> None:
    assert wish(environment) is None


def test_the_exchange_is_asked_for_by_one_variable(token_file: Path) -> None:
    assert wish(ON) == Wish(token=None, limit_s=DEFAULT_LIMIT_S)
    full = ON | {TOKEN_VARIABLE: str(token_file), LIMIT_VARIABLE: "7.5"}
    assert wish(full) == Wish(token=TOKEN, limit_s=7.5)
    assert TOKEN.decode() not in repr(wish(full))


@pytest.mark.parametrize(
    "wrong", [{CHOICE_VARIABLE: "fast"}, {LIMIT_VARIABLE: "0"}, {LIMIT_VARIABLE: "soon"},
              {LIMIT_VARIABLE: "inf"}, {LIMIT_VARIABLE: "nan"}, {TOKEN_VARIABLE: "/no/such/file"}]
)  # fmt: skip
def test_variables_that_make_no_sense_are_named(wrong: dict[str, str]) -> None:
    with pytest.raises(ExchangeError, match=next(iter(wrong))):
        wish(ON | wrong)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_token_that_others_may_read_is_refused(token_file: Path, mode: int) -> None:
    token_file.chmod(mode)
    with pytest.raises(ExchangeError, match="must be 600"):
        wish(ON | {TOKEN_VARIABLE: str(token_file)})


def test_a_short_token_is_refused(token_file: Path) -> None:
    token_file.write_bytes(b"short\n")
    with pytest.raises(ExchangeError, match="fewer than 32"):
        wish(ON | {TOKEN_VARIABLE: str(token_file)})


@pytest.mark.parametrize("token", [None, TOKEN])
def test_ranks_join_with_and_without_a_token_of_their_own(token: bytes | None) -> None:
    meshes = joined([Wish(token=token, limit_s=GENEROUS_S)] * 3)
    assert all(isinstance(mesh, Mesh) for mesh in meshes), meshes
    for mesh in meshes:
        assert isinstance(mesh, Mesh)
        mesh.close()


def test_ranks_with_unlike_tokens_do_not_join() -> None:
    unlike = [Wish(token=TOKEN, limit_s=0.5), Wish(token=TOKEN[::-1], limit_s=0.5)]
    results = joined(unlike)
    assert all(isinstance(result, ExchangeError) for result in results), results


def test_a_token_on_one_rank_only_is_named_on_all() -> None:
    results = joined([Wish(token=TOKEN, limit_s=9.0), Wish(token=None, limit_s=9.0)])
    assert [TOKEN_VARIABLE in str(result) for result in results] == [True, True]
