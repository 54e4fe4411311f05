"""The near side: probes one pair, or every pair of several hosts."""

from netprobe.runner.pair import probe
from netprobe.types import FULL, PAIR, QUICK

__all__ = ["FULL", "PAIR", "QUICK", "probe"]
