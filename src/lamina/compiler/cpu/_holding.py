"""Arrays that a compiled step stores in another layout between calls, and restores when they are read.

See `hold_transposed` for the choice of these arrays, and docs/adr/held-transposed.md for the reasons.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

from lamina.core.array import Array
from lamina.core.interrupts import Change, make
from lamina.core.ownership import bind_buffer, is_alone, release_buffers
from lamina.core.state import flush_pending, pending, state
from lamina.nd.ndarray import NDArray
from lamina.nd.shapes_only import PlaceholderArray, Type

HOLDING = pending.lock
"""The lock for holding or releasing arrays, and for executing a step that holds arrays.

All steps share the lock. A step that uses an array held by another step makes that step release the array. With
separate locks, two such steps could deadlock.
"""

_RETRY_AFTER = 100  # calls before holding is tried again, after an array's memory was found to be shared


class HeldArray(PlaceholderArray):
    """An array whose contents are stored by a step. Reading ``_data`` first copies them back to its buffer."""

    __slots__ = ()

    def _read(self) -> Any:
        self._keeper.give_back()
        return self._data

    _data: Any = property(_read)


HeldArray.__name__ = HeldArray.__qualname__ = "NDArray"  # the class's name for users


class _Buffers:
    """The buffers of arrays whose contents a step stores: writing back fills even those of deleted arrays."""

    def __init__(self, arrays: Sequence[Array]) -> None:
        self._buffers: list[object] = [None] * len(arrays)
        for slot, array in enumerate(arrays):
            bind_buffer(self._buffers, slot, array._data)

    def __del__(self) -> None:
        release_buffers(self._buffers)


class Holder:
    """The owner of arrays that a compiled step stores in another layout between calls.

    `write_back` returns the change that copies the step's contents to the buffers. While ``is_ahead``, the step's
    contents are newer than the buffers, and ``_buffers`` keeps the buffers alive. A held array refers to its holder. So
    the holder and `write_back` must not refer to arrays, as a reference cycle would keep them in memory until garbage
    collection.
    """

    def __init__(self, arrays: Sequence[Array], write_back: Callable[[], Change]) -> None:
        self._references, self._write_back = [weakref.ref(array) for array in arrays], write_back
        self._refusals = 0
        self._buffers: _Buffers | None = None
        self.is_ahead = False

    def beginning(self) -> list[Change]:
        """The changes that make this the owner of the arrays' current contents; [] if buffers have other references."""
        arrays = self._arrays()
        if self._refusals % _RETRY_AFTER or not all(type(x) is NDArray and is_alone(x) for x in arrays):
            self._refusals += 1
            return []
        self._refusals = 0
        for array in arrays:
            array._keeper = self
            array._view = Type(array.shape, array._dtype)  # pyright: ignore[reportAttributeAccessIssue]
        return [
            *((setattr, x, "__class__", HeldArray) for x in arrays),
            (setattr, self, "_buffers", _Buffers(arrays)),
            (setattr, self, "is_ahead", True),
        ]

    def check(self) -> None:
        """Release the arrays if another thread got a reference to a buffer before the arrays were held."""
        if self.is_ahead and not all(map(is_alone, self._arrays())):
            self.give_back()

    def _arrays(self) -> list[Array]:
        return [array for reference in self._references if (array := reference()) is not None]

    def give_back(self) -> None:
        """Write the contents back to the arrays' buffers, and release the arrays."""
        with HOLDING:
            if self.is_ahead and any(type(array) is not HeldArray for array in self._arrays()):
                flush_pending()  # new contents of an array are pending, and need the held ones
            while self.is_ahead:  # until it is done, by this call or an interrupt
                own = state.turn.take(changes := [])
                if self.is_ahead:
                    changes.append(self._write_back())
                    changes += [(setattr, x, "__class__", NDArray) for x in self._arrays()]
                    changes.append((setattr, self, "is_ahead", False))
                    changes.append((setattr, self, "_buffers", None))  # last: it runs `_Buffers.__del__`
                    make(own)
