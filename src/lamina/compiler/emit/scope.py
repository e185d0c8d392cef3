"""The code shared by all kernels: memory, division among workers, loops, stores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from lamina.compiler.emit.pointers import Frame
from lamina.compiler.llvm import INDEX, Builder, Pointer, Value
from lamina.compiler.passes.fuse import Kernel, only_moves_ones
from lamina.compiler.passes.graph import Constant, Node, Scalar
from lamina.compiler.passes.plan import Plan
from lamina.core.lowering import Elementwise, Movement, Pull, Reshape


class Scope(ABC):
    """The state for emitting a kernel's code for one *worker*: one of the threads that execute the kernel concurrently.

    The target decides what a worker is, and how workers share the results (`each`).

    Attributes:
        memory: the buffers that the kernel reads.
        targets: the pointers to which each stored node is written.
        numbers: the values of the program's scalars in this step.
    """

    def __init__(
        self, b: Builder, plan: Plan, kernel: Kernel, frame: Frame, pointers: Sequence[Pointer]
    ) -> None:
        """`pointers` are the frame's, in order; those after the targets are not used here."""
        self.b, self.kernel = b, kernel
        leaves = {node: pointers[i] for i, node in enumerate(frame.leaves)}
        self.targets = {node: [pointers[i] for i in where] for node, where in frame.targets.items()}
        self.numbers = step_numbers(b, kernel, plan, leaves)
        self.memory = Memory({node: p for node, p in leaves.items() if not isinstance(node.op, Scalar)})

    def element(self, index: Sequence[Axis], lanes: int, known: Mapping[Node, Value] | None = None) -> None:
        """Compute and store all results at an index, and with several lanes also at the following indices."""
        self.compute(dict.fromkeys(self.kernel.stores, index), lanes, known)

    @abstractmethod
    def each(self, shape: Sequence[int], body: Callable[[list[Axis]], None]) -> None:
        """Emit ``body(index)`` for each index into an array of this shape; each index belongs to one worker."""

    @contextmanager
    def trial(self) -> Generator[None]:
        """Discard the code that is emitted inside, which shows how positions depend on each other."""
        written, self.b = self.b, type(self.b)(self.b.module, {})
        try:
            yield
        finally:
            self.b = written

    def evaluator(self, lanes: int, known: Mapping[Node, Value] | None = None) -> Evaluator:
        """A new evaluator for the code that is emitted next; its values are not valid elsewhere, as in other loops."""
        return Evaluator(self.b, self.memory, lanes, {**self.numbers, **(known or {})})

    def axis(self, position: Value, step: int = 0) -> Axis:
        """A position along an axis, with a stride of `step` elements between lanes."""
        return Axis(self.b, position, step)

    def store(self, node: Node, value: Value, index: Sequence[Axis], lanes: int) -> None:
        """Store a node's value at an index in all memory places of the node."""
        position = flat_position(self.b, index, node.shape, lanes)
        spread = self.b.splat(value, lanes)
        for pointer in self.targets[node]:
            if lanes == 1 or position.step == 1:
                self.b.store(pointer, spread, position.base)
            else:
                self.b.store_strided(pointer, spread, position.base, position.step)

    def compute(
        self, indices: Mapping[Node, Sequence[Axis]], lanes: int, known: Mapping[Node, Value] | None = None
    ) -> None:
        """Compute nodes at their indices, then store all of them: a store may overwrite an operand of another node."""
        values = self.evaluator(lanes, known)
        results = [(node, values.at(node, index), index) for node, index in indices.items()]
        for node, value, index in results:
            self.store(node, value, index, lanes)

    def nest(
        self,
        sizes: Sequence[int],
        body: Callable[[list[Axis]], None],
        *,
        first: tuple[Value, Value] | None = None,
    ) -> None:
        """Emit ``body(index)`` in nested loops over axes of these sizes, the first axis over the range `first`."""

        def descend(done: list[Axis], axis: int) -> None:
            if axis == len(sizes):
                body(done)
                return
            own = first if axis == 0 else None
            with self.b.loop(*(own or (self.b.const(0), self.b.const(sizes[axis])))) as i:
                descend([*done, self.axis(i)], axis + 1)

        if all(n > 0 for n in sizes):
            descend([], 0)


class ThreadScope(Scope):
    """The scope of a kernel that threads divide by rows or columns, with vectors; `scratch` is the thread's memory."""

    scratch: Pointer

    def __init__(
        self, b: Builder, plan: Plan, kernel: Kernel, frame: Frame, pointers: Sequence[Pointer]
    ) -> None:
        super().__init__(b, plan, kernel, frame, pointers)
        self.partition = plan.partitions[kernel]

    def each(self, shape: Sequence[int], body: Callable[[list[Axis]], None]) -> None:
        with self.on_one_worker_if_serial():
            self.nest(shape, body, first=self.share("rows", shape[0]) if shape else None)

    @abstractmethod
    def split(self, extent: int, step: int) -> tuple[Value, Value]:
        """The (start, stop) of the worker's share of range(extent), in multiples of `step`."""

    @abstractmethod
    def is_first(self) -> Value:
        """Whether this is the first worker."""

    def share(self, kind: str, extent: int) -> tuple[Value, Value]:
        """The worker's (start, stop) along an axis: a share if the kernel is split along it, else the whole axis."""
        if self.partition.kind == kind:
            assert extent == self.partition.extent
            return self.split(extent, self.partition.step)
        return self.b.const(0, INDEX), self.b.const(extent, INDEX)

    @contextmanager
    def undivided(self, kind: str, extent: int) -> Generator[tuple[Value, Value]]:
        """The worker's share of an axis. If the axis is too short to divide, the enclosed code is for one worker only.

        Then the bounds are constants, for which loops have no code for other lengths.
        """
        share = self.share(kind, extent)
        if self.partition.kind != kind or self.partition.step < extent:
            yield share
            return
        with self.b.if_(self.b.less(*share)):
            yield self.b.const(0, INDEX), self.b.const(extent, INDEX)

    def is_whole(self, kind: str, extent: int, lanes: int) -> bool:
        """Whether a worker's share of an axis (or of merged axes, the first divided) consists of whole vectors."""
        own = self.partition
        step = extent // max(own.extent, 1) * own.step if own.kind == kind else 0
        return extent % lanes == 0 and step % lanes == 0

    @contextmanager
    def on_one_worker_if_serial(self) -> Generator[None]:
        """Emit the enclosed code for the first worker only, if the kernel is not split."""
        if self.partition.kind != "serial":
            yield
            return
        with self.b.if_(self.is_first()):
            yield

    def vector_lanes(self, nodes: Sequence[Node], extent: int) -> int:
        """The lanes in a loop over `extent` elements: a register of the widest dtype, or two if there are enough."""
        widest = max((n.dtype for n in nodes), key=lambda d: d.itemsize)
        lanes = self.b.lanes(widest)
        return 2 * lanes if lanes > 1 and extent >= 8 * lanes else lanes


# --- The value of a node at an index, including inlined nodes ---------------------------------------------------------


class Memory:
    """The pointers to the nodes' buffers in the function being emitted."""

    def __init__(self, pointers: Mapping[Node, Pointer]) -> None:
        self._pointers = pointers

    def find(self, node: Node) -> Pointer | None:
        """The pointer to a node's buffer (for a reshape, its input's); None if the node is not in memory."""
        while node not in self._pointers and isinstance(node.lowering, Reshape):
            node = node.inputs[0]
        return self._pointers.get(node)

    def like(self, node: Node) -> list[Pointer]:
        """The pointers to the buffers of all nodes with the shape and dtype of `node`, except its inputs."""
        return [
            pointer
            for other, pointer in self._pointers.items()
            if (other.shape, other.dtype) == (node.shape, node.dtype) and other not in node.inputs
        ]


def own_index(index: Sequence[Axis], shape: Sequence[int]) -> list[Axis]:
    """The index into a broadcast operand of this shape: aligned from the right, 0 along axes of size 1."""
    aligned = list(index)[len(index) - len(shape) :]
    return [axis * 0 if n == 1 else axis for axis, n in zip(aligned, shape, strict=True)]


class Evaluator:
    """Emits straight-line code for nodes' values at indices, except the `known` ones, such as accumulators."""

    def __init__(self, b: Builder, memory: Memory, lanes: int, known: Mapping[Node, Value]) -> None:
        self.b, self.memory, self.lanes = b, memory, lanes
        self._known = known
        self._done: dict[Any, Value] = {}

    def at(self, node: Node, index: Sequence[Axis]) -> Value:
        """The node's value at an index; a scalar if all lanes have the same value."""
        known = self._known.get(node)
        if known is not None:
            return known
        key = (node, *(axis.key for axis in index))
        value = self._done.get(key)
        if value is None:
            value = self._done[key] = self._compute(node, index)
        return value

    def vector_at(self, node: Node, index: Sequence[Axis]) -> Value:
        """The node's value at an index, as a vector with an element per lane."""
        return self.b.splat(self.at(node, index), self.lanes)

    def _compute(self, node: Node, index: Sequence[Axis]) -> Value:
        pointer = self.memory.find(node)
        if pointer is not None:
            return self._load(pointer, node, index)
        if isinstance(node.op, Constant):
            return self.b.const(node.op.value, node.dtype)
        match node.lowering:
            case Elementwise():
                return self._elementwise(node, index)
            case Movement():
                (x,) = node.inputs
                return self.at(x, node.lowering.index(list(index), x.shape, **node.params))
            case Pull():
                return self.pulled(node.lowering.element, node, index)
            case Reshape() if only_moves_ones(node):
                return self.at(node.inputs[0], moved_ones(self.b, index, node.shape, node.inputs[0].shape))
            case _:
                raise AssertionError(f"{node} is neither in memory nor can it be computed in place")

    def pulled(self, function: Callable[..., Any], node: Node, index: Sequence[Axis]) -> Any:
        """The result of a lowering's function of an index, which reads the node's inputs at other indices."""
        readers = [Reader(self, x) for x in node.inputs]
        return function(PullContext(self), list(index), readers, **node.params)

    def _elementwise(self, node: Node, index: Sequence[Axis]) -> Value:
        assert isinstance(node.lowering, Elementwise)
        values = [self.at(x, own_index(index, x.shape)) for x in node.inputs]
        lanes = max(v.lanes for v in values)
        spread = [self.b.splat(v, lanes) for v in values]
        return node.lowering.emit(self.b, *spread, **node.params)

    def _load(self, pointer: Pointer, node: Node, index: Sequence[Axis]) -> Value:
        position = flat_position(self.b, index, node.shape, self.lanes)
        if position.vector is not None:
            return self.b.gather(pointer, node.dtype, position.vector)
        lanes = self.lanes if position.step else 1
        return self.b.load_strided(pointer, node.dtype, position.base, position.step, lanes)


class Reader:
    """An input of a `Pull` primitive: a function from an index to the input's value at that index."""

    def __init__(self, evaluator: Evaluator, node: Node) -> None:
        self._evaluator, self._node = evaluator, node
        self.shape, self.dtype = node.shape, node.dtype

    def __call__(self, index: Sequence[Axis]) -> Value:
        return self._evaluator.at(self._node, own_index(index, self._node.shape))


class PullContext:
    """The interface for `Pull` and `Scatter` lowerings: the builder's operations, and methods for positions."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._b, self._lanes = evaluator.b, evaluator.lanes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._b, name)

    def where(self, mask: Value, x: Value, y: Value) -> Value:
        """Select between `x` and `y` by `mask`, after broadcasting all three values to the same number of lanes."""
        lanes = max(mask.lanes, x.lanes, y.lanes)
        return self._b.where(*(self._b.splat(v, lanes) for v in (mask, x, y)))

    def axis(self, position: int) -> Axis:
        """A constant position along an axis."""
        return Axis.at(self._b, position)

    def slice_position(
        self, axis: Axis, size: int, start: int, length: int, step: int
    ) -> tuple[Axis, Value | None]:
        """The index in a slice for a position along the sliced axis, and whether the slice includes the position.

        The slice is ``range(start, …, step)`` with `length` items. The second value is None if the slice includes all
        positions. For a position that is not in the slice, the returned index is valid, but arbitrary.
        """
        if start == 0 and step == 1 and length == size:
            return axis, None
        b, position = self._b, self._positions(axis)
        distance = b.sub(position, start) if step > 0 else b.sub(start, position)
        offset = b.divide_trunc(distance, abs(step)) if abs(step) != 1 else distance
        inside = b.logical_and(b.greater_equal(distance, 0), b.less(offset, length))
        if abs(step) != 1:
            inside = b.logical_and(inside, b.equal(b.mul(offset, abs(step)), distance))
        safe = b.maximum(b.minimum(offset, max(length - 1, 0)), 0)
        return self._as_axis(safe), inside

    def table_position(self, value: Value, size: int, mode: str) -> Axis:
        """An index from data, mapped into [0, size): wrapped with mode "wrap", else clipped."""
        b = self._b
        position = b.cast(value, INDEX)
        if mode == "wrap":
            return self._as_axis(b.mod(position, size))
        return self._as_axis(b.maximum(b.minimum(position, size - 1), 0))

    def affine(self, axis: Axis, step: float, start: float) -> Value:
        """Compute start + step · position, as an integer if `start` and `step` are integers."""
        b, position = self._b, self._positions(axis)
        if isinstance(step, int | np.integer) and isinstance(start, int | np.integer):
            return b.add(b.mul(position, int(step)), int(start))
        real = b.cast(position, np.dtype(np.float64))
        return b.add(b.mul(real, float(step)), float(start))

    def _positions(self, axis: Axis) -> Value:
        return axis.lanes(self._lanes if axis.step or axis.vector is not None else 1)

    def _as_axis(self, position: Value) -> Axis:
        if position.lanes == 1:
            return Axis(self._b, position)
        return Axis(self._b, self._b.const(0, INDEX), 0, position)


def step_numbers(b: Builder, kernel: Kernel, plan: Plan, leaves: Mapping[Node, Pointer]) -> dict[Node, Value]:
    """The values of the step's scalar inputs, and of all arithmetic on scalars alone, computed once per kernel."""
    numbers: dict[Node, Value] = {}
    members = set(kernel.members)
    seen: set[Node] = set()

    def visit(node: Node) -> None:
        if node in seen or (node in plan.places and node not in members):
            return
        seen.add(node)
        for x in node.inputs:
            visit(x)
        known = all(x in numbers or isinstance(x.op, Constant) for x in node.inputs)
        if isinstance(node.op, Scalar):
            numbers[node] = b.load(leaves[node], node.dtype)
        elif node.shape == () and node.inputs and node not in members and known:
            numbers[node] = Evaluator(b, Memory({}), 1, numbers).at(node, [])

    for member in kernel.members:
        visit(member)
    return numbers


# --- Positions along axes, in generated code: affine in the loop variables, with a stride from lane to lane ----------


class Axis:
    """The lanes' positions along one axis: ``base + l·step``, or ``vector[l]`` if they come from data (a gather)."""

    __slots__ = ("base", "builder", "step", "vector")

    def __init__(self, builder: Builder, base: Value, step: int = 0, vector: Value | None = None) -> None:
        self.builder, self.base, self.step, self.vector = builder, base, step, vector

    @classmethod
    def at(cls, builder: Builder, position: int) -> Axis:
        """A constant position, equal for all lanes."""
        return cls(builder, builder.const(position, INDEX))

    @property
    def key(self) -> tuple[str, int, str | None]:
        """A key that is equal for equal positions."""
        return (self.base.key, self.step, None if self.vector is None else self.vector.key)

    @property
    def is_constant_zero(self) -> bool:
        """Whether the position is the constant 0 in every lane."""
        return self.vector is None and self.step == 0 and self.base.constant == 0

    def __mul__(self, factor: int) -> Axis:
        if factor == 0:
            return Axis.at(self.builder, 0)
        if factor == 1:
            return self
        vector = None if self.vector is None else self.builder.mul(self.vector, factor)
        return Axis(self.builder, self.builder.mul(self.base, factor), self.step * factor, vector)

    def __add__(self, offset: int) -> Axis:
        if offset == 0:
            return self
        vector = None if self.vector is None else self.builder.add(self.vector, offset)
        return Axis(self.builder, self.builder.add(self.base, offset), self.step, vector)

    def lanes(self, count: int) -> Value:
        """The positions as a vector (a scalar for one lane)."""
        if self.vector is not None:
            return self.vector
        if count == 1 or self.step == 0:
            return self.builder.splat(self.base, count)
        steps = self.builder.const_vector([lane * self.step for lane in range(count)], INDEX)
        return self.builder.add(self.base, steps)


def flat_position(b: Builder, index: Sequence[Axis], shape: Sequence[int], lanes: int) -> Axis:
    """The offset in elements of an index in a C-contiguous buffer of `shape`."""
    position = Axis.at(b, 0)
    stride = 1
    for axis, size in zip(reversed(index), reversed(shape), strict=True):
        if not axis.is_constant_zero:
            position = _sum(b, position, axis * stride, lanes)
        stride *= size
    return position


def moved_ones(b: Builder, index: Sequence[Axis], shape: Sequence[int], target: Sequence[int]) -> list[Axis]:
    """Translate an index to the shape `target`, which differs from `shape` only by axes of size 1."""
    real = iter([axis for axis, n in zip(index, shape, strict=True) if n != 1])
    return [Axis.at(b, 0) if n == 1 else next(real) for n in target]


def _sum(b: Builder, x: Axis, y: Axis, lanes: int) -> Axis:
    if x.is_constant_zero:
        return y
    if x.vector is None and y.vector is None:
        return Axis(b, b.add(x.base, y.base), x.step + y.step)
    return Axis(b, b.const(0, INDEX), 0, b.add(x.lanes(lanes), y.lanes(lanes)))


# --- Several axes merged into one, for kernels in which only the position in memory matters --------------------------


def flat_axes(b: Builder, position: Axis, shape: Sequence[int]) -> list[Axis]:
    """The index of a flat position: itself, with stride 1, along the last axis longer than 1, and 0 along others."""
    last = max((a for a, n in enumerate(shape) if n != 1), default=0)
    before, after = ([Axis.at(b, 0)] * n for n in (last, len(shape) - last - 1))
    return [*before, position, *after]


def is_made_of_flat(
    nodes: Sequence[Node], shape: tuple[int, ...], memory: Memory, known: Iterable[Node] = ()
) -> bool:
    """Whether elements of `nodes` depend only on scalars and on stored or `known` elements at their flat position."""
    seen = set(known)
    stack = list(nodes)
    while stack:
        node = stack.pop()
        if node in seen or node.shape == () or isinstance(node.op, Constant):
            continue
        seen.add(node)
        if memory.find(node) is not None:  # read from memory, however it was computed
            if node.shape != shape:
                return False
        elif not node.is_op("full"):  # the same number at every position
            if node.shape != shape or not isinstance(node.lowering, Elementwise):
                return False
            stack.extend(node.inputs)
    return True
