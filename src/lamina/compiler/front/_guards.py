"""Guards watch all objects that a function found outside, to detect a replaced parameter, constant or layer.

``docs/adr/guards.md`` states the guarantees. `lamina.compiler.front._walk` finds the objects to watch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from lamina.compiler.front._walk import Walk
from lamina.compiler.written_checks import function_of
from lamina.core.array import Array
from lamina.core.tape import Leaf


class Guards:
    """The names that a function and its callees look up, with their values when the function was captured.

    `arguments` are the arguments whose attributes the function may read.

    ``arrays``          the ids of all arrays found, to recognize them among the arguments
    ``hold()``          whether everything is unchanged
    ``opaque``          objects found that can't be watched, as pairs (the user's name, the kind of object)
    ``asks_for_types``  whether the capture needs the values of number arguments, as the function calls ``type``
    """

    def __init__(self, function: Callable[..., Any], arguments: Sequence[Any] = ()) -> None:
        found = Walk(function, arguments)
        self._watches, self._names, self._arrays = found.watches, found.names, found.names_of_arrays
        self._keep = found.keep
        self._leaves: list[tuple[Array, Leaf | None]] = []
        self.opaque, self.asks_for_types = found.opaque, found.asks_for_types
        self.arrays = frozenset(self._arrays)
        self.hold = self._written_hold()

    def complete(self, arrays: Iterable[Array], with_leaves: Iterable[Array]) -> None:
        """Add guards for objects found by a successful capture; `with_leaves` are arrays whose gradient it used."""
        self._keep += arrays
        self.arrays |= {id(x) for x in arrays}
        self._leaves = [(x, x._leaf) for x in with_leaves]
        self.hold = self._written_hold()

    def changed(self) -> str | None:
        """The user's name for the first object that has changed; None if nothing has."""
        for watch in () if self.hold() else self._watches:
            if not self._holds(watch.condition):
                return watch.label() if callable(watch.label) else watch.label
        return next(
            (f"the gradient of {self.name_of(x)}" for x, leaf in self._leaves if x._leaf is not leaf), None
        )

    def only_contents_changed(self) -> bool:
        """Whether only values in buffers have changed, in which case the graph may still be valid."""
        return all(watch.is_of_contents or self._holds(watch.condition) for watch in self._watches) and all(
            x._leaf is leaf for x, leaf in self._leaves
        )

    def undo(self) -> None:
        """Undo the changes that a failed capture has made to objects outside the function."""
        for watch in self._watches:
            if watch.undo is not None and not self._holds(watch.condition):
                watch.undo()

    def name_of(self, array: Array) -> str | None:
        """The user's name for an array."""
        return self._arrays.get(id(array))

    def _holds(self, condition: str) -> bool:
        try:
            return bool(eval(condition, self._names.objects))
        except Exception:
            return False

    def _written_hold(self) -> Callable[[], bool]:
        names = self._names
        conditions = [watch.condition for watch in self._watches]
        conditions += [f"{names.of(array)}._leaf is {names.of(leaf)}" for array, leaf in self._leaves]
        written = " and ".join(conditions) or "True"
        # An exception means a change, too: a variable was deleted, a list is shorter.
        return function_of(
            "hold()", ["try:", f"    return {written}", "except Exception:", "    return False"], names
        )
