from pathlib import Path

import pytest

from homecluster.domain.small_collectives import SmallCollectives
from homecluster.engines.small_collectives import environment
from homecluster.jobs.vllm_plugin.joining import wish


def test_the_engines_own_collectives_need_no_word() -> None:
    assert environment(SmallCollectives.ENGINE, token_file="/tmp/token", limit_s=1.0) == ()
    assert wish({}) is None


@pytest.mark.parametrize("limit_s", [None, 7.5, 120.0])
def test_the_code_inside_the_engine_understands_the_variables(limit_s: float | None) -> None:
    """The two sides cannot import each other, so this holds their names together."""
    wanted = wish(dict(environment(SmallCollectives.EXCHANGE, limit_s=limit_s)))
    assert wanted is not None
    assert wanted.token is None
    assert limit_s is None or wanted.limit_s == limit_s


def test_a_token_file_is_found_by_the_code_inside(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_bytes(b"x" * 40)
    path.chmod(0o600)
    wanted = wish(dict(environment(SmallCollectives.EXCHANGE, token_file=str(path))))
    assert wanted is not None
    assert wanted.token == b"x" * 40
