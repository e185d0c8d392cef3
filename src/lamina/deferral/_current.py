"""The current sequence: which arrays have which positions in it, whose contents are owed, and whose could be."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

from lamina.context import Context, current_context
from lamina.core.array import Array
from lamina.core.keys import Unfit, frozen
from lamina.core.ownership import is_alone
from lamina.core.state import owed
from lamina.deferral._entries import (
    Applied,
    Backward,
    Entry,
    Gradient,
    New,
    Number,
    Operand,
    targets,
    type_of,
    varying,
)
from lamina.deferral._pending import PendingArray
from lamina.nd.elsewhere import ElsewhereArray
from lamina.nd.ndarray import NDArray

__all__ = ["CurrentSequence", "place_of"]


class CurrentSequence:
    """What a queue knows of the sequence that it is in."""

    _root: Entry
    _period: int | None

    def _begin(self) -> None:
        """A new sequence.

        ``_values``       the arrays by position; while observing, weak references to them
        ``_ids``          the positions of arrays by id: of those made outside; while observing, of all
        ``_numbers``      the numbers that vary
        ``_overwritten``  arrays whose new contents are owed, with what they were before
        ``_made``         while observing: the positions of results, and of what was written
        ``_viewed``       while observing: the positions of arrays that have views, and of views
        ``_cursor``       the last event; ``_next``: what is put off, if it comes next
        ``_ahead``        after how many events it ends, where the program marks no steps
        """
        self._is_halfway = True  # an interrupt may come at any call
        self._next: Any = None
        self._values: list[Any] = []
        self._ids: dict[int, int] = {}
        self._numbers: list[Any] = []
        self._overwritten: list[tuple[Any, type, Any]] = []
        self._made: set[int] = set()
        self._viewed: set[int] = set()
        self._has_recorded = False
        self._ahead = self._period
        owed.is_open = False
        self._cursor: Entry = self._root
        self._is_observing = False
        self._next = self._root.hot_child
        self._is_halfway = False

    def _note_made(self, event: Any) -> None:
        """What an event made, or gave other contents."""
        if isinstance(event, Applied):
            self._made.add(event.output)
            if event.view_of is not None:
                self._viewed |= {event.output, event.view_of}
        else:
            self._made.update(targets(event))

    # --- positions -----------------------------------------------------------------------------------------------

    def _position_of(self, x: Array) -> int | None:
        i = self._ids.get(id(x))
        if i is not None:
            return i if not self._is_observing or self._values[i]() is x else None
        if x.__class__ is PendingArray:
            return next(i for i, value in enumerate(self._values) if value is x)
        return None

    def _keys_of(self, inputs: Sequence[Any]) -> list[Any]:
        """What tells operands from others: positions of those that are known, types of the rest."""
        keys: list[Any] = [] if any(isinstance(x, Array) for x in inputs) else [current_context()]
        fresh: dict[int, int] = {}
        for x in inputs:
            if not isinstance(x, Array):
                keys.append(x.__class__ if x.__class__ in (int, float) else frozen(x))
                continue
            known = fresh.get(id(x)) if id(x) in fresh else self._position_of(x)
            if known is not None:
                keys.append(known)
                continue
            if not _is_private(x):
                raise Unfit
            fresh[id(x)] = len(self._values) + len(fresh)
            keys.append(type_of(x))
        return keys

    def _new_operands(self, inputs: Sequence[Any]) -> tuple[Any, ...]:
        """Operands for a new entry; arrays that were not known get positions."""
        operands: list[Operand] = []
        for x in inputs:
            if not isinstance(x, Array):
                operands.append(Number(x))
                continue
            known = self._position_of(x)
            if known is None:
                operands.append(New(x, len(self._values)))
                self._place(x)
            else:
                operands.append(known)
        return tuple(operands)

    def _place_operands(self, inputs: Sequence[Any], operands: Sequence[Any]) -> None:
        """Give arrays the positions that an entry says, and remember them as the latest ones."""
        for x, operand in zip(inputs, operands, strict=True):
            if isinstance(operand, New):
                operand.latest = weakref.ref(x)
                self._place(x)
            elif isinstance(operand, Number):
                operand.admits(x, [])

    def _place(self, x: Array) -> None:
        self._ids[id(x)] = len(self._values)
        self._values.append(weakref.ref(x))

    # --- what is put off -----------------------------------------------------------------------------------------

    def _takes(self, wanted: Any, x: Array) -> bool:
        """Whether an array may stand where an entry has this operand; a new one gets the next position."""
        if wanted.__class__ is int:
            return self._values[wanted] is x
        if not wanted.admits(x, self._ids):
            return False
        self._ids[id(x)] = len(self._values)
        self._values.append(x)
        return True

    def _are_at(self, arrays: Sequence[Array], positions: Sequence[int]) -> bool:
        """Whether arrays are those at the positions."""
        values = self._values
        return len(arrays) == len(positions) and all(
            values[i] is x for i, x in zip(positions, arrays, strict=True)
        )

    def _forget_attempt(self) -> None:
        """Take back the positions of an event that did not match after all, or that an interrupt cut short."""
        taken = self._cursor.taken
        for x in self._values[taken:]:
            self._ids.pop(id(x), None)
        del self._values[taken:]
        del self._numbers[sum(1 for _ in varying(self._cursor)) :]

    def _overwrite_gradients(self, entry: Backward) -> bool:
        """`_overwrite` the gradients that a walk back writes; False also where they are others than the entry's."""
        changes: list[tuple[Any, Any]] = []
        for gradient in entry.gradients:
            leaf = self._values[gradient.leaf]._leaf
            if leaf is None or leaf.req != gradient.req or not self._takes(gradient.operand, leaf.grad):
                return False
            changes.append((leaf.grad, gradient))
        return self._overwrite(changes)

    def _overwrite(self, changes: Sequence[tuple[Any, Any]]) -> bool:
        """From now on the contents of arrays are owed; False if others could see their old ones in memory."""
        for array, _ in changes:
            if not (is_alone(array) if array.__class__ is NDArray else isinstance(array, ElsewhereArray)):
                return False
        owed.is_open = True  # first, so that contents are found again when an interrupt comes on the way
        for array, event in changes:
            array._writes[0] += 1
            kind = array.__class__
            if kind is PendingArray:
                continue
            self._overwritten.append((array, kind, array._data if kind is NDArray else None))
            array._view = event
            array.__class__ = PendingArray
            if kind is NDArray:
                del array._data
        return True

    def _restore_overwritten(self) -> None:
        """Give arrays whose new contents are owed their old ones, which are what to begin with."""
        for array, kind, data in self._overwritten:
            if data is not None:
                array._data = data
            array.__class__ = kind
        self._overwritten = []

    # --- what an observed event may be ---------------------------------------------------------------------------

    def _may_be_owed(self, array: Array) -> bool:
        """Whether new contents of an array could be put off: nobody else may see its memory."""
        if array._node is not None or self._position_of(array) in self._viewed or not array._is_settled:
            return False
        return is_alone(array) if array.__class__ is NDArray else isinstance(array, ElsewhereArray)

    def _leaves_of(self, heads: Sequence[Array]) -> list[Array] | None:
        """The leaves that a walk back reaches, if all on its way was recorded in this sequence."""
        leaves: dict[int, Array] = {}
        seen: set[int] = set()
        todo = [(x, 0) for x in heads]
        while todo:
            x, used_by = todo.pop()
            if x._leaf is not None:
                i = self._position_of(x)
                if i is None:
                    return None
                leaves[i] = x
                continue
            node = x._node
            if node is None or node.order in seen:
                continue
            if node.inputs is None and node.freed < used_by:
                continue
            seen.add(node.order)
            if (
                node.inputs is None
                or node.primitive.lowering is None
                or self._position_of(x) not in self._made
            ):
                return None
            todo += [(y, node.order) for y in node.inputs if isinstance(y, Array)]
        return [leaves[i] for i in sorted(leaves)]

    def _note_gradients(self, entry: Backward, leaves: Sequence[Array]) -> bool:
        """Note which gradients a walk has written; False if writing them could not be put off."""
        grads = [x._leaf.grad for x in leaves]  # pyright: ignore[reportOptionalMemberAccess]
        if len({id(grad) for grad in grads}) < len(grads) or not all(map(self._may_be_owed, grads)):
            return False
        for x, operand in zip(leaves, self._new_operands(grads), strict=True):
            leaf = self._position_of(x)
            assert leaf is not None
            if isinstance(operand, New):
                operand.is_overwritten = x._leaf.req == "write"  # pyright: ignore[reportOptionalMemberAccess]
            entry.gradients.append(Gradient(leaf, x, operand))
        return True


def place_of(inputs: Sequence[Any]) -> Context | None:
    """The device that inputs are on, None for the CPU. Raises `Unfit` if they are on several."""
    contexts = [x._context for x in inputs if isinstance(x, Array)] or [current_context()]
    place = None if contexts[0].is_host else contexts[0]
    for context in contexts:
        if (None if context.is_host else context) is not place:
            raise Unfit
    return place


def _is_private(x: Array) -> bool:
    """Whether only lamina's own arrays know an array's memory, so that it can't change unnoticed."""
    if not x._is_settled or not isinstance(x, NDArray):
        return False
    if x._is_stale:
        return False
    if len(x._writes) > 1:
        # A compiled step holds only what nobody else knows the memory of.
        if not isinstance(x, ElsewhereArray) and not is_alone(x):
            return False
        del x._writes[1:]
    return True
