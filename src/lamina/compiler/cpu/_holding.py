"""What a compiled step holds in a layout of its own from one call to the next, and gives back to whoever looks at it.

See `hold_transposed` for which arrays these are, and docs/adr/held-transposed.md for why.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

from lamina.core.array import Array
from lamina.core.ownership import is_alone
from lamina.core.state import owed, settle_owed
from lamina.nd.elsewhere import ElsewhereArray, Type
from lamina.nd.ndarray import NDArray

__all__ = ["HOLDING", "Holder"]

HOLDING = owed.lock
"""Taken while arrays are held or given back, and while a step that holds arrays runs.

One for all steps: a step that meets an array which another one holds has it given back, and with a lock each they could
wait for each other.
"""

_RETRY_AFTER = 100  # calls, once an array's memory was found to be shared


class HeldArray(ElsewhereArray):
    """An array while its contents are held."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name != "_data":
            raise AttributeError(f"'NDArray' object has no attribute {name!r}")
        self._keeper.give_back()
        return self._data


class Holder:
    """Keeps some arrays in a compiled step's own layout between calls.

    `write_back` copies the step's contents into the buffers. ``is_ahead``: whether they are newer than the buffers'.
    An array that is held keeps its holder alive; so neither the holder nor `write_back` refers to the arrays, or they
    would stay in memory until the garbage collector comes.
    """

    def __init__(self, arrays: Sequence[Array], write_back: Callable[[], None]) -> None:
        self._references, self._write_back = [weakref.ref(array) for array in arrays], write_back
        self._buffers: list[Any] = []
        self._refusals = 0
        self.is_ahead = False

    def begin(self) -> None:
        """Hold the arrays from now on, unless somebody could see their buffers without asking them.

        The buffers must be up to date.
        """
        arrays = self._arrays()
        if self._refusals % _RETRY_AFTER == 0 and _all_alone(arrays):
            self._hold(arrays)
        else:
            self._refusals += 1

    def _arrays(self) -> list[Array]:
        return [array for reference in self._references if (array := reference()) is not None]

    def _hold(self, arrays: Sequence[Array]) -> None:
        self._refusals = 0
        self._buffers = [array._data for array in arrays]
        for array in arrays:
            array._keeper = self
            array._view = Type(array.shape, array._dtype)  # pyright: ignore[reportAttributeAccessIssue]
            array.__class__ = HeldArray
            del array._data
        self.is_ahead = True  # last, so that an interrupt before leaves buffers that are right

    def give_back(self) -> None:
        """Write the contents into the arrays' buffers, and leave the arrays to others."""
        with HOLDING:
            if self.is_ahead and any(type(array) is not HeldArray for array in self._arrays()):
                settle_owed()  # new contents of an array are owed, and the held ones are needed for them
            if self.is_ahead:
                self._write_back()
                self.is_ahead = False
            for reference, buffer in zip(self._references, self._buffers, strict=False):
                if (array := reference()) is not None:
                    array._data = buffer
                    array.__class__ = NDArray
            self._buffers = []


def _all_alone(arrays: Sequence[Array]) -> bool:
    return all(type(array) is NDArray and is_alone(array) for array in arrays)
