"""`PendingArray`: an array whose contents have not been computed yet."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.core.array import Array, UserArray, attribute
from lamina.core.interrupts import Change
from lamina.core.state import pending
from lamina.errors import LaminaError
from lamina.nd.ndarray import NDArray
from lamina.nd.shapes_only import PlaceholderArray
from lamina.support.foreign_names import no_member


class PendingArray(PlaceholderArray):
    """An array that is computed, with all other pending arrays, when it is read.

    Its `_view` is the event that computes it. A result of the queue has no other attributes until it is read. An array
    to be overwritten keeps its old contents in the slot that the ``_data`` property hides.
    """

    __slots__ = ()
    _is_computed = False

    def _read(self) -> Any:
        pending.flush()
        if self.__class__ is PendingArray:
            raise LaminaError(
                f"an array of shape {self.shape} was not computed, since no reference to it was found; "
                "with LAMINA_EAGER=1, arrays are computed immediately"
            )
        return self._data

    _data: Any = property(_read)
    _context: Any = attribute("_view.context")

    def _is_recorded(self) -> bool:
        return self._view.recorded or self._leaf is not None

    def __getattr__(self, name: str) -> Any:
        if name == "_node" and self._view.recorded:
            self._read()
            return self._node
        if name == "_writes":
            self._writes = [0]
            return self._writes
        if name in ("_leaf", "_node"):
            return None
        if name == "_index":
            return 0
        raise no_member("NDArray", name)


PendingArray.__name__ = PendingArray.__qualname__ = "NDArray"  # the class's name for users


class Lost:
    """A replacement for the contents of an array whose computation failed; reading it raises the error."""

    __slots__ = ("dtype", "reason", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype, reason: BaseException) -> None:
        self.shape, self.dtype, self.reason = shape, dtype, reason

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        raise LaminaError(
            f"this array (shape {self.shape}) was not computed: an operator before it failed with "
            f"{type(self.reason).__name__}: {self.reason}"
        )


def completing(array: UserArray, data: Any, of: UserArray = None) -> list[Change]:
    """The changes that fill a pending array with `data`, and with the writes and tape node of the array `of`."""
    return [
        (_set_data, array, data),
        (_set_context, array, array._context),
        (setattr, array, "_leaf", array._leaf),
        (setattr, array, "_writes", array._writes if of is None else of._writes),
        (setattr, array, "_node", None if of is None else of._node),
        (setattr, array, "_index", 0 if of is None else of._index),
        # A plain array doesn't need its `_view`, which stays for other threads.
        (setattr, array, "__class__", NDArray),
    ]


# Behind the properties of pending arrays:
_set_data: Any = Array.__dict__["_data"].__set__
_set_context: Any = Array.__dict__["_context"].__set__
