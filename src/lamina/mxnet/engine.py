"""MXNet's ``mx.engine``, which has no effect, since lamina groups operators itself."""

from __future__ import annotations

from contextlib import AbstractContextManager

from lamina.support.contexts import changed

__all__ = ["bulk", "set_bulk_size"]


class _Bulk:
    size = 15  # MXNet's initial value


def set_bulk_size(size: int) -> int:
    """Store a size without effect, and return the previously stored size."""
    before, _Bulk.size = _Bulk.size, int(size)
    return before


def bulk(size: int) -> AbstractContextManager[None]:
    """A context without effect, where MXNet would group `size` operators."""
    return changed(_Bulk, size=int(size))
