"""Detection of exclusive ownership: if only one array refers to memory, its contents can be moved or deferred."""

from __future__ import annotations

import sys
import sysconfig
import threading
from collections.abc import Iterable, MutableSequence
from itertools import filterfalse
from typing import Any

import numpy as np

from lamina.core.array import Array, StaleGradient, Value
from lamina.core.interrupts import free_in_children
from lamina.core.memory import aligned_empty, is_misplaced

COUNTS_REFERENCES = sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")
"""Whether reference counts reliably show references."""
getrefcount: Any = getattr(sys, "getrefcount", lambda _: 0)


def _references_to_a_name() -> int:
    held = [object()]
    name = held[0]
    return getrefcount(name)


_ALONE = _references_to_a_name()
"""`getrefcount` of a local name's value that one other object refers to; it also counts its own argument."""
_counting = free_in_children(threading.RLock())
_bound: dict[int, list[None]] = {}
"""For each buffer, by its id, a list with an item for each reference from a compiled step. These references are
harmless, since a step asks the array for its buffer before each use. Unlike counts, lists grow and shrink atomically
under interrupts."""
_buffer_of: Any = Array.__dict__["_data"].__get__
"""An array's `_data`, without triggering its computation."""


def bind_buffer(buffers: MutableSequence[Any], slot: int, buffer: Value) -> None:
    """Put a buffer into a compiled step's list of buffers, and count this reference for `is_alone`."""
    with _counting:
        if buffers[slot] is not None:
            release_buffers(buffers, (slot,))
        buffers[slot] = buffer
        list(map(list.append, map(_bound.setdefault, (id(buffer),), ([],)), (None,)))  # one call: atomic


def release_buffers(buffers: MutableSequence[Any], slots: Iterable[int] | None = None) -> None:
    """Remove all buffers, or those in `slots`, from a compiled step's list of buffers."""
    with _counting:
        for slot in range(len(buffers)) if slots is None else slots:
            former, buffers[slot] = buffers[slot], None
            references = _bound.get(id(former))
            if references:
                references.pop()
                # One call, too: remove the entry if its list is empty.
                list(map(_bound.pop, filterfalse(_bound.get, (id(former),)), (None,)))


def is_alone(array: Array) -> bool:
    """Whether only `array` and compiled steps refer to its buffer, and no file or other library owns the memory.

    True for a stale gradient, which has no memory. False if Python doesn't count references.
    """
    if not COUNTS_REFERENCES:
        return False
    buffer = _buffer_of(array)
    if isinstance(buffer, StaleGradient):
        return True
    if getrefcount(buffer) - len(_bound.get(id(buffer), ())) != _ALONE:
        return False
    if not array._context.is_host:
        sharing = buffer.sharing
        return getrefcount(sharing) == _ALONE
    base = buffer.base
    if base is None:
        return buffer.flags.owndata
    if type(base) is not np.ndarray or getrefcount(base) != _ALONE:
        return False
    return base.flags.owndata  # and not a file's or another library's memory


def move_to_line(array: Array) -> None:
    """Move an array's contents to memory aligned to a cache line, unless other references to the contents exist.

    NumPy's large arrays begin 16 bytes after the start of a cache line. Threads that write neighbouring columns of a
    matrix then share a cache line in every row, which moves back and forth between their cores.
    """
    data: Any = array
    if not is_misplaced(data._data) or not is_alone(array):
        return
    moved, version = aligned_empty(array.shape, array._dtype), array._version
    moved[...] = data._data
    was_left_alone = array._version == version and is_alone(array)  # by other threads, meanwhile
    if was_left_alone:
        array._data = moved
