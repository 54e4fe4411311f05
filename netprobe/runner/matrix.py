"""Every pair of several hosts: each host probes the others on our behalf, together only where it costs nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from itertools import combinations
from typing import Final

from netprobe.control.fields import MalformedError, child, text
from netprobe.control.messages import Onward, Ticket
from netprobe.matrix import Host, Matrix, Shared, expected, keeps, total
from netprobe.probes.trouble import ProbeError
from netprobe.report import parse_report
from netprobe.runner.client import Client, connected
from netprobe.schedule import Pair, rounds
from netprobe.types import LATENCY, STREAM, Failure, FailureKind, Plan, Report, Throughput

_ONWARD_S: Final = 40.0
"""Longer than any plan with all its deadlines."""


async def measure_matrix(
    hosts: Sequence[Host], *, on_progress: Callable[[str], None] | None = None
) -> Matrix:
    """Round trip and throughput of every pair; trouble is in the failures, never raised.

    Throughput of two pairs at once is believed only when each pair keeps 85 % of what its hosts
    have reached before; else both are measured alone, and named as sharing a medium when alone
    they are faster.
    """
    begin = time.monotonic()
    started_at = datetime.now(UTC).isoformat()
    async with AsyncExitStack() as stack:
        run = _Run(on_progress or (lambda _: None))
        await run.connect(hosts, stack)
        turns = rounds([host.name for host in hosts if host.name in run.clients])
        for number, turn in enumerate(turns, 1):
            await run.latency(turn, f"round trips {number}/{len(turns)}")
        for number, turn in enumerate(turns, 1):
            await run.throughput(turn, f"throughput {number}/{len(turns)}")
    return Matrix(
        hosts=tuple(host.name for host in hosts),
        started_at=started_at,
        duration_s=time.monotonic() - begin,
        reports=tuple(run.reports.values()),
        shared=tuple(run.shared),
        shared_tested=any(len(turn) > 1 for turn in turns),
        failures=tuple(run.failures),
    )


class _Run:
    """Holds the control connections and what is known so far."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.clients: dict[str, Client] = {}
        self.hosts: dict[str, Host] = {}
        self.reports: dict[Pair, Report] = {}
        self.shared: list[Shared] = []
        self.failures: list[Failure] = []
        self._known: dict[Pair, Throughput] = {}
        self._tell = tell

    async def connect(self, hosts: Sequence[Host], stack: AsyncExitStack) -> None:
        """Those that do not answer are failures; the others are measured."""
        for host in hosts:
            self._tell(f"connecting to {host.name}")
            try:
                client = await stack.enter_async_context(
                    connected(host.address, host.port, token=host.token)
                )
            except ProbeError as error:
                self.failures.append(error.failure(f"control {host.name}"))
                continue
            self.clients[host.name], self.hosts[host.name] = client, host

    async def latency(self, turn: Sequence[Pair], doing: str) -> None:
        """Tiny packets: the pairs of a round do not disturb each other."""
        self._tell(doing)
        for report in await asyncio.gather(*(self._either_way(pair) for pair in turn)):
            if report is not None:
                self.reports[Pair(report.src, report.dst)] = report

    async def _either_way(self, pair: Pair) -> Report | None:
        """Dialled from src, or from dst where src cannot reach it (a firewall, NAT)."""
        report = await self._onward(pair, LATENCY)
        if report is None or report.round_trip is None:
            turned = await self._onward(Pair(pair.dst, pair.src), LATENCY)
            if turned is not None and turned.round_trip is not None:
                return turned
        return report

    async def throughput(self, turn: Sequence[Pair], doing: str) -> None:
        """The pairs of a round together where that can be checked, alone where it cannot or failed."""
        pairs = [one if one in self.reports else Pair(one.dst, one.src) for one in turn]
        pairs = [one for one in pairs if one in self.reports and self.reports[one].round_trip]
        self._tell(doing)
        bounds = {pair: expected(pair, self._known) for pair in pairs}
        alone: dict[Pair, Throughput] = {}
        if len(pairs) < 2 or None in bounds.values():  # noqa: PLR2004 - two pairs make a together
            alone = await self._alone(pairs, doing)
        together = await self._together(pairs, doing) if len(pairs) > 1 else {}
        slowed = [
            one for one in together if not keeps(together[one], alone.get(one) or bounds[one])
        ]
        if slowed and not alone:
            alone = await self._alone(pairs, doing)
        self._note_shared(
            [one for one in slowed if not keeps(together[one], alone.get(one))], alone, together
        )
        self._known.update(together | alone)
        for pair in pairs:
            if pair in self._known:
                self.reports[pair] = replace(self.reports[pair], throughput=self._known[pair])

    async def _alone(self, pairs: Sequence[Pair], doing: str) -> dict[Pair, Throughput]:
        seen: dict[Pair, Throughput] = {}
        for pair in pairs:
            self._tell(f"{doing}: {pair.src} and {pair.dst} alone")
            seen |= await self._streams([pair])
        return seen

    async def _together(self, pairs: Sequence[Pair], doing: str) -> dict[Pair, Throughput]:
        self._tell(f"{doing}: {len(pairs)} pairs together")
        return await self._streams(pairs)

    async def _streams(self, pairs: Sequence[Pair]) -> dict[Pair, Throughput]:
        reports = await asyncio.gather(*(self._onward(pair, STREAM) for pair in pairs))
        seen: dict[Pair, Throughput] = {}
        for pair, report in zip(pairs, reports, strict=True):
            if report is not None and report.throughput is not None:
                seen[pair] = report.throughput
                self._keep_samples(pair, report)
        return seen

    def _keep_samples(self, pair: Pair, report: Report) -> None:
        before = self.reports[pair]
        self.reports[pair] = replace(
            before,
            failures=before.failures + report.failures,
            samples={**before.samples, **report.samples},
        )

    def _note_shared(
        self,
        slowed: Sequence[Pair],
        alone: dict[Pair, Throughput],
        together: dict[Pair, Throughput],
    ) -> None:
        for one, other in combinations(together, 2):
            if one in slowed or other in slowed:
                self.shared.append(
                    Shared(
                        one=one,
                        other=other,
                        alone_bytes_per_s=total(alone.get(one)) + total(alone.get(other)),
                        together_bytes_per_s=total(together[one]) + total(together[other]),
                    )
                )

    async def _onward(self, pair: Pair, plan: Plan) -> Report | None:
        """What src found of dst, named as the caller names them; None when src could not try."""
        far = self.hosts[pair.dst]
        try:
            ticket = text(await self.clients[pair.dst].ask(Ticket()), "ticket")
            reply = await self.clients[pair.src].ask(
                Onward(host=far.address, port=far.port, ticket=ticket, plan=plan.name), _ONWARD_S
            )
            report = parse_report(child(reply, "report"))
        except ProbeError as error:
            self.failures.append(error.failure(f"{plan.name} {pair.src} {pair.dst}"))
            return None
        except (MalformedError, ValueError) as error:
            senseless = ProbeError(
                FailureKind.WRONG_SERVICE, f"{pair.src} answered senselessly: {error}"
            )
            self.failures.append(senseless.failure(f"{plan.name} {pair.src} {pair.dst}"))
            return None
        return replace(report, src=pair.src, dst=pair.dst)
