"""What a gang's links carried while it was measured, beside what its layout sends by plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from homecluster.app.gang_line import LEASE_S
from homecluster.app.ports import Members
from homecluster.domain.model import ModelSpec
from homecluster.domain.small_collectives import SmallCollectives
from homecluster.engines.vllm_gang_bytes import Spread, Traffic, planned_bytes
from homecluster.errors import HomeclusterError
from homecluster.launch.link_bytes import LinkBytes
from homecluster.store import gang_store
from homecluster.store.job_store import JobFolder

Counters = Mapping[str, LinkBytes]
"""By the PC's name."""
_ANSWER_WITHIN_S: Final = 10.0


def counter_of(members: Members | None, folder: JobFolder) -> Callable[[], Counters]:
    """What counts the bytes of every PC's link now; nothing for a job inside one PC."""
    if members is None or not gang_store.is_gang(folder):
        return dict
    record = gang_store.read_gang(folder)

    def count() -> Counters:
        found: dict[str, LinkBytes] = {}
        for part in record.parts:
            body = {"share": part.order.share_id, "lease_s": LEASE_S, "place": 0}
            with suppress(HomeclusterError):  # a PC that is slow to answer only leaves its line out
                told = members.ask(part.node, "share.look", body, deadline_s=_ANSWER_WITHIN_S)
                if told["received_bytes"] is not None:
                    found[part.name] = LinkBytes(
                        received=told["received_bytes"], sent=told["sent_bytes"]
                    )
        return found

    return count


def carried(before: Counters, after: Counters) -> list[dict[str, Any]]:
    """Bytes of every PC between two counts, frames included."""
    return [
        {
            "pc": name,
            "received": after[name].received - before[name].received,
            "sent": after[name].sent - before[name].sent,
        }
        for name in after
        if name in before
    ]


def planned_link_bytes(spec: ModelSpec, layout: Mapping[str, Any], traffic: Traffic) -> int:
    """What the layout sends by plan, over all links and both ways."""
    spread = Spread(
        tensor_parallel=layout["tensor_parallel"],
        stages=layout["pipeline_parallel"],
        small_collectives=SmallCollectives(layout["small_collectives"]),
    )
    return planned_bytes(spec, spread, traffic)
