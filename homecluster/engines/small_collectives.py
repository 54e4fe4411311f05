"""What every process of a copy over several PCs is told about its small collectives."""

from __future__ import annotations

from typing import Final

from homecluster.domain.small_collectives import SmallCollectives
from homecluster.engines.vllm_environment import Environment

CHOICE_VARIABLE: Final = "HOMECLUSTER_SMALL_COLLECTIVES"
TOKEN_VARIABLE: Final = "HOMECLUSTER_EXCHANGE_TOKEN_FILE"  # noqa: S105 - a name
LIMIT_VARIABLE: Final = "HOMECLUSTER_EXCHANGE_LIMIT_S"


def environment(
    choice: SmallCollectives, *, token_file: str | None = None, limit_s: float | None = None
) -> Environment:
    """Variables for all PCs alike; none where the engine's own collectives are used.

    Args:
        choice: the layout's.
        token_file: a file (mode 600) with the job's token of at least 32 bytes, the same on every PC.
            Without one the ranks agree on a token through the engine's own connections.
        limit_s: the longest that a rank waits for another within one message.
    """
    if choice is SmallCollectives.ENGINE:
        return ()
    variables = {CHOICE_VARIABLE: str(choice)}
    if token_file is not None:
        variables[TOKEN_VARIABLE] = token_file
    if limit_s is not None:
        variables[LIMIT_VARIABLE] = f"{limit_s:g}"
    return tuple(sorted(variables.items()))
