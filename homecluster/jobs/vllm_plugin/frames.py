"""What the exchange writes before each message, so that two ranks can tell whether they are at the same one."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from homecluster.jobs.vllm_plugin.trouble import ExchangeError

MAGIC: Final = b"HCx1"
_LAYOUT: Final = struct.Struct("!4sBBHQQ")
HEADER_BYTES: Final = _LAYOUT.size
"""A multiple of 8, so that the numbers after it lie as they do in a tensor."""

OPERATIONS: Final = ("all-reduce", "all-gather", "gather")
"""By their number on the wire."""
DTYPES: Final = (
    "uint8", "int8", "int16", "int32", "int64", "bool",
    "float16", "bfloat16", "float32", "float64",
)  # fmt: skip
"""Names as torch gives them, by their number on the wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One message of one collective: the same on all ranks but for its content."""

    operation: str
    dtype: str
    payload_bytes: int
    sequence: int
    """Counts the collectives of a group from 0; 64 bits do not run out."""

    def header(self) -> bytes:
        return _LAYOUT.pack(
            MAGIC,
            OPERATIONS.index(self.operation),
            DTYPES.index(self.dtype),
            0,
            self.payload_bytes,
            self.sequence,
        )

    def __str__(self) -> str:
        return f"message {self.sequence}, {self.operation} of {self.payload_bytes} bytes of {self.dtype}"


def parse(header: bytes | bytearray | memoryview) -> Frame:
    """The frame of `HEADER_BYTES` bytes.

    Raises:
        ExchangeError: these are not the bytes of a frame.
    """
    magic, operation, dtype, reserved, payload_bytes, sequence = _LAYOUT.unpack(header)
    if magic != MAGIC or reserved or operation >= len(OPERATIONS) or dtype >= len(DTYPES):
        raise ExchangeError(f"bytes that are no message of ours: {bytes(header).hex()}")
    return Frame(
        operation=OPERATIONS[operation],
        dtype=DTYPES[dtype],
        payload_bytes=payload_bytes,
        sequence=sequence,
    )
