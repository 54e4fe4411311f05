"""The composition root: reads flags' environment once and hands adapters to use cases."""

from __future__ import annotations

import os

from homecluster.store.paths import Paths, paths_from


def paths() -> Paths:
    """Where this user's state lives."""
    return paths_from(os.environ)
