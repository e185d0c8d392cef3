"""Copies of blocks of a product's operands, in the order in which the innermost loop reads them."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.compiler.cpu._microkernel import LeftTile, RightPanel, load_row
from lamina.compiler.cpu._tiles import Range
from lamina.compiler.cpu._transpose import transpose_vectors
from lamina.compiler.llvm import Builder, DType, Pointer, Value


def pack_panel(
    b: Builder,
    right: RightPanel,
    widths: Sequence[int],
    depth: Value,
    dtype: DType,
    packed: RightPanel,
    *,
    looks: bool = False,
) -> Value | None:
    """Copy the first `depth` rows of a panel of B; with `looks`, returns whether all of their elements are finite."""
    # A sum of 0 · x is 0 if every x is finite.
    seen = [b.variable(b.const(0, dtype, width)) for width in (widths if looks else ())]
    with b.loop(b.const(0), depth) as k:
        source, destination = right.row(b, k, dtype), packed.row(b, k, dtype)
        for index, width in enumerate(widths):
            offset = index * b.lanes(dtype)
            value = load_row(b, source, dtype, offset, width)
            b.store(destination, value, offset)
            if looks:
                terms = b.narrow(value, width)
                seen[index].set(b.multiply_add(terms, b.const(0, dtype, width), seen[index].get()))
    if not looks:
        return None
    total = b.const(0, dtype)
    for one in seen:
        total = total + b.reduce_add(one.get())
    return b.equal(total, 0)


def pack_transposed_panel(
    b: Builder, right: RightPanel, width: int, inner: int, dtype: DType, packed: RightPanel
) -> None:
    """Copy `width` columns of a transposed B. Element (k, c) of B is at c · stride + k."""
    columns, lanes = LeftTile(right.pointer, right.stride, 1), b.lanes(dtype)
    target = LeftTile(packed.pointer, 1, packed.stride)
    for first in range(0, width, lanes):
        some = range(first, min(first + lanes, width))
        _pack_rows(b, columns, some, (b.const(0), b.const(inner)), dtype, target)


def pack_tile(b: Builder, left: LeftTile, rows: int, inner: Range, dtype: DType, tile: Pointer) -> LeftTile:
    """Copy `rows` rows and a range of columns of A to `tile`. Element (r, k) goes to position k · rows + r."""
    packed = LeftTile(tile, 1, rows)
    if left.row_stride == 1:
        with b.loop(*inner) as k:
            b.store(tile, b.load(left.column(b, k, dtype), dtype, 0, rows), k * rows)
        return packed
    lanes = b.lanes(dtype)
    for first in range(0, rows, lanes):
        _pack_rows(b, left, range(first, min(first + lanes, rows)), inner, dtype, packed)
    return packed


def _pack_rows(b: Builder, left: LeftTile, rows: range, inner: Range, dtype: DType, packed: LeftTile) -> None:
    """Transpose some rows of A into a packed tile, a vector of each row at a time."""
    height = 1 << (len(rows) - 1).bit_length()  # the transposition wants a power of two

    def block(k: Value, width: int) -> None:
        base = left.column(b, k, dtype)
        if width < b.lanes(dtype):
            with b.loop(0, width) as i:
                places = [i * left.inner_stride + left.offset(r) for r in rows]
                column = b.gather_lanes([b.load(base, dtype, at) for at in places])
                b.store(packed.pointer, column, (k + i) * packed.inner_stride + rows.start)
            return
        loaded = [b.load_strided(base, dtype, left.offset(r), left.inner_stride, width) for r in rows]
        loaded += [loaded[-1]] * (height - len(rows))
        for index, column in enumerate(transpose_vectors(b, loaded)):
            place = (k + index) * packed.inner_stride + rows.start
            b.store(packed.pointer, b.narrow(column, len(rows)), place)

    b.vector_loop(*inner, b.lanes(dtype), block)
