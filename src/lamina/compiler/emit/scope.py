"""The code shared by all kernels: memory, division among workers, loops, stores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager

from lamina.compiler.emit.expressions import Axis, Evaluator, Memory, flat_position, step_numbers
from lamina.compiler.emit.pointers import Frame
from lamina.compiler.llvm import INDEX, Builder, Pointer, Value
from lamina.compiler.passes.fuse import Kernel
from lamina.compiler.passes.graph import Node, Scalar
from lamina.compiler.passes.plan import Plan


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
        """A new evaluator for the code that is emitted next.

        Its values are not valid elsewhere, for example in other loops.
        """
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
        """Compute nodes at their indices, and store the values.

        All values are computed before the first is stored, since a store may overwrite an operand of another node.
        """
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
        """Emit nested loops over axes of these sizes, with the first axis over the range `first`.

        `body` is called with the index.
        """

        def descend(done: list[Axis], axis: int) -> None:
            if axis == len(sizes):
                body(done)
                return
            start, stop = (
                first if axis == 0 and first is not None else (self.b.const(0), self.b.const(sizes[axis]))
            )
            with self.b.loop(start, stop) as i:
                descend([*done, self.axis(i)], axis + 1)

        if all(n > 0 for n in sizes):
            descend([], 0)


class ThreadScope(Scope):
    """The scope of a kernel that threads divide by rows or columns, each with vectors (see `Partition`).

    `scratch` is the thread's private memory.
    """

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

    def is_whole(self, kind: str, extent: int, lanes: int) -> bool:
        """Whether the worker's share of a row or column axis consists of whole vectors.

        The axis may be several merged axes, whose first is divided among the workers.
        """
        if self.partition.kind != kind:
            return extent % lanes == 0
        return (
            extent % lanes == 0 and extent // max(self.partition.extent, 1) * self.partition.step % lanes == 0
        )

    @contextmanager
    def on_one_worker_if_serial(self) -> Generator[None]:
        """Emit the enclosed code for the first worker only, if the kernel is not split."""
        if self.partition.kind != "serial":
            yield
            return
        with self.b.if_(self.is_first()):
            yield

    def vector_lanes(self, nodes: Sequence[Node], extent: int) -> int:
        """The number of lanes of vectors in a loop over `extent` elements.

        The lanes fill one register with elements of the widest dtype, or two registers if there are enough elements.
        """
        widest = max((n.dtype for n in nodes), key=lambda d: d.itemsize)
        lanes = self.b.lanes(widest)
        return 2 * lanes if lanes > 1 and extent >= 8 * lanes else lanes
