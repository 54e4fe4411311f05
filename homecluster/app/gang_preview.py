"""The command that every PC of a gang would start, as that PC itself says."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from homecluster.app.ports import Members
from homecluster.domain.ids import NodeId
from homecluster.domain.job import Command
from homecluster.engines.vllm_gang_document import order_document
from homecluster.store.gang_store import Part

_PREVIEW_WITHIN_S: Final = 20.0


def previews(members: Members, parts: tuple[Part, ...]) -> tuple[Command, ...]:
    """Asked at the same time: on slow Wi-Fi every question costs a round trip.

    Raises:
        HomeclusterError: a PC does not answer, or would not obey.
    """
    with ThreadPoolExecutor(max_workers=len(parts)) as pool:
        return tuple(pool.map(lambda part: _preview(members, part), parts))


def _preview(members: Members, part: Part) -> Command:
    told = members.ask(
        part.node,
        "share.preview",
        {"order": order_document(part.order)},
        deadline_s=_PREVIEW_WITHIN_S,
    )
    return _command(told, part)


def _command(told: Mapping[str, object], part: Part) -> Command:
    argv, env = told["argv"], told["env"]
    assert isinstance(argv, list)
    assert isinstance(env, Mapping)
    return Command(
        node=NodeId(part.name),
        argv=tuple(map(str, argv)),
        env=tuple((str(name), str(value)) for name, value in env.items()),
        ready_when="a token came back through all PCs of the copy",
    )
