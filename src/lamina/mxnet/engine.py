"""MXNet's ``mx.engine``, which has no effect, since lamina groups operators itself."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["bulk", "set_bulk_size"]

_size = [15]
"""The stored size, with MXNet's initial value."""


def set_bulk_size(size: int) -> int:
    """Store a size without effect, and return the previously stored size."""
    before, _size[0] = _size[0], int(size)
    return before


@contextmanager
def bulk(size: int) -> Generator[None]:
    """A context without effect, where MXNet would group `size` operators."""
    before = set_bulk_size(size)
    try:
        yield
    finally:
        set_bulk_size(before)
