"""Answering each request once: a repeated one gets the first answer, and a reused id is refused."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from homecluster.agent.limits import MAX_ANSWER_BYTES
from homecluster.agent.messages import Answer, Ask, refusal
from homecluster.agent.safe_json import BadMessageError, parse
from homecluster.domain.ids import NodeId
from homecluster.errors import HomeclusterError, InputError, PeerError

_AROUND_BYTES = 16 * 1024
REMEMBERED = 1000
REMEMBERED_BYTES = 8 * 1024 * 1024
log = logging.getLogger(__name__)
Body = Mapping[str, Any]


class Answers:
    """Runs the requests that reach the PC `node`, and remembers what came of them, within bounds."""

    def __init__(self, node: NodeId, at_once: int) -> None:
        self._node, self._at_once = node, at_once
        self._done: OrderedDict[str, tuple[str, Answer, int]] = OrderedDict()
        self._done_bytes = 0
        self._running: dict[str, tuple[str, asyncio.Task[Answer]]] = {}

    async def once(self, ask: Ask, run: Callable[[], Awaitable[Body]]) -> Answer:
        """The answer to `ask`, from memory if it was asked before; waits for one that is being worked on."""
        digest = _digest(ask)
        known = self._done.get(ask.id) or self._running.get(ask.id)
        if known is not None and known[0] != digest:
            return refusal(ask.id, InputError("this request id was used for another request"))
        if ask.id in self._done:
            return self._done[ask.id][1]
        if ask.id not in self._running:
            if len(self._running) >= self._at_once:
                trouble = PeerError(f"busy: {self._at_once} requests are being worked on")
                return refusal(ask.id, trouble)
            task = asyncio.create_task(self._work(ask, digest, run))
            self._running[ask.id] = (digest, task)
        return await asyncio.shield(self._running[ask.id][1])

    async def _work(self, ask: Ask, digest: str, run: Callable[[], Awaitable[Body]]) -> Answer:
        try:
            body = await run()
            answer, size = Answer(id=ask.id, body=body), _sendable_bytes(body)
        except BadMessageError as error:
            trouble = PeerError(f"the answer to {ask.verb} cannot be sent: {error}")
            answer, size = refusal(ask.id, trouble), len(trouble.message)
        except HomeclusterError as error:
            answer, size = refusal(ask.id, error), len(error.message)
        except Exception:
            # The boundary: a verb's bug must not end the agent, and other PCs see no traceback.
            log.exception("%s failed", ask.verb)
            trouble = PeerError(
                f"{ask.verb} failed on {self._node}",
                hint=f"on {self._node}, homecluster logs --agent tells why.",
            )
            answer, size = refusal(ask.id, trouble), len(trouble.message)
        finally:
            self._running.pop(ask.id, None)
        self._remember(ask.id, digest, answer, size)
        return answer

    def _remember(self, request_id: str, digest: str, answer: Answer, size: int) -> None:
        self._done[request_id] = (digest, answer, size)
        self._done_bytes += size
        while len(self._done) > REMEMBERED or self._done_bytes > REMEMBERED_BYTES:
            _, (_, _, forgotten) = self._done.popitem(last=False)
            self._done_bytes -= forgotten


def _sendable_bytes(body: Body) -> int:
    """Size of an answer; BadMessageError when the other side would refuse it."""
    text = json.dumps(body, allow_nan=False)
    parse(text, limit_bytes=MAX_ANSWER_BYTES - _AROUND_BYTES)
    return len(text)


def _digest(ask: Ask) -> str:
    text = json.dumps([ask.to, ask.verb, ask.body, ask.asker], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
