"""Names that must not be mixed up."""

from __future__ import annotations

from typing import NewType

NodeId = NewType("NodeId", str)
"""A PC's name in the cluster document, e.g. `desk`."""

DeviceId = NewType("DeviceId", str)
"""A device of a PC: `NODE/KIND:INDEX`, e.g. `desk/cuda:0`."""
