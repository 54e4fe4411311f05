"""`python -m tests.cluster.seek`: who offers a cluster, as JSON lines of name, addresses and seconds."""

from __future__ import annotations

import asyncio
import json
import sys
import time

from homecluster.discovery.peer_table import PeerTable
from homecluster.discovery.search import search
from homecluster.inventory.home_network import read_home_addresses
from tests.discovery.answers import CLUSTER


def _found(table: PeerTable) -> bool:
    return bool(table.of(CLUSTER))


if __name__ == "__main__":
    begin = time.monotonic()
    table = asyncio.run(search(read_home_addresses(), look_s=float(sys.argv[1]), enough=_found))
    took_s = time.monotonic() - begin
    for one in table.of(CLUSTER):
        told = {"name": one.advert.name, "addresses": one.addresses, "port": one.advert.port}
        print(json.dumps(told | {"took_s": round(took_s, 3)}))  # noqa: T201 - read by the test
