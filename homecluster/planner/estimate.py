"""A layout's Estimate for a workload, or the Refusal that says why it cannot run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from homecluster.domain.estimate import Estimate, Terms
from homecluster.domain.layout import Copy as CopyLayout
from homecluster.domain.layout import Layout
from homecluster.domain.model import ModelSpec
from homecluster.domain.small_collectives import SmallCollectives
from homecluster.domain.topology import Cluster
from homecluster.domain.workload import Serve
from homecluster.planner import load, preparation, rules, serving, start_up, step
from homecluster.planner.assumptions import assumptions
from homecluster.planner.compute import Shard
from homecluster.planner.load import Response, Spread
from homecluster.planner.network import Fabric
from homecluster.planner.preparation import Prepared
from homecluster.planner.rules import Refusal
from homecluster.planner.serving import NO_TIME, Served
from homecluster.planner.step import Copy, Rank
from homecluster.planner.uncertainty import around, relative_error


class Estimator:
    """Costs copies and layouts of one model under one workload on one cluster, and remembers what it was asked."""

    def __init__(
        self,
        cluster: Cluster,
        spec: ModelSpec,
        workload: Serve,
        small_collectives: SmallCollectives | None = None,
    ) -> None:
        """`small_collectives`: what is pinned; None leaves it to each copy."""
        self.small_collectives = small_collectives or SmallCollectives.EXCHANGE
        self.spec = spec
        self.workload = workload
        self.fabric = Fabric(cluster)
        self._devices = {device.id: device for device in cluster.devices()}
        self._responses: dict[int, tuple[Prepared, Response]] = {}
        self._served: dict[tuple[int, float], tuple[Prepared, Served]] = {}

    def prepare(self, stages: CopyLayout) -> Prepared | Refusal:
        """Check one copy against the engine's rules and the devices' memory."""
        ranks = self._ranks(stages)
        refusal = preparation.refuse(self.spec, ranks, self.fabric)
        if refusal is not None:
            return refusal
        devices = [device for rank in ranks for device in rank.devices]
        dtype = rules.resolve_dtype(self.spec, devices, self.workload.dtype)
        if isinstance(dtype, Refusal):
            return dtype
        copy = Copy(
            spec=self.spec,
            dtype=dtype,
            stages=ranks,
            fabric=self.fabric,
            small_collectives=self.small_collectives,
        )
        return preparation.with_memory(copy, self.workload)

    def serve(self, prepared: Prepared, concurrent: float) -> Served:
        """One copy at `concurrent` requests; the same object is asked once."""
        key = id(prepared), concurrent
        known = self._served.get(key)
        if known is None:
            made = serving.closed_loop(
                prepared.copy,
                self.workload,
                concurrent=concurrent,
                kv_cache_tokens=prepared.kv_cache_tokens,
            )
            known = self._served[key] = (prepared, made)
        return known[1]

    def rate(self, prepared: Prepared) -> float:
        """Output tokens per second of one copy under the whole load."""
        asked = self.workload
        if asked.request_rate_per_s is None:
            served = self.serve(prepared, asked.concurrent_requests)
            return served.requests_per_s * asked.output_tokens
        return self._spread([prepared]).requests_per_s * asked.output_tokens

    def response(self, prepared: Prepared) -> Response:
        """How long a request stays in a copy by how many are there; the same object is asked once."""
        known = self._responses.get(id(prepared))
        if known is None:
            made = serving.response_of(prepared.copy, self.workload, prepared.kv_cache_tokens)
            known = self._responses[id(prepared)] = (prepared, made)
        return known[1]

    def estimate(self, layout: Layout) -> Estimate | Refusal:
        """The whole layout, requests shared among its copies in proportion to what each delivers."""
        copies: list[Prepared] = []
        for stages in layout.replicas:
            prepared = self.prepare(stages)
            if isinstance(prepared, Refusal):
                return prepared
            copy = replace(prepared.copy, small_collectives=layout.small_collectives)
            copies.append(replace(prepared, copy=copy))
        return self.combine(copies)

    def combine(self, copies: Sequence[Prepared]) -> Estimate:
        """The Estimate of copies that may run side by side."""
        spread = self._spread(copies)
        served = [self.serve(copies[index], max(1.0, held)) for index, held in spread.held]
        terms, first_token_s = _averaged(served, [held for _, held in spread.held])
        error = relative_error(terms, [one.copy for one in copies])
        rate = around(spread.requests_per_s, error)
        start = [start_up.parts(one.copy, one.memory) for one in copies]
        slowest = max(start, key=lambda parts: sum(seconds for _, seconds in parts))
        devices = [device for one in copies for device in one.copy.devices]
        asked = self.workload
        return Estimate(
            output_tokens_per_s=rate.scaled(asked.output_tokens),
            total_tokens_per_s=rate.scaled(asked.output_tokens + asked.prompt_tokens),
            requests_per_s=rate,
            first_token_s=around(first_token_s, error),
            token_interval_s=around(terms.total_s, error),
            start_up_s=start_up.interval(slowest, devices),
            start_up_parts=slowest,
            terms=terms,
            memory=tuple(use for one in copies for use in one.memory),
            kv_cache_tokens=sum(one.kv_cache_tokens for one in copies),
            running_requests=math.ceil(sum(one.running_requests for one in served) - 1e-6),
            messages_per_token=max(step.messages_per_token(one.copy) for one in copies),
            assumptions=assumptions([one.copy for one in copies], asked),
        )

    def busy(self, copies: Sequence[Prepared]) -> list[int]:
        """Which of the copies get requests, if each goes where it is answered soonest."""
        return [index for index, _ in self._spread(copies).held]

    def _spread(self, copies: Sequence[Prepared]) -> Spread:
        """How many requests each busy copy holds, and what all of them deliver."""
        asked = self.workload
        if len(copies) == 1 and asked.request_rate_per_s is None:  # there is nothing to share
            alone = self.serve(copies[0], asked.concurrent_requests)
            everyone = ((0, float(asked.concurrent_requests)),)
            return Spread(held=everyone, requests_per_s=alone.requests_per_s)
        return load.spread([self.response(one) for one in copies], asked)

    def _ranks(self, stages: CopyLayout) -> tuple[Rank, ...]:
        return tuple(
            Rank(
                shard=Shard(
                    layers=stage.layers,
                    first=index == 0,
                    last=index == len(stages) - 1,
                    tensor_parallel=len(stage.devices),
                ),
                devices=tuple(self._devices[device_id] for device_id in stage.devices),
            )
            for index, stage in enumerate(stages)
        )


def _averaged(served: Sequence[Served], held: Sequence[float]) -> tuple[Terms, float]:
    """(a token's time in its parts, seconds to the first token), of a request in any of the copies."""
    terms, first_token_s = NO_TIME, 0.0
    for one, requests in zip(served, held, strict=True):
        weight = requests / sum(held)
        terms = terms.plus(one.terms.scaled(weight))
        first_token_s += weight * one.first_token_s
    return terms, first_token_s
