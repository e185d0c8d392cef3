"""Arrays whose memory ends before a page that can't be touched: code that goes beyond an array crashes at once."""

from __future__ import annotations

import ctypes
import math
import mmap
import sys
from typing import Any

import numpy as np
import pytest

from lamina.compiler.cpu import _binding
from lamina.core import array, ownership

__all__ = ["guard_arrays", "guarded"]

PAGE = mmap.PAGESIZE


def guarded_empty(shape: tuple[int, ...], dtype: Any, alignment: int = 1) -> np.ndarray:
    """An array before a page without permissions; at a page's beginning if `alignment` is a page."""
    dtype = np.dtype(dtype)
    nbytes = math.prod(shape) * dtype.itemsize
    room = -(-max(nbytes, 1) // PAGE) * PAGE
    pages = mmap.mmap(-1, room + PAGE)
    whole = np.frombuffer(pages, np.uint8)
    end = whole.ctypes.data + room
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    assert protect(end, PAGE, 0) == 0
    start = 0 if alignment >= PAGE else room - nbytes
    return whole[start : start + nbytes].view(dtype).reshape(shape)


def guarded(values: np.ndarray) -> np.ndarray:
    """A copy of an array in such memory."""
    copy = guarded_empty(values.shape, values.dtype)
    copy[...] = values
    return copy


def guard_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the results of compiled code, their scratch memory and copies such memory."""
    if sys.platform == "win32":
        return
    for module in (array, ownership, _binding):
        monkeypatch.setattr(module, "aligned_empty", guarded_empty)
    monkeypatch.setattr(_binding, "LARGE_BYTES", 0)
    monkeypatch.setattr(ownership, "is_misplaced", lambda _: False)
