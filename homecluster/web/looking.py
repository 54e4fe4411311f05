"""Slow looks go on in threads of their own, so that a page never waits for a PC that is gone."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from homecluster.errors import HomeclusterError

_T = TypeVar("_T")
log = logging.getLogger(__name__)
_LONGEST_REST_S = 5.0
"""Who came back after a long silence is seen soon."""


class Looking(Generic[_T]):
    """What the last look found; `look` gets what the one before found."""

    def __init__(self, look: Callable[[_T], _T], first: _T, *, every_s: float) -> None:
        """`first` is what is known until the first look ends, which begins at once."""
        self._look = look
        self._every_s = every_s
        self.found = first
        threading.Thread(target=self._keep_looking, daemon=True).start()

    def _keep_looking(self) -> None:
        told = ""
        while True:
            began_s = time.monotonic()
            try:
                self.found = self._look(self.found)
            except HomeclusterError as error:
                log.info("what was known stays: %s", error)
            except (
                Exception
            ) as error:  # the boundary of this thread: whatever a PC told, go on looking
                if repr(error) != told:
                    log.exception("a look failed; what was known stays")
                told = repr(error)
            took_s = time.monotonic() - began_s
            time.sleep(max(self._every_s - took_s, min(took_s, _LONGEST_REST_S)))
