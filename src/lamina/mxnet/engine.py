"""MXNet's ``mx.engine``: how many operators are run together. lamina decides that itself, so it means nothing here."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["bulk", "set_bulk_size"]

_size = [15]
"""MXNet's value at the start."""


def set_bulk_size(size: int) -> int:
    """Remember a size; returns the one before."""
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
