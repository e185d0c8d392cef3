"""MXNet's ``mx.engine``, which groups operators for execution. It has no effect, since lamina groups them itself."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["bulk", "set_bulk_size"]

_size = [15]
"""MXNet's initial value."""


def set_bulk_size(size: int) -> int:
    """Store a size and return the previous one."""
    before, _size[0] = _size[0], int(size)
    return before


@contextmanager
def bulk(size: int) -> Generator[None]:
    """``with bulk(size):`` has no effect."""
    before = set_bulk_size(size)
    try:
        yield
    finally:
        set_bulk_size(before)
