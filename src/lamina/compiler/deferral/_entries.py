"""What the queue records: events (operators, writes, backward passes), in a tree of all observed sequences.

An `Entry` is an event; its children are the events that have followed it. So a repeating program follows the same path
in the tree each time. Arrays are identified by *position*: each array that is new in a sequence takes the next
position, whether it is an operand made outside the sequence or a result.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from typing import Any

from lamina.compiler.deferral._pending import completing
from lamina.core.array import Array, StaleGradient, UserArray
from lamina.core.interrupts import Change
from lamina.core.lowering import Contraction
from lamina.core.memory import share_memory
from lamina.core.precision import Precision
from lamina.core.primitive import Primitive, apply
from lamina.core.state import Mode, state
from lamina.core.tape import TapeNode, backward_now, is_on_tape, walked
from lamina.device.context import Context, set_current
from lamina.nd.ndarray import NDArray
from lamina.nd.shapes_only import PlaceholderArray


class New:
    """An operand new in the sequence: an array of this type from outside, or stale, if it is overwritten unread."""

    __slots__ = ("context", "dtype", "is_overwritten", "latest", "on_tape", "position", "req", "shape")

    def __init__(self, x: Array, position: int) -> None:
        self.shape, self.dtype, self.context, self.req, self.on_tape = type_of(x)
        self.position, self.is_overwritten = position, False
        self.latest = weakref.ref(x)

    def admits(self, x: Any, known: dict[int, int]) -> bool:
        """Whether `x` can be this operand; `known` has the ids of arrays that already have a position."""
        kind = x.__class__
        if (x is not self.latest() and not self._has_type_of(x, kind)) or not x._is_computed:
            return False
        leaf, node = x._leaf, x._node
        return (
            (leaf is None if self.req is None else leaf is not None and leaf.req == self.req)
            and (node is not None and node.inputs is not None) is self.on_tape
            and len(x._writes) == 1
            and id(x) not in known
            and (self.is_overwritten or kind is not NDArray or x._data.__class__ is not StaleGradient)
        )

    def _has_type_of(self, x: Any, kind: type) -> bool:
        if kind is NDArray:
            what = x._data
        elif issubclass(kind, PlaceholderArray):
            what = x._view
        else:
            return False
        dtype = what.dtype
        return (
            (dtype is self.dtype or dtype == self.dtype)
            and what.shape == self.shape
            and x._context is self.context
        )


def type_of(x: Array) -> tuple[Any, ...]:
    """The type of an array in a sequence: shape, dtype, device, gradient request, and whether it is on the tape."""
    leaf = x._leaf
    return x.shape, x._dtype, x._context, None if leaf is None else leaf.req, is_on_tape(x)


class Number:
    """A Python number among the operands; one that differs between executions is an input of the program."""

    __slots__ = ("kind", "text", "value", "varies")

    def __init__(self, value: Any) -> None:
        self.kind, self.value, self.text, self.varies = value.__class__, value, repr(value), False

    @property
    def may_vary(self) -> bool:
        """Whether a compiled program can have the number as an input."""
        return self.kind is int or self.kind is float

    def admits(self, x: Any, numbers: list[Any]) -> bool:
        """Whether `x` can be this operand. A varying number is also appended to `numbers`."""
        if x.__class__ is not self.kind:
            return False
        if not self.varies:
            if x == self.value and (x or repr(x) == self.text):
                return True
            if not self.may_vary:
                return False
            self.varies = True
        numbers.append(x)
        return True


Operand = int | New | Number
"""An operand in a sequence: the position of an earlier array, a new array, or a number."""


class Entry:
    """An event of a sequence, and the events that have followed it.

    Each kind has a method ``run(arrays, numbers)``, which executes the event on the arrays, which are listed by
    position, with the varying numbers, and ``changes(arrays, numbers)``, which computes it, and returns the changes
    that make its results visible.

    ``is_hot`` means that the event belongs to a compiled sequence: it is deferred if it is the expected next event.
    ``ends`` is the number of sequences that ended with this event. ``path`` is the `Path` from the beginning to here,
    or None until it is needed. ``first`` and ``taken`` are the numbers of positions used before and after this event.
    ``place`` is the device of the sequence, or None for the CPU.

    ``note``, ``note_write`` and ``note_backward`` are called when the event is expected and an operator, a write or a
    backward pass occurs. They record it if it is the event, else they return None; see `_noting`.
    """

    __slots__ = (
        "children", "depth", "ends", "first", "hot_child", "is_hot", "note", "note_backward", "note_write", "parent",
        "path", "place", "primitive", "taken",
    )  # fmt: skip

    operands: Sequence[Any] = ()
    """The arrays and numbers that the event takes, among which arrays may be new in the sequence."""
    reads: Sequence[int] = ()
    """The positions of the arrays that the event reads."""
    targets: Sequence[int] = ()
    """The positions of the arrays that the event writes."""

    def __init__(self, parent: Entry | None) -> None:
        self.primitive: Any = None
        self.parent = parent
        self.depth = 0 if parent is None else parent.depth + 1
        self.first = self.taken = 0 if parent is None else parent.taken
        self.children: dict[Any, Any] = {}
        self.hot_child: Any = None
        self.is_hot = False
        self.ends = 0
        self.place: Context | None = None if parent is None else parent.place
        self.path: Any = None
        self.note: Any = _note_nothing
        self.note_write: Any = _note_nothing
        self.note_backward: Any = _note_nothing

    @property
    def varying(self) -> list[Number]:
        """The varying numbers among the operands."""
        return [x for x in self.operands if isinstance(x, Number) and x.varies]

    def cool_down(self) -> None:
        """Stop deferring this event, and earlier events that lead to no other deferred event."""
        entry: Entry = self
        while entry.parent is not None and not any(child.is_hot for child in entry.children.values()):
            entry.is_hot = False
            if entry.parent.hot_child is entry:
                others = (child for child in entry.parent.children.values() if child.is_hot)
                entry.parent.hot_child = next(others, None)
            entry = entry.parent

    def from_start(self) -> list[Any]:
        """All events from the beginning of the sequence to this one."""
        found: list[Entry] = []
        entry: Entry = self
        while entry.parent is not None:
            found.append(entry)
            entry = entry.parent
        return found[::-1]


class Applied(Entry):
    """A primitive applied to `inputs`, with result `out` in position `output`, a view of `view_of` or None."""

    __slots__ = (
        "context", "dtype", "has_floats", "is_from_numbers", "operands", "output", "params", "params_text", "products",
        "recorded", "recording", "shape", "view_of",
    )  # fmt: skip

    def __init__(
        self,
        parent: Entry,
        primitive: Primitive,
        params: dict[str, Any],
        operands: tuple[Operand, ...],
        inputs: Sequence[Any],
        out: Array,
        output: int,
    ) -> None:
        super().__init__(parent)
        self.primitive, self.params, self.operands, self.output = primitive, params, operands, output
        self.recording, self.products = state.recording, products_of(primitive)
        self.is_from_numbers = all(isinstance(operand, Number) for operand in operands)
        self.has_floats = any(isinstance(value, float) for value in params.values())
        self.params_text = repr(params) if self.has_floats else ""
        self.shape, self.dtype, self.context = out.shape, out._dtype, out._context
        self.recorded = out._node is not None
        self.view_of: int | None = None
        for x, operand in zip(inputs, operands, strict=True):
            if isinstance(x, Array) and share_memory(out._data, x._data):
                self.view_of = position(operand)

    @property
    def reads(self) -> list[int]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return [position(x) for x in self.operands if not isinstance(x, Number)]

    def inputs(self, arrays: list[Any], numbers: Iterator[Any]) -> tuple[Any, ...]:
        """The primitive's inputs: arrays by position, and the varying numbers in order."""
        return tuple([_operand(operand, arrays, numbers) for operand in self.operands])

    def run(self, arrays: list[Any], numbers: Iterator[Any]) -> UserArray:
        """Apply the primitive to its operands, and return the result."""
        inputs = self.inputs(arrays, numbers)
        before, state.recording = state.recording, self.recording
        outside = set_current(self.context) if self.is_from_numbers else None
        try:
            out = apply(self.primitive, inputs, self.params)
        finally:
            state.recording = before
            if outside is not None:
                set_current(outside)
        if self.view_of is not None and state.trace is None:
            out._writes = arrays[self.view_of]._writes
        return out

    def changes(self, arrays: list[Any], numbers: Iterator[Any]) -> list[Change]:
        """Compute the result, and return the changes that move it, with its tape node, into the pending array."""
        out = self.run(arrays, numbers)
        return completing(arrays[self.output], out._data, out)


class Written(Entry):
    """A write of the contents of `value` to `target`."""

    __slots__ = ("context", "dtype", "operands", "reads", "shape", "target", "targets", "value")

    recorded = False

    def __init__(self, parent: Entry, target: Operand, value: Operand, array: Array) -> None:
        super().__init__(parent)
        self.primitive = Written
        self.target, self.value = self.operands = target, value
        self.reads, self.targets = (position(value),), (position(target),)
        self.shape, self.dtype, self.context = array.shape, array._dtype, array._context

    def run(self, arrays: list[Any], numbers: Iterator[Any]) -> None:
        target, value = arrays[position(self.target)], arrays[position(self.value)]
        target._write_now(value)

    def changes(self, arrays: list[Any], numbers: Iterator[Any]) -> list[Change]:
        """The changes that replace the target's contents."""
        return arrays[position(self.target)]._rewritten(arrays[position(self.value)])


class Gradient:
    """A leaf that a backward pass reaches, by position, and the operand that is its gradient."""

    __slots__ = ("context", "dtype", "leaf", "operand", "req", "shape")

    recorded = False

    def __init__(self, leaf: int, x: Array, operand: Operand) -> None:
        assert x._leaf is not None
        self.leaf, self.req, self.operand = leaf, x._leaf.req, operand
        grad = x._leaf.grad
        self.shape, self.dtype, self.context = grad.shape, grad._dtype, grad._context


class Backward(Entry):
    """A backward pass over the tape that this sequence recorded, with all its writes."""

    __slots__ = ("gradients", "grads", "heads", "reads", "retain_graph", "training")

    def __init__(
        self,
        parent: Entry,
        heads: tuple[int, ...],
        grads: tuple[int, ...],
        retain_graph: bool,
        training: bool,
    ) -> None:
        super().__init__(parent)
        self.primitive = Backward
        self.heads, self.grads, self.reads = heads, grads, heads + grads
        self.retain_graph, self.training = retain_graph, training
        self.gradients: list[Gradient] = []

    @property
    def operands(self) -> list[Operand]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return [gradient.operand for gradient in self.gradients]

    @property
    def targets(self) -> list[int]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return [position(operand) for operand in self.operands]

    def run(self, arrays: list[Any], numbers: Iterator[Any]) -> None:
        with Mode(False, self.training):
            heads, grads = [arrays[i] for i in self.heads], [arrays[i] for i in self.grads]
            backward_now(heads, grads, retain_graph=self.retain_graph)

    def changes(self, arrays: list[Any], numbers: Iterator[Any]) -> list[Change]:
        """The changes that write the gradients and release the visited tape nodes."""
        heads, grads = [arrays[i] for i in self.heads], [arrays[i] for i in self.grads]
        used_up: list[TapeNode] = []
        with Mode(False, self.training):
            found = walked(heads, grads, retain_graph=self.retain_graph, used_up=used_up)
            changes = [change for grad, value in found for change in grad._rewritten(value)]
        if not self.retain_graph:
            for node in used_up:
                changes += node.releasing()
        return changes


def _note_nothing(*_event: Any) -> Any:
    """The functions that record an expected event, for an event that is not the one they are for."""


def products_of(primitive: Primitive) -> tuple[Precision, bool] | None:
    """The current precision, and whether rows are independent, for a product; None for other primitives."""
    return state.products if isinstance(primitive.lowering, Contraction) else None


def position(operand: Any) -> int:
    """The position of an array operand."""
    return operand if operand.__class__ is int else operand.position


def varying(end: Entry | None) -> Iterator[Number]:
    """The varying numbers of all events up to an entry."""
    for entry in () if end is None else end.from_start():
        yield from entry.varying


def _operand(operand: Operand, arrays: list[Any], numbers: Iterator[Any]) -> Any:
    if isinstance(operand, int):
        return arrays[operand]
    if isinstance(operand, New):
        return arrays[operand.position]
    return next(numbers) if operand.varies else operand.value
