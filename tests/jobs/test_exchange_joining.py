import threading
from functools import partial
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


def joined(environments: list[dict[str, str]]) -> list[Mesh | Exception | None]:
    """What each rank got, all at once; meshes are closed."""
    engine = Engine(len(environments))
    results = together(
        [partial(
            join, environment=environment, rank=rank, ranks=len(environments), group="tp:0",
            address=HOST, all_gather=partial(engine.all_gather, rank),
        ) for rank, environment in enumerate(environments)]
    )  # fmt: skip
    for result in results:
        if isinstance(result, Mesh):
            result.close()
    return results


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


@pytest.mark.parametrize("ranks", [2, 3])
def test_ranks_join_with_and_without_a_token_of_their_own(token_file: Path, ranks: int) -> None:
    for environment in (ON, ON | {TOKEN_VARIABLE: str(token_file)}):
        meshes = joined([environment] * ranks)
        assert all(isinstance(mesh, Mesh) for mesh in meshes), meshes


def test_no_rank_joins_where_all_want_the_engines_own() -> None:
    assert joined([{}, {}]) == [None, None]


def test_ranks_with_unlike_tokens_do_not_join(token_file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(TOKEN[::-1])
    other.chmod(0o600)
    results = joined([ON | {TOKEN_VARIABLE: str(path), LIMIT_VARIABLE: "0.5"} for path in (token_file, other)])  # fmt: skip
    assert all(isinstance(result, ExchangeError) for result in results), results


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({}, f"{CHOICE_VARIABLE}=exchange is set on some ranks only: not on 1"),
        (ON, f"{TOKEN_VARIABLE} is set on some ranks only: not on 1"),
        (ON | {TOKEN_VARIABLE: "/no/such/file"}, f"rank 1 at {HOST}: {TOKEN_VARIABLE}"),
        (ON | {LIMIT_VARIABLE: "soon"}, f"rank 1 at {HOST}: {LIMIT_VARIABLE}"),
    ],
)
def test_what_is_wrong_on_one_rank_is_told_by_all(
    token_file: Path, second: dict[str, str], said: str
) -> None:
    results = joined([ON | {TOKEN_VARIABLE: str(token_file)}, second])
    assert [said in str(result) for result in results] == [True, True], results
    assert all(isinstance(result, ExchangeError) for result in results)


def test_an_address_that_is_not_this_pcs_is_told_by_all() -> None:
    engine = Engine(2)
    results = together(
        [partial(
            join, environment=ON, rank=rank, ranks=2, group="tp:0", address=address,
            all_gather=partial(engine.all_gather, rank),
        ) for rank, address in enumerate((HOST, "192.0.2.1"))]
    )  # fmt: skip
    assert ["rank 1 at 192.0.2.1" in str(result) for result in results] == [True, True], results
