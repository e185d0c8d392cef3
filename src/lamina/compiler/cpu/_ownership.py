"""Whether an array is the only way to its memory, so that a compiled step may keep the contents elsewhere."""

from __future__ import annotations

import sys
import sysconfig
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.core.array import Array
from lamina.core.memory import aligned_empty, is_misplaced
from lamina.nd.ndarray import NDArray

__all__ = ["is_alone", "move_to_line"]

_COUNTS_REFERENCES = sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")
_ALONE = 2  # what `getrefcount` says of an attribute's value that nothing else refers to: it counts its own argument


def is_alone(array: Array, known: Counter[int]) -> bool:
    """Whether nothing else refers to an array's buffer, but for `known` references (counted by the buffer's id)."""
    if not _COUNTS_REFERENCES or type(array) is not NDArray:
        return False
    data: Any = (
        array  # so that `_data` has NumPy's attributes; a name for the buffer would be a reference to it
    )
    if sys.getrefcount(data._data) - known[id(data._data)] != _ALONE:
        return False
    if data._data.base is None:
        return bool(data._data.flags.owndata)
    if type(data._data.base) is not np.ndarray or sys.getrefcount(data._data.base) != _ALONE:
        return False
    return bool(data._data.base.flags.owndata)  # and not a file's or another library's memory


def move_to_line(array: Array, bindings: Callable[[], Counter[int]]) -> None:
    """Have an array's contents begin where a cache line does, unless somebody could see them where they are now.

    `bindings` counts the references that compiled steps keep (see `is_alone`).

    NumPy's large arrays begin 16 bytes into a line. Threads that write neighbouring columns of a matrix then have a
    line of every row in common, and each waits for it to come from the other's core.
    """
    data: Any = array
    if not is_misplaced(data._data) or not is_alone(array, known := bindings()):
        return
    moved, version = aligned_empty(array.shape, np.dtype(array.dtype)), array._version
    moved[...] = data._data
    was_left_alone = array._version == version and is_alone(array, known)  # by other threads, meanwhile
    if was_left_alone:
        array._data = moved
