"""Memory of freed arrays stays with the process, so that the next step's arrays need no new pages.

glibc takes every block of more than 128 KiB from the operating system and gives it back when it is freed, and each new
page costs a page fault: an update of a 784 × 256 matrix takes 1 ms instead of 0.1. But glibc learns: once a larger
block was freed, blocks up to its size come from the heap, and as much as twice its size stays there (mallopt(3),
M_MMAP_THRESHOLD). Whether a program happens to free such a block early is luck, so lamina does it.
"""

from __future__ import annotations

import numpy as np

__all__ = ["keep_freed_memory"]

_LARGEST_LEARNED = 31 << 20
"""A little below the 32 MiB above which glibc learns nothing (on 64-bit systems)."""


def keep_freed_memory() -> None:
    """Let the allocator reuse what is freed, up to 62 MiB. The block is never touched, so this costs no memory."""
    np.empty(_LARGEST_LEARNED, np.uint8)
