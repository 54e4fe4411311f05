"""The near side: probes one pair, or every pair of several hosts."""

from netprobe.runner.matrix import measure_matrix
from netprobe.runner.onward import onward
from netprobe.runner.pair import probe
from netprobe.types import FULL, QUICK

__all__ = ["FULL", "QUICK", "measure_matrix", "onward", "probe"]
