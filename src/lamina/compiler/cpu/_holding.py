"""Arrays that a compiled step keeps in its own layout between calls, and restores when they are read.

See `hold_transposed` for which arrays these are, and docs/adr/held-transposed.md for why.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

from lamina.core.array import Array
from lamina.core.ownership import bind_buffer, is_alone, release_buffers
from lamina.core.state import flush_pending, pending, state
from lamina.core.turns import Change, make, setting
from lamina.nd.ndarray import NDArray
from lamina.nd.placeholder import PlaceholderArray, Type

__all__ = ["HOLDING", "Holder"]

HOLDING = pending.lock
"""Taken while arrays are held or given back, and while a step that holds arrays runs.

One for all steps: a step that meets an array which another one holds has it given back, and with a lock each they could
wait for each other.
"""

_RETRY_AFTER = 100  # calls, once an array's memory was found to be shared


class HeldArray(PlaceholderArray):
    """An array while its contents are held; behind the property there is the buffer, whose contents are older."""

    __slots__ = ()

    def _read(self) -> Any:
        self._keeper.give_back()
        return self._data

    _data: Any = property(_read)


HeldArray.__name__ = HeldArray.__qualname__ = "NDArray"  # which it is, to users


class _Buffers:
    """The buffers of held arrays: writing back writes to all of them, also to those whose arrays are gone."""

    def __init__(self, arrays: Sequence[Array]) -> None:
        self._buffers: list[object] = [None] * len(arrays)
        for slot, array in enumerate(arrays):
            bind_buffer(self._buffers, slot, array._data)

    def __del__(self) -> None:
        release_buffers(self._buffers)


class Holder:
    """Keeps some arrays in a compiled step's own layout between calls.

    `write_back` gives what copies the step's contents into the buffers. ``is_ahead``: whether they are newer than the
    buffers', which ``_buffers`` keeps for as long. An array that is held keeps its holder alive; so neither the holder
    nor `write_back` refers to the arrays, or they would stay in memory until the garbage collector comes.
    """

    def __init__(self, arrays: Sequence[Array], write_back: Callable[[], Change]) -> None:
        self._references, self._write_back = [weakref.ref(array) for array in arrays], write_back
        self._refusals = 0
        self._buffers: _Buffers | None = None
        self.is_ahead = False

    def beginning(self) -> list[Change]:
        """The changes that begin holding the arrays: none if their buffers have other references.

        The buffers must be up to date.
        """
        arrays = self._arrays()
        if self._refusals % _RETRY_AFTER or not all(type(x) is NDArray and is_alone(x) for x in arrays):
            self._refusals += 1
            return []
        self._refusals = 0
        for array in arrays:
            array._keeper = self
            array._view = Type(array.shape, array._dtype)  # pyright: ignore[reportAttributeAccessIssue]
        return [
            *(setting(x, "__class__", HeldArray) for x in arrays),
            setting(self, "_buffers", _Buffers(arrays)),
            setting(self, "is_ahead", True),
        ]

    def check(self) -> None:
        """Give the arrays back if another thread has come to know a buffer before they were held."""
        if self.is_ahead and not all(map(is_alone, self._arrays())):
            self.give_back()

    def _arrays(self) -> list[Array]:
        return [array for reference in self._references if (array := reference()) is not None]

    def give_back(self) -> None:
        """Write the contents into the arrays' buffers, and leave the arrays to others."""
        with HOLDING:
            if self.is_ahead and any(type(array) is not HeldArray for array in self._arrays()):
                flush_pending()  # new contents of an array are pending, and need the held ones
            while self.is_ahead:  # until it is done, by this call or an interrupt
                own = state.turn.take(changes := [])
                if self.is_ahead:
                    changes.append(self._write_back())
                    changes += [setting(x, "__class__", NDArray) for x in self._arrays()]
                    changes.append(setting(self, "is_ahead", False))
                    changes.append(setting(self, "_buffers", None))  # last, since it runs `_Buffers.__del__`
                    make(own)
