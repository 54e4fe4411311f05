"""What every test may rely on, however the test run itself was started."""

from __future__ import annotations

import os
import signal

from hypothesis import HealthCheck, settings

# The same cases on every machine: a submission is judged by its own changes, not by the luck of the draw.
# `make laws` draws fresh ones.
# How long an example took to draw is the machine's load, not the test's worth.
settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("hunt", deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

# A shell that starts a job in the background lets it ignore Ctrl-C, and so would every process that the
# tests start and then interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
