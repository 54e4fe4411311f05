"""How many bytes vLLM's ranks send each other over the links, counted from the list of their messages."""

from __future__ import annotations

from dataclasses import dataclass

from homecluster.domain.model import ModelSpec
from homecluster.domain.small_collectives import (
    GATHER_LIMIT_BYTES,
    SmallCollectives,
    all_reduce_limit_bytes,
)

VOCABULARY_PADDING = 64
"""vLLM pads the vocabulary to a multiple of this before it cuts it."""
_FRAME_BYTES = 66
"""Ethernet, IP and TCP of one packet, or of one that only acknowledges."""
_PREAMBLE_BYTES = 48
"""What gloo writes before each message, and each time it announces one."""
_SEGMENT_BYTES = 1448
_GLOO_MESSAGE_BYTES = 4 * _FRAME_BYTES + 3 * _PREAMBLE_BYTES
"""Beside the payload: announced by the sender and by the receiver, sent, acknowledged (measured: 399)."""
_EXCHANGE_MESSAGE_BYTES = 2 * _FRAME_BYTES + 24
"""Beside the payload: our header, one packet, one acknowledgement."""
_RING_SEGMENTS = 2
"""Gloo cuts each part of its ring in two, to send one while it adds the other."""


_DESCRIPTION_BYTES = 8 + 145
"""Names, sizes and types of what a stage hands on, pickled, and before it their length."""
_ORDER_BYTES, _EMPTY_ORDER_BYTES = 955 + 38, 890
"""The scheduler's output for one request's next token and the word to sample it, as vLLM 0.32 pickles them."""
_ANSWER_BYTES, _EMPTY_ANSWER_BYTES = 405 + 17, 342
"""One request's sampled token and the word that its step was computed, likewise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What passes through the engine while it is measured."""

    input_tokens: int
    output_tokens: int
    requests: int
    """In flight at once, on average."""
    dtype_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How one copy lies over PCs, one rank on each."""

    tensor_parallel: int
    stages: int
    small_collectives: SmallCollectives = SmallCollectives.ENGINE

    def batches(self, requests: int) -> int:
        """On their way through the stages at once."""
        return min(self.stages, requests)

    def steps(self, traffic: Traffic) -> int:
        """Of the engine: each sends every message once, for all requests of its batch."""
        batches = self.batches(traffic.requests)
        return max(1, traffic.output_tokens * batches // traffic.requests)


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages:
    """Of one kind, over all links together and both ways."""

    count: int
    payload_bytes: int
    """Of all of them."""
    overhead_bytes: int
    """Of each."""

    @property
    def link_bytes(self) -> int:
        """What the counters of network cards add up: with packets beyond each message's first."""
        more = max(0, self.payload_bytes // _SEGMENT_BYTES - self.count)
        return self.payload_bytes + self.count * self.overhead_bytes + more * _FRAME_BYTES


def planned_bytes(spec: ModelSpec, spread: Spread, traffic: Traffic) -> int:
    """Over all links together, both directions, headers included.

    Every token passes through the model once but the last of each answer, which counts little.
    """
    found = (
        _pipeline(spec, spread, traffic) if spread.stages > 1 else _tensor(spec, spread, traffic)
    )
    return sum(one.link_bytes for one in (*found, *_stepping(spread, traffic)))


def _tensor(spec: ModelSpec, spread: Spread, traffic: Traffic) -> tuple[Messages, Messages]:
    """2 L + 1 all-reduces of the hidden state in each step, and the logits' shares, of all ranks to all ranks."""
    ranks = spread.tensor_parallel
    tokens = traffic.input_tokens + traffic.output_tokens
    reduces = 2 * spec.layers + 1
    hidden = spec.hidden_size * traffic.dtype_bytes
    exchanged = spread.small_collectives is SmallCollectives.EXCHANGE
    steps = spread.steps(traffic)
    step_bytes = hidden * tokens // steps
    if exchanged and step_bytes <= all_reduce_limit_bytes(ranks):
        each, overhead, copies = ranks * (ranks - 1), _EXCHANGE_MESSAGE_BYTES, ranks * (ranks - 1)
    else:
        each = 2 * ranks * (ranks - 1) * _RING_SEGMENTS
        overhead, copies = _GLOO_MESSAGE_BYTES, 2 * (ranks - 1)
    padded = -(-spec.vocab_size // VOCABULARY_PADDING) * VOCABULARY_PADDING
    share = padded // ranks * traffic.dtype_bytes
    small = exchanged and share <= GATHER_LIMIT_BYTES
    return (
        Messages(
            count=steps * reduces * each,
            payload_bytes=tokens * reduces * copies * hidden,
            overhead_bytes=overhead,
        ),
        Messages(
            count=steps * ranks * (ranks - 1),
            payload_bytes=traffic.output_tokens * ranks * (ranks - 1) * share,
            overhead_bytes=_EXCHANGE_MESSAGE_BYTES if small else _GLOO_MESSAGE_BYTES,
        ),
    )


def _pipeline(spec: ModelSpec, spread: Spread, traffic: Traffic) -> tuple[Messages, Messages]:
    """At each boundary the hidden state, for most families with the residual; before them what they are."""
    tokens = traffic.input_tokens + traffic.output_tokens
    boundaries = spread.stages - 1
    vectors = 2 if spec.residual_in_handover else 1
    hidden = spec.hidden_size * traffic.dtype_bytes
    steps = spread.steps(traffic)
    return (
        Messages(
            count=steps * boundaries * vectors,
            payload_bytes=tokens * boundaries * vectors * hidden,
            overhead_bytes=_GLOO_MESSAGE_BYTES,
        ),
        Messages(
            count=steps * boundaries * 2,
            payload_bytes=steps * boundaries * _DESCRIPTION_BYTES,
            overhead_bytes=_GLOO_MESSAGE_BYTES,
        ),
    )


def _stepping(spread: Spread, traffic: Traffic) -> tuple[Messages, Messages]:
    """Every other PC is told what to compute and then to sample; of a pipeline the last stage answers both.

    A pipeline's scheduler keeps as many orders on their way as there are stages; where it has fewer
    requests, the rest are empty.
    """
    others = spread.tensor_parallel * spread.stages - 1
    answering = int(spread.stages > 1)
    steps = spread.steps(traffic)
    empty = spread.stages - spread.batches(traffic.requests)
    orders = steps * others
    answers = steps * answering
    return (
        Messages(
            count=orders * (2 + empty),
            payload_bytes=orders * (_ORDER_BYTES + empty * _EMPTY_ORDER_BYTES),
            overhead_bytes=2 * _FRAME_BYTES,
        ),
        Messages(
            count=answers * (2 + empty),
            payload_bytes=answers * (_ANSWER_BYTES + empty * _EMPTY_ANSWER_BYTES),
            overhead_bytes=2 * _FRAME_BYTES,
        ),
    )
