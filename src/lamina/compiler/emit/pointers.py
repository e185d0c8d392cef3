"""The pointers of a compiled step: a table that Python fills, and each kernel's frame of pointers from the table.

A kernel uses only the pointers of its frame. So kernels that do the same with different memory share one function: a
deep network of equal layers takes no more time to compile than one layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lamina.compiler.passes.fuse import Kernel, is_alias
from lamina.compiler.passes.graph import Constant, Input, Node, Scalar
from lamina.compiler.passes.plan import Place, Plan, is_rows, leaves_of


@dataclass(frozen=True)
class Slot:
    """A pointer of a frame: an entry of the table plus an offset in bytes."""

    entry: int
    offset: int = 0


@dataclass(frozen=True)
class Layout:
    """The layout of the pointer table of a compiled step.

    The entries are, in order: control, the scalar inputs of all steps (8 bytes each), inputs, results, inputs kept
    transposed, arena, scratch. `strides` has, by entry, how many bytes each step advances the pointer. `held` has, by
    input slot, the offsets of the transposed inputs in their common memory.

    Control is three int64: the number of steps; whether to copy the transposed inputs from their buffers before these
    steps; and whether to copy them back afterwards.
    """

    inputs: int
    results: int
    strides: tuple[int, ...]
    held: Mapping[int, int] = field(default_factory=dict[int, int])

    STEPS, ENTERS, LEAVES = 0, 1, 2  # in control

    CONTROL = 0
    NUMBERS = 1
    FIRST_INPUT = 2

    @property
    def first_result(self) -> int:
        return self.FIRST_INPUT + self.inputs

    @property
    def holding(self) -> int:
        return self.first_result + self.results

    @property
    def arena(self) -> int:
        return self.holding + 1

    @property
    def scratch(self) -> int:
        return self.arena + 1

    @property
    def entries(self) -> int:
        return self.scratch + 1

    @classmethod
    def of(cls, plan: Plan, rows: Mapping[int, int]) -> Layout:
        """The layout for a plan. `rows` has, by input slot, how many bytes each step advances the input's pointer."""
        graph = plan.graph
        inputs, results = len(graph.inputs), len(graph.results)
        strides = [0, 8 * len(graph.scalars)]
        strides += [rows.get(slot, 0) for slot in range(inputs)]
        strides += [node.nbytes for node in graph.results]
        return cls(inputs, results, (*strides, 0, 0, 0), plan.held)

    def is_input(self, entry: int) -> bool:
        """Whether an entry of the table belongs to an input."""
        return self.FIRST_INPUT <= entry < self.first_result

    def slot(self, place: Place) -> Slot:
        """The table entry and offset of a place in memory."""
        if place.kind == "arena":
            return Slot(self.arena, place.number)
        if place.kind == "input" and place.number in self.held:
            return Slot(self.holding, self.held[place.number])
        base = self.FIRST_INPUT if place.kind == "input" else self.first_result
        return Slot(base + place.number)


@dataclass(frozen=True)
class Frame:
    """A kernel's pointers to its `leaves` (the buffers and numbers that it reads), its results, and scratch memory."""

    leaves: tuple[Node, ...]
    slots: tuple[Slot, ...]
    targets: dict[Node, range]

    @property
    def scratch(self) -> int:
        return len(self.slots) - 1

    @classmethod
    def of(cls, plan: Plan, kernel: Kernel, layout: Layout) -> Frame:
        leaves = tuple(_memory_leaves(kernel, plan))
        slots = [_slot_of(n, plan, layout) for n in leaves]
        targets: dict[Node, range] = {}
        for node in kernel.stores:
            places = plan.places[node]
            targets[node] = range(len(slots), len(slots) + len(places))
            slots += [layout.slot(place) for place in places]
        return cls(leaves, (*slots, Slot(layout.scratch)), targets)


def _slot_of(node: Node, plan: Plan, layout: Layout) -> Slot:
    if isinstance(node.op, Scalar):
        return Slot(Layout.NUMBERS, 8 * node.op.slot)
    if isinstance(node.op, Input):
        return layout.slot(Place("input", node.op.slot))
    if node in plan.places:
        return layout.slot(plan.places[node][0])
    whole = _slot_of(node.inputs[0], plan, layout)
    return Slot(whole.entry, whole.offset + _first_byte(node))


def _first_byte(node: Node) -> int:
    """The offset in bytes at which a reshape, or a range of rows, begins in its input."""
    if not is_rows(node):
        return 0
    (whole,) = node.inputs
    return node.params["begin"][0] * (whole.nbytes // whole.shape[0])


def _memory_leaves(kernel: Kernel, plan: Plan) -> list[Node]:
    """The buffers, ranges of a buffer's rows, and numbers that a kernel reads, in a fixed order.

    For a range of rows, the kernel gets a pointer to the first row. So kernels that read different rows of a buffer
    share their code. For example, each network of an ensemble may read other rows of a batch.
    """

    members = set(kernel.members)

    def is_stored(node: Node) -> bool:
        return isinstance(node.op, Input) or (node in plan.places and node not in members)

    def is_part(node: Node) -> bool:
        if node in members or not (is_rows(node) or is_alias(node)):
            return False
        return is_stored(node.inputs[0]) or is_part(node.inputs[0])

    def is_leaf(node: Node) -> bool:
        return isinstance(node.op, Scalar) or is_stored(node) or (is_rows(node) and is_part(node))

    return leaves_of(kernel, is_leaf)


def kernel_names(plan: Plan, texts: Sequence[str]) -> list[str]:
    """The function name for each kernel; kernels with equal text (see `kernel_text`) share a function."""
    names: dict[str, str] = {}
    for number, (kernel, text) in enumerate(zip(plan.kernels, texts, strict=True)):
        anchor = kernel.anchor or kernel.stores[-1]
        names.setdefault(text, f"kernel{number}_{kernel.kind}_{anchor.op.name}")
    return [names[text] for text in texts]


def kernel_text(kernel: Kernel, plan: Plan) -> str:
    """A text with everything on which a kernel's code depends; nodes are numbered in order of appearance."""
    leaves = {node: f"leaf{i}" for i, node in enumerate(_memory_leaves(kernel, plan))}
    names: dict[Node, str] = {}
    lines: list[str] = []

    def visit(node: Node) -> str:
        if node not in names:
            names[node] = leaves.get(node) or f"%{len(names)}"
            inputs = [] if node in leaves else [visit(x) for x in node.inputs]
            operator = _operator(node, node in leaves)
            lines.append(f"{names[node]} {node.dtype.str}{node.shape} {operator} {inputs}")
        return names[node]

    members = [visit(member) for member in kernel.members]
    stores = [(names[node], len(plan.places[node])) for node in kernel.stores]
    kind = kernel.kind, kernel.domain, kernel.reduced, kernel.reads_data, plan.partitions[kernel]
    return "\n".join([repr((kind, members, stores)), *lines])


def _operator(node: Node, is_leaf: bool) -> str:
    if isinstance(node.op, Constant):
        return repr(node.op.value)
    if isinstance(node.op, Scalar):
        return "number"
    return "memory" if is_leaf else f"{node.op.name} {sorted(node.params.items())}"
