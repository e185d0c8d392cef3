"""Guards watch all objects that a function found outside, to detect a replaced parameter, constant or layer.

``docs/adr/guards.md`` states the guarantees. `walk` finds the objects to watch; `watches` has the kinds of watch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from lamina.compiler.front._walk import Opaque, Walk
from lamina.compiler.front._watches import Contents
from lamina.compiler.written_checks import Names, function_of
from lamina.core.array import Array
from lamina.core.tape import Leaf


class Guards:
    """The names that a function and its callees look up, with their values when the function was captured.

    `arguments` are the arguments whose attributes the function may read.

    ``arrays``          the ids of all arrays found, to recognize them among the arguments
    ``hold()``          whether everything is unchanged
    ``opaque``          objects found that can't be watched
    ``asks_for_types``  whether the capture needs the values of number arguments, as the function calls ``type``
    """

    def __init__(self, function: Callable[..., Any], arguments: Sequence[Any] = ()) -> None:
        found = Walk(function, arguments)
        self._watches, self._names, self._keep = found.watches, found.names_of_arrays, found.keep
        self._modules = found.modules
        self._leaves: list[tuple[Array, Leaf | None]] = []
        self.opaque: Sequence[Opaque] = found.opaque
        self.asks_for_types = found.asks_for_types
        self.arrays = frozenset(self._names)
        self.hold = self._written_hold()

    def complete(self, arrays: Iterable[Array], with_leaves: Iterable[Array]) -> None:
        """Add guards for objects found by a successful capture; `with_leaves` are arrays whose gradient it used."""
        self._keep += arrays
        self.arrays |= {id(x) for x in arrays}
        self._leaves = [(x, x._leaf) for x in with_leaves]
        self.hold = self._written_hold()

    def changed(self) -> str | None:
        """The user's name for the first object that has changed; None if nothing has."""
        if self.hold():
            return self._imported()
        for watch in self._watches:
            change = watch.change()
            if change is not None:
                return change
        return next(
            (f"the gradient of {self.name_of(x)}" for x, leaf in self._leaves if x._leaf is not leaf), None
        )

    def only_contents_changed(self) -> bool:
        """Whether only values in buffers have changed, in which case the graph may still be valid."""
        return all(isinstance(watch, Contents) or watch.now() for watch in self._watches) and all(
            x._leaf is leaf for x, leaf in self._leaves
        )

    def undo(self) -> None:
        """Undo the changes that a failed capture has made to objects outside the function."""
        for watch in self._watches:
            watch.undo()

    def name_of(self, array: Array) -> str | None:
        """The user's name for an array."""
        return self._names.get(id(array))

    def _imported(self) -> str | None:
        """A module that was imported after the walk, and therefore not visited; None if there is none."""
        import sys

        return next((name for name in sorted(self._modules) if name in sys.modules), None)

    def _written_hold(self) -> Callable[[], bool]:
        names = Names()
        conditions = [watch.condition(names) for watch in self._watches]
        conditions += [f"{names.of(array)}._leaf is {names.of(leaf)}" for array, leaf in self._leaves]
        written = " and ".join(x for x in conditions if x != "True") or "True"
        # An exception means a change, too: a variable was deleted, a list is shorter.
        return function_of(
            "hold()", ["try:", f"    return {written}", "except Exception:", "    return False"], names
        )
