import json
from pathlib import Path

import pytest

from homecluster.domain.ids import NodeId
from homecluster.domain.job import Command
from homecluster.domain.small_collectives import SmallCollectives
from homecluster.engines.small_collectives import environment
from homecluster.engines.vllm_gang_command import share_command
from homecluster.engines.vllm_gang_document import order_document, read_order
from homecluster.engines.vllm_launch import Installation
from homecluster.jobs.vllm_plugin.joining import wish
from tests.fakes.gangs import order


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


def test_every_pc_of_a_gang_drafts_alike_or_not_at_all() -> None:
    """A PC that expects one token where another sends five would hang or lie."""
    asked = [command_of_share_1(drafts=drafts).argv for drafts in (0, 4)]
    assert "--speculative-config" not in asked[0]
    told = json.loads(asked[1][asked[1].index("--speculative-config") + 1])
    assert (told["method"], told["num_speculative_tokens"]) == ("ngram", 4)


def told_to_share_1(choice: SmallCollectives) -> dict[str, str]:
    """The environment of its command."""
    return dict(command_of_share_1(small_collectives=choice).env)


def command_of_share_1(**changes: object) -> Command:
    """After the order's way between the PCs."""
    sent = order_document(order(share=1, api_port=0, **changes))
    return share_command(
        read_order(sent), node=NodeId("b"), interface="eth0", model_folder="/models/toy",
        is_local=True,
        installation=Installation(python="/engine/python", cores=(0, 1), openmp_library=None),
    )  # fmt: skip


def test_every_pc_of_a_gang_is_told() -> None:
    assert wish(told_to_share_1(SmallCollectives.EXCHANGE)) is not None


def test_a_gang_with_the_engines_own_is_told_nothing() -> None:
    assert wish(told_to_share_1(SmallCollectives.ENGINE)) is None
