from __future__ import annotations

import os
import signal

from homecluster.web.serve import serve
from tests.ports import unused_port
from tests.web.test_server import Pages


def test_ctrl_c_right_after_the_link_was_printed_ends_it_in_order() -> None:
    told: list[str] = []

    def ready(address: str, links: list[str]) -> None:
        told.extend((address, *links))
        os.kill(os.getpid(), signal.SIGINT)

    serve(Pages(), "127.0.0.1", unused_port(), links=2, ready=ready)
    assert len(told) == 3
