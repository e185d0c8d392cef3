"""`PendingArray`: an array whose numbers are owed."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.core.array import UserArray
from lamina.core.state import owed
from lamina.errors import LaminaError
from lamina.habits import no_member
from lamina.nd.elsewhere import ElsewhereArray
from lamina.nd.ndarray import NDArray

__all__ = ["Lost", "PendingArray", "settle"]


class PendingArray(ElsewhereArray):
    """An array whose contents are owed: whoever asks for them has all that is owed computed.

    Its `_view` is the event that makes them. An array that was made by the queue lacks the other slots, too, until
    somebody asks.
    """

    __slots__ = ()
    _is_settled = False

    def _is_recorded(self) -> bool:
        return self._view.recorded or self._leaf is not None

    def __getattr__(self, name: str) -> Any:
        if name == "_data" or (name == "_node" and self._view.recorded):
            owed.settle()
            if self.__class__ is PendingArray:
                raise LaminaError(f"an array of shape {self.shape} was taken for one that nobody can read")
            return getattr(self, name)
        if name == "_context":
            return self._view.context
        if name == "_writes":
            self._writes = [0]
            return self._writes
        if name in ("_leaf", "_node"):
            return None
        if name == "_index":
            return 0
        raise no_member("NDArray", name)


PendingArray.__name__ = PendingArray.__qualname__ = "NDArray"  # which it is, to users


class Lost:
    """Stands in the place of numbers whose computation failed."""

    __slots__ = ("dtype", "reason", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype, reason: BaseException) -> None:
        self.shape, self.dtype, self.reason = shape, dtype, reason

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        raise LaminaError(
            f"this array (shape {self.shape}) was not computed: an operator before it failed with "
            f"{type(self.reason).__name__}: {self.reason}"
        )


def settle(array: UserArray, data: Any) -> None:
    """Make a plain array of a pending one."""
    array._data = data
    array._context, array._leaf, array._writes = array._context, array._leaf, array._writes
    array._node, array._index = None, 0
    array.__class__ = (
        NDArray  # last: from here on it has no need of its `_view`, which stays for other threads
    )
