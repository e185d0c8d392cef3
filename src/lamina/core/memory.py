"""Memory allocation for arrays: alignment to cache lines, and reuse of freed pages.

glibc takes every block of more than 128 KiB from the operating system and returns it when it is freed. Each new page
then costs a page fault: an update of a 784 × 256 matrix takes 1 ms instead of 0.1. But once a larger block has been
freed, glibc takes blocks up to its size from the heap, and keeps up to twice its size there (mallopt(3),
M_MMAP_THRESHOLD). Not every program frees such a block early, so lamina does. The next step's arrays then reuse the
freed pages.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

LINE_BYTES = 64
"""The cache line size of all x86-64 and nearly all ARM processors; a wrong value only costs speed."""
LARGE_BYTES = 4096
"""Below this size, alignment makes no measurable difference."""
_LARGEST_LEARNED = 31 << 20
"""The size of the block to free, a little below 32 MiB, beyond which glibc doesn't adapt its threshold."""


def keep_freed_memory() -> None:
    """Free a large block once, which makes the allocator keep up to 62 MiB of freed memory for reuse."""
    np.empty(_LARGEST_LEARNED, np.uint8)


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype, alignment: int = LINE_BYTES) -> np.ndarray:
    """An uninitialized array whose memory begins at a multiple of `alignment` bytes.

    >>> aligned_empty((100, 100), np.dtype(np.float32)).ctypes.data % 64
    0
    """
    nbytes = math.prod(shape) * dtype.itemsize
    memory = np.empty(nbytes + alignment, np.uint8)
    start = -memory.ctypes.data % alignment
    return memory[start : start + nbytes].view(dtype).reshape(shape)


def is_misplaced(array: np.ndarray) -> bool:
    """Whether a large array does not begin at a cache line; False for small arrays, where alignment doesn't matter."""
    return array.nbytes >= LARGE_BYTES and array.ctypes.data % LINE_BYTES != 0


def share_memory(x: Any, y: Any) -> bool:
    """Whether two arrays' contents may overlap in memory."""
    if isinstance(x, np.ndarray):
        return isinstance(y, np.ndarray) and np.may_share_memory(x, y)
    return x.shares_memory(y)


def rounded_up(nbytes: int, unit: int = LINE_BYTES) -> int:
    """Round a size in bytes up to a multiple of `unit`, by default to whole cache lines.

    >>> rounded_up(1), rounded_up(64), rounded_up(65), rounded_up(65, 100)
    (64, 64, 128, 100)
    """
    return -(-nbytes // unit) * unit
