"""Probing a third host on behalf of a caller."""

from __future__ import annotations

from netprobe.control.fields import Document
from netprobe.control.messages import Onward
from netprobe.report import report_document
from netprobe.runner.pair import probe
from netprobe.types import PLANS


async def onward(request: Onward) -> Document:
    """The report of this host's own probe of the host that the caller named."""
    report = await probe(
        request.host, request.port, ticket=request.ticket, plan=PLANS[request.plan]
    )
    return {"report": report_document(report)}
