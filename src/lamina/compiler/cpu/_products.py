"""Emission of product kernels: a matrix product, fused with all elementwise work on its results."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache, cached_property

from lamina.compiler.cpu._builder import ThreadModule
from lamina.compiler.cpu._lane_sums import lane_cycles
from lamina.compiler.cpu._matrix_product import MatrixProduct
from lamina.compiler.cpu._microkernel import FlatEpilogue, Read
from lamina.compiler.cpu._tiles import Range
from lamina.compiler.cpu._transpose import emit_transpose
from lamina.compiler.cpu.machine import Machine, target_machine
from lamina.compiler.emit.scope import Axis, PullContext, ThreadScope, flat_axes, is_made_of_flat
from lamina.compiler.llvm import Builder, DType, Pointer, Value
from lamina.compiler.passes.fuse import Kernel, is_expensive
from lamina.compiler.passes.graph import Input, Node
from lamina.compiler.passes.simplify import is_short
from lamina.core.memory import LINE_BYTES

_LONG = 4  # more operations than this are written once in a loop, not once for each vector of the tile
_LONG_OF_COLUMNS = 1  # the same of a transposed tile, which has more columns than another has vectors …
_LONG_SUMS = 64  # … after sums of this many terms, beside which a loop takes little time
_EXPENSIVE = 8
_MOST_INTERLEAVED = 4  # columns, whose vectors are interleaved in twelve shuffles
_FEWEST_COLUMNS = 64
"""The fewest columns for which zero columns are searched for; the search costs about two columns of the product."""


def matrix_product_of(kernel: Kernel) -> MatrixProduct:
    """The `MatrixProduct` of a product kernel."""
    shape = product_shape(kernel.main)
    skips_zeros = kernel.reads_data and not is_turned(kernel.main) and len(kernel.domain) == 2
    pays = shape.columns >= _FEWEST_COLUMNS and shape.inner > 0 and not shape.rounds
    return replace(shape, skips_zeros=skips_zeros and pays)


def computes_operand(product: Node, operand: Node) -> bool:
    """Whether a product computes an operand as it loads it: 8-bit integers for few rows, or on a matrix unit."""
    if len(product.shape) != 2 or product.inputs[0] is product.inputs[1]:
        return False
    if operand is product.inputs[1]:
        return _converts_right(product)
    if is_turned(product) or not operand.is_op("cast") or not is_short(operand):
        return False
    (source,) = operand.inputs
    parts = source.inputs if source.is_op("take") else (source,)
    return all(isinstance(x.op, Input) for x in parts) and product_shape(product).only_packs_left


def _converts_right(product: Node) -> bool:
    """Whether a product of few rows converts its right operand, 8-bit integers in memory, as it loads it."""
    right = product.inputs[1]
    if is_turned(product) or product.params["transpose_b"] or not right.is_op("cast") or not is_short(right):
        return False
    return isinstance(right.inputs[0].op, Input) and product_shape(product).can_convert_right


def _epilogue_length(scope: ThreadScope) -> int:
    """The approximate operations of the epilogue: the elementwise members, and expensive nodes inlined in them."""
    kernel, length = scope.kernel, 0
    seen = set(kernel.main.inputs)
    stack = list(kernel.members)
    while stack:
        node = stack.pop()
        if node in seen or node in scope.numbers or scope.memory.find(node) is not None:
            continue
        seen.add(node)
        if is_expensive(node):
            length += _EXPENSIVE
        elif node in kernel.members:
            length += 1
        stack.extend(node.inputs)
    return length


def _is_finite(module: ThreadModule, node: Node) -> bool:
    first = module.finite_from
    return first is not None and isinstance(node.op, Input) and node.op.slot >= first


def runs_on_matrix_unit(kernel: Kernel) -> bool:
    """Whether a kernel is a product on the CPU's matrix unit."""
    return kernel.kind == "product" and matrix_product_of(kernel).is_on_unit


def emit_product(scope: ThreadScope) -> None:
    """Emit a matrix product, or a product for each matrix of a batch."""
    anchor, module = scope.kernel.main, scope.b.module
    assert isinstance(module, ThreadModule)
    product = matrix_product_of(scope.kernel)
    stores_elements = is_turned(anchor) and anchor.shape[-1] > 1 and not product.by_columns
    most = _LONG_OF_COLUMNS if product.by_columns and product.inner >= _LONG_SUMS else _LONG
    shape = replace(
        product,
        long_epilogue=stores_elements or _epilogue_length(scope) > most,
        right_is_finite=_is_finite(module, anchor.inputs[1]),
    )
    right = scope.memory.find(anchor.inputs[1])
    if right is None:
        (source,) = anchor.inputs[1].inputs
        shape = replace(shape, right_dtype=source.dtype, right_is_finite=True, skips_zeros=False)
        right = scope.memory.find(source)
    left = scope.memory.find(anchor.inputs[0]) or _reader(scope, anchor.inputs[0])
    assert isinstance(right, Pointer)
    turned = is_turned(anchor)
    if turned:
        assert isinstance(left, Pointer)
        left, right = right, left
    with scope.on_one_worker_if_serial():
        if len(anchor.shape) == 2:
            shares = [scope.share(kind, n) for kind, n in zip(("rows", "columns"), anchor.shape, strict=True)]
            _emit_matrix(scope, shape, left, right, [], *(reversed(shares) if turned else shares))
            return
        b = scope.b
        assert isinstance(left, Pointer)
        with b.loop(*scope.share("rows", anchor.shape[0])) as i:
            one = b.offset(left, i * (shape.rows * shape.inner), anchor.dtype)
            other = b.offset(right, i * (shape.inner * shape.columns), anchor.dtype)
            _emit_matrix(scope, shape, one, other, [scope.axis(i)])


def _reader(scope: ThreadScope, operand: Node) -> Read:
    """A function that emits the computation of elements of an operand that is not in memory."""

    def read(_b: Builder, row: Value, column: Value, lanes: int) -> Value:
        return scope.evaluator(lanes).vector_at(operand, [scope.axis(row), scope.axis(column, 1)])

    return read


def _emit_matrix(
    scope: ThreadScope,
    shape: MatrixProduct,
    left: Pointer | Read,
    right: Pointer,
    batch: list[Axis],
    rows: Range | None = None,
    columns: Range | None = None,
) -> None:
    anchor = scope.kernel.main
    turned, steps = is_turned(anchor), (1, 0) if shape.by_columns else (0, 1)

    def epilogue(_b: Builder, row: Value, column: Value, value: Value) -> None:
        place = [scope.axis(row, steps[0]), scope.axis(column, steps[1])]
        scope.element([*batch, *(reversed(place) if turned else place)], value.lanes, {anchor: value})

    shape.emit(
        scope.b,
        left,
        right,
        epilogue,
        rows=rows,
        columns=columns,
        scratch=scope.scratch if shape.scratch_bytes else None,
        reads=[] if turned or batch else scope.memory.like(anchor),
        flat=_flat_epilogue(scope, batch) if turned else None,
    )


def _flat_epilogue(scope: ThreadScope, batch: list[Axis]) -> FlatEpilogue | None:
    """An epilogue for elements by their position in the result's memory, or None.

    It pays for a few columns and a long epilogue.
    """
    anchor, stores = scope.kernel.main, scope.kernel.stores
    pays = anchor.shape[-1] <= _MOST_INTERLEAVED and _epilogue_length(scope) > _LONG
    if not pays or not is_made_of_flat(stores, anchor.shape, scope.memory, [anchor]):
        return None

    def epilogue(b: Builder, position: Value, value: Value) -> None:
        for axis in batch:
            position = axis.base * math.prod(anchor.shape[-2:]) + position
        scope.element(flat_axes(b, scope.axis(position, 1), anchor.shape), value.lanes, {anchor: value})

    return epilogue


def emit_transposition(scope: ThreadScope) -> bool:
    """Emit a kernel that only transposes (part of) a matrix in memory, by blocks; returns False for other kernels."""
    if scope.kernel.kind != "map" or len(scope.kernel.members) != 1:
        return False
    (node,) = scope.kernel.members
    if not node.is_op("transpose") or node.params["axes"] != (1, 0):
        return False
    part = node.inputs[0]
    rows, columns = part.shape
    source = scope.memory.find(part)
    b, stride = scope.b, columns
    if source is None and part.is_op("slice") and part.params["step"] == (1, 1):
        whole = part.inputs[0]
        source, stride = scope.memory.find(whole), whole.shape[-1]
        row, column = part.params["begin"]
        source = source and b.offset(source, row * stride + column, node.dtype)
    if source is None:
        return False
    with (
        scope.on_one_worker_if_serial(),
        scope.undivided("rows", columns) as own_rows,
        scope.undivided("columns", rows) as own_columns,
    ):
        for target in scope.targets[node]:
            emit_transpose(b, node.dtype, (source, stride), (target, rows), own_columns, own_rows)
    return True


# --- Rows gathered from a table, with the next rows prefetched while one is copied -----------------------------------
#
# The table exceeds the caches, and its rows are read in random order. The hardware prefetcher would detect the
# sequential reads in a row only halfway through it.


_LINES_AHEAD = 64  # about the cache lines that arrive during the latency of one


def emit_taken_rows(scope: ThreadScope) -> bool:
    """Emit a map kernel that only gathers rows of a matrix in memory; returns False for any other kernel."""
    if scope.kernel.kind != "map" or len(scope.kernel.members) != 1 or scope.partition.kind != "rows":
        return False
    (node,) = scope.kernel.members
    if not node.is_op("take") or node.params["axis"] != 0:
        return False
    table, indices = node.inputs
    if (len(table.shape), len(indices.shape)) != (2, 1):
        return False
    source, numbers = scope.memory.find(table), scope.memory.find(indices)
    if source is None or numbers is None:
        return False
    b, (rows, columns) = scope.b, node.shape
    line = LINE_BYTES // node.dtype.itemsize
    ahead = -(-_LINES_AHEAD * line // max(columns, 1))

    def row_at(place: Value) -> Pointer:
        number = b.load(numbers, indices.dtype, place)
        position = PullContext(scope.evaluator(1)).table_position(number, table.shape[0], node.params["mode"])
        return b.offset(source, position.lanes(1) * columns, node.dtype)

    with b.loop(*scope.share("rows", rows)) as i:
        row, later = row_at(i), row_at(b.minimum(i + ahead, b.const(rows - 1)))

        def copy(column: Value, lanes: int, i: Value = i, row: Pointer = row, later: Pointer = later) -> None:
            b.prefetch(b.offset(later, column, node.dtype))
            value = b.load(row, node.dtype, column, lanes)
            for target in scope.targets[node]:
                b.store(target, value, i * columns + column)

        b.vector_loop(b.const(0), b.const(columns), line, copy)
    return True


# --- The orientation of a product: A · B as written, or the transpose of Bᵀ · Aᵀ --------------------------------------
#
# With fewer columns than a vector has lanes, the other lanes are wasted. The transposed product has full vectors along
# the rows of the result. If both operands are contiguous along the inner dimension, vectors along this dimension are
# possible, too (see `LaneSums`). A simple model of a core estimates which is faster, with the cost of copies and of
# strided access to the result.


_APART_CYCLES = 1.5
"""Cycles to store a result element whose vector is not contiguous in memory."""
_COPY_CYCLES = 2.0
"""Cycles to copy an element transposed, in a separate kernel."""


def product_shape(product: Node) -> MatrixProduct:
    """The product for which code is generated; its operands are swapped if it is computed as a transpose."""
    left, right = product.inputs
    shape = _Shape.of(product)
    if product.params["transpose_a"] and product.params["transpose_b"]:  # see `lay_out_products`
        turned = replace(shape.turned(), left_strides=(shape.inner, 1), by_columns=True)
        return replace(turned, left_is_short=is_short(right))
    if is_turned(product):
        return shape.turned(right_is_transposed=product.params["transpose_b"], sums_lanes=shape.sums_lanes)
    return replace(shape.plain, left_is_short=is_short(left))


def is_turned(product: Node) -> bool:
    """Whether a product A · B is computed as the transpose of Bᵀ · Aᵀ, with vectors along the rows of the result."""
    if product.params["transpose_b"]:
        return True
    return not is_short(product.inputs[0]) and _Shape.of(product).is_faster_turned


def wants_transposed_right(product: Node) -> bool:
    """Whether a product of an A contiguous along the inner dimension is faster if B is contiguous along it, too."""
    if product.params["transpose_a"] or is_short(product.inputs[0]):
        return False
    return _Shape.of(product).wants_transposed_right(has_it=product.params["transpose_b"])


@dataclass(frozen=True)
class _Shape:
    """The inputs of the orientation decision. `left_along` is true if A is contiguous along the inner dimension."""

    machine: Machine
    dtype: DType
    rows: int
    inner: int
    columns: int
    left_along: bool
    is_batched: bool

    @classmethod
    def of(cls, product: Node) -> _Shape:
        along = not product.params["transpose_a"]
        rows, columns = product.shape[-2:]
        inner = product.inputs[0].shape[-1 if along else -2]
        return _known(target_machine(), product.dtype, rows, inner, columns, along, len(product.shape) > 2)

    @cached_property
    def plain(self) -> MatrixProduct:
        """The product as written, with vectors along the columns."""
        strides = (self.inner, 1) if self.left_along else (1, self.rows)
        return MatrixProduct(
            self.rows, self.inner, self.columns, self.dtype, strides, self.columns, self.machine
        )

    def turned(self, right_is_transposed: bool = False, sums_lanes: bool = False) -> MatrixProduct:
        """The transposed product, (columns, inner) · (inner, rows).

        `right_is_transposed` is true if the original right operand is contiguous along the inner dimension.
        """
        along = right_is_transposed or self.columns == 1  # a single column has the memory layout of a row
        return MatrixProduct(
            self.columns,
            self.inner,
            self.rows,
            self.dtype,
            (self.inner, 1) if along else (1, self.columns),
            self.inner if self.left_along else self.rows,
            self.machine,
            right_is_transposed=self.left_along,
            sums_lanes=sums_lanes,
        )

    @cached_property
    def is_faster_turned(self) -> bool:
        """Whether the transposed product is faster with the operands' present layout."""
        return self._is_narrow and (self.sums_lanes or self._turned_cycles < self.plain.cycles)

    def wants_transposed_right(self, *, has_it: bool) -> bool:
        """Whether the right operand should be contiguous along the inner dimension, as it already is if `has_it`."""
        if self.sums_lanes:
            return True
        return has_it and self._is_narrow and self._turned_cycles < self.plain.cycles + self._copy_cycles

    @cached_property
    def sums_lanes(self) -> bool:
        """Whether vectors along the inner dimension are fastest, even if the right operand must be copied.

        The cost of the copy always counts, since otherwise results would depend on the operand's layout.

        Which vectors are fastest depends on the number of rows, and vectors along the inner dimension add in another
        order. So the bits of a row could change with the number of rows computed together. This is accepted only in
        batches of matrices, and never with `independent_rows`.
        """
        may_be = self.machine.may_reorder_sums and self.is_batched
        if not (may_be and self._is_narrow and self.left_along):
            return False
        along = lane_cycles(self.machine, self.dtype, self.columns, self.inner, self.rows)
        return along + self._apart_cycles + self._copy_cycles < min(self.plain.cycles, self._turned_cycles)

    @property
    def _is_narrow(self) -> bool:
        """Whether there are fewer columns than vector lanes, and the product needs no blocks."""
        fits = 0 < self.columns < min(self.machine.lanes(self.dtype), self.rows) and self.inner > 0
        return fits and self.plain.is_whole

    @property
    def _turned_cycles(self) -> float:
        """The cycles of the transposed product; infinite if it transposes panels larger than the first-level cache."""
        turned = self.turned()
        if turned.panel_bytes > self.machine.l1_bytes // 2 and turned.right_is_transposed:
            return math.inf
        return turned.cycles + self._apart_cycles

    @property
    def _apart_cycles(self) -> float:
        return self.rows * self.columns * _APART_CYCLES if self.columns > 1 else 0.0

    @property
    def _copy_cycles(self) -> float:
        return self.columns * self.inner * _COPY_CYCLES if self.columns > 1 else 0.0


_known = cache(_Shape)
