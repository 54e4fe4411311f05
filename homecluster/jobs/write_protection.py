"""Pages of memory that nobody can write: the kernel ends a process that tries, by signal 11."""

from __future__ import annotations

import ctypes
import mmap
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_READ, _READ_AND_WRITE = 1, 3
"""PROT_READ, and with PROT_WRITE, of mprotect(2)."""


def protect_pages(owner: object, buffer: np.ndarray[Any, Any]) -> None:
    """Make the buffer's whole pages read-only for as long as `owner` lives.

    One call for all of it: one per tensor costs a hundred times as much. Ray writes to these pages again
    once the object is gone, so they are released before the buffer is.
    """
    address = buffer.__array_interface__["data"][0]
    first = -(-address // mmap.PAGESIZE) * mmap.PAGESIZE
    length = (address + buffer.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE - first
    if length > 0 and _allow(first, length, _READ):
        weakref.finalize(owner, _release, first, length, buffer)


def _release(first: int, length: int, buffer: np.ndarray[Any, Any]) -> None:
    """`buffer` is an argument so that it lives until here."""
    _allow(first, length, _READ_AND_WRITE)
    del buffer


def _allow(first: int, length: int, access: int) -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.mprotect(ctypes.c_void_p(first), ctypes.c_size_t(length), access) == 0)
