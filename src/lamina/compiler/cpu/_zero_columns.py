"""Detection of all-zero columns of a matrix, which a product can skip.

A third of MNIST's pixels are 0 in every image of a mini-batch of 64, and so are most columns of one-hot tables. Leaving
a product 0 · x out of a sum doesn't change a bit of the sum if x is finite: a sum that begins with +0 never becomes -0.
If x is infinite or NaN, the product is NaN. So each x is checked before columns are skipped (`all_finite`): one pass
instead of a multiplication with every row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lamina.compiler.cpu._tiles import Range
from lamina.compiler.llvm import INDEX, INT32, Builder, DType, Pointer, Value
from lamina.core.memory import whole_lines


@dataclass(frozen=True)
class ColumnOrder:
    """The indices of a range of columns, reordered: columns in use, ascending, then all-zero columns.

    The indices are stored at the range's positions: columns 8 to 15 are ordered in elements 8 to 15 of `numbers`
    (int32). The all-zero columns begin at position `first_unused`.
    """

    numbers: Pointer
    first_unused: Value

    def at(self, b: Builder, position: Value) -> Value:
        """The index of the column at a position in the order."""
        return b.cast(b.load(self.numbers, INT32, position), INDEX)


def order_bytes(columns: int, dtype: DType) -> int:
    """The bytes of scratch memory that `order_columns` needs for a matrix of `columns` columns."""
    return whole_lines(columns * INT32.itemsize) + whole_lines(columns * dtype.itemsize)


def order_columns(
    b: Builder,
    matrix: Pointer,
    stride: int,
    dtype: DType,
    rows: Range,
    columns: Range,
    scratch: Pointer,
    *,
    used_only: bool = False,
) -> ColumnOrder:
    """Order a matrix's columns: first the columns that are nonzero in any of the rows, then the others.

    `stride` is the number of elements from row to row. `scratch` is memory of `order_bytes(stride, dtype)`. With
    `used_only`, all-zero columns are not listed.
    """
    bits = np.dtype(f"int{8 * dtype.itemsize}")
    flags = b.offset(scratch, whole_lines(stride * INT32.itemsize) // bits.itemsize, bits)

    def mark(column: Value, lanes: int) -> None:
        seen = b.variable(b.const(0, bits, lanes))
        with b.loop(*rows) as row:
            seen.set(b.bit_or(seen.get(), b.load(matrix, bits, row * stride + column, lanes)))
        b.store(flags, b.shift_left(seen.get(), 1), column)  # without the sign: -0 is zero, too

    b.vector_loop(*columns, 4 * b.lanes(dtype), mark)
    if used_only:
        return ColumnOrder(scratch, _number_used(b, flags, bits, columns, scratch))
    first, last = columns
    used = b.variable(first)
    with b.loop(first, last) as column:
        is_used = b.not_equal(b.load(flags, bits, column), 0)
        from_end = last - 1 - (column - used.get())
        b.store(scratch, b.cast(column, INT32), b.where(is_used, used.get(), from_end))
        used.set(used.get() + b.cast(is_used, INDEX))
    return ColumnOrder(scratch, used.get())


def _number_used(b: Builder, flags: Pointer, bits: DType, columns: Range, numbers: Pointer) -> Value:
    """Write the indices of the columns in use; returns the position after the last index.

    Most vectors of columns are used completely, as in dense data, or not at all, as at the edge of an image.
    """
    first, last = columns
    used = b.variable(first)

    def one(column: Value) -> None:
        b.store(numbers, b.cast(column, INT32), used.get())  # the next used column overwrites one that is not
        used.set(used.get() + b.cast(b.not_equal(b.load(flags, bits, column), 0), INDEX))

    def several(column: Value, lanes: int) -> None:
        zero = b.equal(b.load(flags, bits, column, lanes), 0)
        all_used = b.reduce_all(b.logical_not(zero))

        def in_a_row() -> None:
            steps = b.const_vector(list(range(lanes)), INT32)
            b.store(numbers, b.add(b.splat(b.cast(column, INT32), lanes), steps), used.get())
            used.set(used.get() + lanes)

        def one_by_one() -> None:
            with b.if_(b.logical_not(b.reduce_all(zero))), b.loop(column, column + lanes) as each:
                one(each)

        b.if_else(all_used, in_a_row, one_by_one)

    def body(column: Value, lanes: int) -> None:
        if lanes == 1:
            one(column)
        else:
            several(column, lanes)

    b.vector_loop(first, last, b.lanes(bits), body)
    return used.get()


def all_finite(
    b: Builder,
    matrix: Pointer,
    stride: int,
    dtype: DType,
    rows: Range,
    columns: Range,
    order: ColumnOrder | None = None,
) -> Value:
    """Whether all elements in a range of rows and columns are finite.

    With an `order` (of A's columns, which are the rows of the matrix B), `rows` is a range of positions in the order.
    """
    lanes = 2 * b.lanes(dtype)
    total = b.variable(b.const(0, dtype, lanes))
    rest = b.variable(b.const(0, dtype))
    with b.loop(*rows) as position:
        row = position if order is None else order.at(b, position)
        start = b.offset(matrix, row * stride, dtype)

        def add(column: Value, width: int, start: Pointer = start) -> None:
            x = b.load(start, dtype, column, width)
            if width == lanes:
                total.set(b.multiply_add(x, b.const(0, dtype, width), total.get()))
            else:
                rest.set(rest.get() + b.reduce_add(b.mul(x, 0.0)))

        b.vector_loop(*columns, lanes, add)
    return b.equal(b.reduce_add(total.get()) + rest.get(), 0)
