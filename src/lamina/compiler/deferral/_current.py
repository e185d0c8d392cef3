"""The state of the operations that are being recorded or deferred: their arrays, and which of these are pending.

`_entries` explains events, sequences and positions.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence as Items
from operator import is_not
from typing import Any

from lamina.compiler.deferral._entries import (
    Applied,
    Backward,
    Entry,
    Gradient,
    New,
    Number,
    Operand,
    type_of,
    varying,
)
from lamina.compiler.deferral._pending import PendingArray
from lamina.core.array import Array
from lamina.core.interrupts import Change, Turn
from lamina.core.keys import Unfit, frozen
from lamina.core.ownership import is_alone
from lamina.device.context import Context, current_context
from lamina.nd.ndarray import NDArray
from lamina.nd.shapes_only import PlaceholderArray


class Sequence:
    """The state of a sequence of events.

    Each sequence has its own object. If a call is interrupted while it records an event, and the sequence has ended
    meanwhile, later changes by the call go to an object that is never read again.

    ``values``       the arrays by position; while observing, weak references to them
    ``ids``          positions by `id`, while observing for all arrays, else for arrays made outside the sequence
    ``numbers``      the values of the varying numbers
    ``overwritten``  arrays with pending new contents, each with its former class and count of writes
    ``made``         while observing: the positions of results and of written arrays
    ``viewed``       while observing: the positions of views, and of arrays that have views
    ``cursor``       the last event; ``next``: the expected next event, which is deferred if it occurs
    ``ahead``        the length in events at which the sequence ends, if the program marks no steps
    ``turn``         the `Turn` (see `lamina.core.interrupts`) for the next changes to arrays and to the queue
    ``ended_at``     the last event, once the sequence has ended
    """

    __slots__ = (
        "ahead", "cursor", "ended_at", "has_recorded", "ids", "is_halfway", "is_observing", "made", "next", "numbers",
        "overwritten", "turn", "values", "viewed",
    )  # fmt: skip

    def __init__(self, root: Entry, ahead: int | None) -> None:
        self.next: Any = root.hot_child
        self.values: list[Any] = []
        self.ids: dict[int, int] = {}
        self.numbers: list[Any] = []
        self.overwritten: list[tuple[Any, type, int]] = []
        self.made: set[int] = set()
        self.viewed: set[int] = set()
        self.has_recorded = False
        self.ahead = ahead
        self.cursor: Entry = root
        self.ended_at: Entry | None = None
        self.is_observing = self.is_halfway = False
        self.turn = Turn()

    @property
    def is_midway(self) -> bool:
        """Whether an event is being recorded now, or an exception has cut its recording short."""
        return self.is_halfway or (not self.is_observing and self.next is not self.cursor.hot_child)

    def note_made(self, event: Any) -> None:
        """Record the arrays that an event computed or overwrote."""
        if isinstance(event, Applied):
            self.made.add(event.output)
            if event.view_of is not None:
                self.viewed |= {event.output, event.view_of}
        else:
            self.made.update(event.targets)

    # --- positions -----------------------------------------------------------------------------------------------

    def position_of(self, x: Array) -> int | None:
        i = self.ids.get(id(x))
        if i is not None:
            return i if not self.is_observing or self.values[i]() is x else None
        if x.__class__ is PendingArray:
            return next((i for i, value in enumerate(self.values) if value is x), None)
        return None

    def keys_of(self, inputs: Items[Any]) -> list[Any]:
        """Keys that identify operands: positions of known arrays, types of new arrays and of numbers."""
        keys: list[Any] = [] if any(isinstance(x, Array) for x in inputs) else [current_context()]
        fresh: dict[int, int] = {}
        for x in inputs:
            if not isinstance(x, Array):
                keys.append(x.__class__ if x.__class__ in (int, float) else frozen(x))
                continue
            known = fresh.get(id(x)) if id(x) in fresh else self.position_of(x)
            if known is not None:
                keys.append(known)
                continue
            if not _is_private(x):
                raise Unfit
            fresh[id(x)] = len(self.values) + len(fresh)
            keys.append(type_of(x))
        return keys

    def new_operands(self, inputs: Items[Any]) -> tuple[Any, ...]:
        """Convert the inputs to operands of a new entry; new arrays get positions."""
        operands: list[Operand] = []
        for x in inputs:
            if not isinstance(x, Array):
                operands.append(Number(x))
                continue
            known = self.position_of(x)
            if known is None:
                operands.append(New(x, len(self.values)))
                self.place(x)
            else:
                operands.append(known)
        return tuple(operands)

    def place_operands(self, inputs: Items[Any], operands: Items[Any]) -> None:
        """Assign the next positions to new arrays among the inputs, and record each as its operand's latest array."""
        for x, operand in zip(inputs, operands, strict=True):
            if isinstance(operand, New):
                operand.latest = weakref.ref(x)
                self.place(x)
            elif isinstance(operand, Number):
                operand.admits(x, [])

    def place(self, x: Array) -> None:
        self.ids[id(x)] = len(self.values)
        self.values.append(weakref.ref(x))

    # --- what is put off -----------------------------------------------------------------------------------------

    def takes(self, wanted: Any, x: Array) -> bool:
        """Whether an array matches an entry's operand. A new array that matches gets the next position."""
        if wanted.__class__ is int:
            return self.values[wanted] is x
        if not wanted.admits(x, self.ids):
            return False
        self.ids[id(x)] = len(self.values)
        self.values.append(x)
        return True

    def are_at(self, arrays: Items[Array], positions: Items[int]) -> bool:
        """Whether the arrays at these positions are `arrays`."""
        found = [self.values[i] for i in positions]
        return len(arrays) == len(found) and not any(map(is_not, arrays, found))

    def forget_attempt(self) -> None:
        """Remove the arrays and numbers that an unsuccessful attempt to match an event has added."""
        taken = self.cursor.taken
        for x in self.values[taken:]:
            self.ids.pop(id(x), None)
        del self.values[taken:]
        del self.numbers[sum(1 for _ in varying(self.cursor)) :]
        self.next = self.cursor.hot_child

    def up_to(self, end: Entry) -> tuple[list[Any], list[Any]]:
        """The sequence's arrays and numbers up to an event, without those of a later, partly recorded event."""
        return self.values[: end.taken], self.numbers[: sum(1 for _ in varying(end))]

    def restoring(self) -> list[Change]:
        """The changes that give pending arrays their old contents back, before the new contents are computed."""
        return [(setattr, array, "__class__", kind) for array, kind, _ in self.overwritten]

    # --- what an observed event may be ---------------------------------------------------------------------------

    def may_be_owed(self, array: Array) -> bool:
        """Whether new contents of an array can be deferred: only the array itself may refer to its memory."""
        if array._node is not None or self.position_of(array) in self.viewed or not array._is_computed:
            return False
        return is_alone(array) if array.__class__ is NDArray else isinstance(array, PlaceholderArray)

    def leaves_of(self, heads: Items[Array]) -> list[Array] | None:
        """The leaves that a backward pass reaches; None if some of its tape was not recorded in this sequence."""
        leaves: dict[int, Array] = {}
        seen: set[int] = set()
        todo = [(x, 0) for x in heads]
        while todo:
            x, used_by = todo.pop()
            if x._leaf is not None:
                i = self.position_of(x)
                if i is None:
                    return None
                leaves[i] = x
                continue
            node = x._node
            if node is None or node.order in seen or (node.inputs is None and node.freed < used_by):
                continue
            seen.add(node.order)
            if node.inputs is None or node.primitive.lowering is None or self.position_of(x) not in self.made:
                return None
            todo += [(y, node.order) for y in node.inputs if isinstance(y, Array)]
        return [leaves[i] for i in sorted(leaves)]

    def note_gradients(self, entry: Backward, leaves: Items[Array]) -> bool:
        """Record in `entry` the gradients written to the leaves; False if their writes can't be deferred."""
        grads = [x._leaf.grad for x in leaves]  # pyright: ignore[reportOptionalMemberAccess]
        if len({id(grad) for grad in grads}) < len(grads) or not all(map(self.may_be_owed, grads)):
            return False
        for x, operand in zip(leaves, self.new_operands(grads), strict=True):
            leaf = self.position_of(x)
            assert leaf is not None
            if isinstance(operand, New):
                operand.is_overwritten = x._leaf.req == "write"  # pyright: ignore[reportOptionalMemberAccess]
            entry.gradients.append(Gradient(leaf, x, operand))
        return True


def place_of(inputs: Items[Any], result: Context | None = None) -> Context | None:
    """The inputs' context, None for the CPU; `Unfit` if they, or they and `result`, are on several devices."""
    contexts = [x._context for x in inputs if isinstance(x, Array)] or [current_context()]
    places = {None if context.is_host else context for context in (*contexts, result or contexts[0])}
    if len(places) > 1:
        raise Unfit
    return places.pop()


def _is_private(x: Array) -> bool:
    """Whether only lamina's arrays refer to an array's memory, which therefore can't change unnoticed."""
    if not x._is_computed or not isinstance(x, NDArray) or x._is_stale:
        return False
    if len(x._writes) > 1:
        # A compiled step holds only arrays whose memory has no other reference.
        if not isinstance(x, PlaceholderArray) and not is_alone(x):
            return False
        del x._writes[1:]
    return True
