"""One rank of a mesh on a host of the lab: swaps small messages until something breaks, and says what.

`mesh_rank RANK LIMIT_S ADDRESS:PORT,ADDRESS:PORT…`
"""

from __future__ import annotations

import sys
import time

from homecluster.jobs.vllm_plugin.handshake import Ticket
from homecluster.jobs.vllm_plugin.meeting import meet, open_listener
from homecluster.jobs.vllm_plugin.mesh import Mesh
from homecluster.jobs.vllm_plugin.trouble import ExchangeError

TOKEN = b"a token of thirty-two bytes, yes!"
BROKEN = 3


def main() -> int:
    rank, limit_s = int(sys.argv[1]), float(sys.argv[2])
    addresses = [(host, int(port)) for host, port in (one.split(":") for one in sys.argv[3].split(","))]  # fmt: skip
    ticket = Ticket(rank=rank, ranks=len(addresses), group="tp:0", token=TOKEN)
    met = meet(ticket, open_listener(*addresses[rank]), addresses, limit_s=60.0)
    with Mesh(rank, met, limit_s=limit_s) as mesh:
        payload = bytes([rank]) * 1024
        _say("met")
        try:
            while True:
                mesh.swap("all-reduce", "uint8", payload)
                time.sleep(0.02)
        except ExchangeError as error:
            _say(str(error))
            return BROKEN


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
