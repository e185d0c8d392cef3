"""Sums and other reductions of arrays of any shape, in the order of compiled code.

docs/adr/one-arithmetic.md defines the order. Trailing axes are reduced in vector lanes, other axes element by element.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from lamina.compiler.cpu.ufuncs import made
from lamina.compiler.llvm import INDEX, DType, Pointer, Value
from lamina.compiler.llvm.reductions import LONG_ROW, row_lanes
from lamina.core.lowering import Reduction
from lamina.core.primitive import Primitive

if TYPE_CHECKING:
    from lamina.compiler.cpu._builder import ThreadBuilder

_BYTE = np.dtype(np.int8)
_COLUMN_VECTORS = 4
"""The number of adjacent vectors of columns reduced side by side, which hides the latency of the operations."""
_MOST_KNOWN = 4096

_Fold = Callable[[np.ndarray, tuple[int, ...]], np.ndarray]


def fold(primitive: Primitive, dtype: DType) -> _Fold | None:
    """The function ``fold(x, axes)``, which reduces `axes` of a nonempty array; None if compilation isn't possible.

    It returns a contiguous array of the results, in the order of the other axes.
    """
    lowering = primitive.lowering
    assert isinstance(lowering, Reduction), primitive
    rows = made(f"{primitive.name} of rows", dtype, lambda b: _write_rows(b, lowering, dtype), "(r,n)->()")
    columns = made(
        f"{primitive.name} of columns", dtype, lambda b: _write_columns(b, lowering, dtype), "(r,n)->(n)"
    )
    if rows is None or columns is None:
        return None
    known: dict[tuple[tuple[int, ...], tuple[int, ...]], tuple[bool, tuple[int, ...]]] = {}

    def of_array(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
        key = (x.shape, axes)
        found = known.get(key)
        if found is None:
            if len(known) == _MOST_KNOWN:
                known.clear()
            found = known[key] = _as_three(x.shape, axes)
        by_rows, shape = found
        if not shape:
            others = tuple([a for a in range(x.ndim) if a not in axes])
            x = x.transpose((*axes, *others))
            shape = (1, math.prod(x.shape[: len(axes)]), -1)
        parts = np.ascontiguousarray(x).reshape(shape)
        if by_rows:
            return rows(parts, np.empty(shape[0], x.dtype))
        return columns(parts, np.empty((parts.shape[0], parts.shape[2]), x.dtype))

    return of_array


def _as_three(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[bool, tuple[int, ...]]:
    """Merge an array's axes into three; returns whether the last axis is reduced, and the shape.

    The shape is (kept, reduced, reduced) if the last axis is reduced, else (kept, reduced, kept). The shape is () if
    the reduced axes are not adjacent.
    """
    ndim, first, count = len(shape), axes[0], len(axes)
    if axes != tuple(range(first, first + count)):
        return False, ()
    before = math.prod(shape[:first])
    if first + count == ndim:
        return True, (before, math.prod(shape[first:-1]), shape[-1])
    return False, (before, math.prod(shape[first : first + count]), math.prod(shape[first + count :]))


# --- inner loops ---------------------------------------------------------------------------------------------------


def _for_each_part(b: ThreadBuilder, body: Callable[[Pointer, Pointer], None]) -> None:
    """Emit a loop over the first axis; ``body(elements, results)`` gets the addresses of an item and of its result."""
    pointers, strides = b.pointer_argument("pointers"), b.pointer_argument("strides")
    source, target = (b.load_pointer(pointers, i) for i in (0, 1))
    source_stride, target_stride = (b.load(strides, INDEX, i) for i in (0, 1))
    with b.loop(0, b.load(b.pointer_argument("sizes"), INDEX)) as i:
        body(
            b.offset(source, b.mul(i, source_stride), _BYTE), b.offset(target, b.mul(i, target_stride), _BYTE)
        )


def _write_rows(b: ThreadBuilder, lowering: Reduction, dtype: DType) -> None:
    """Emit code that reduces each item of the first axis to one number, row after row."""
    count, length = (b.load(b.pointer_argument("sizes"), INDEX, i) for i in (1, 2))

    def by(lanes: int) -> None:
        rest = b.bit_and(length, lanes - 1)
        whole, tail = b.sub(length, rest), b.first_lanes(rest, lanes)
        initial = b.const(lowering.initial(dtype), dtype, lanes)
        combine = partial(lowering.combine, b)

        def part(source: Pointer, target: Pointer) -> None:
            of_vectors, of_tails = b.variable(initial), b.variable(initial)
            with b.loop(0, count) as row:
                start = b.mul(row, length)
                with b.loop(0, whole, lanes) as i:
                    of_vectors.set(combine(of_vectors.get(), b.load(source, dtype, start + i, lanes)))
                rest_of_row = b.load_where(tail, source, start + whole, initial)
                of_tails.set(combine(of_tails.get(), rest_of_row))
            parts = [b.reduce(x.get(), combine) for x in (of_vectors, of_tails)]
            b.store(target, combine(*parts))

        _for_each_part(b, part)

    short = row_lanes(dtype, 0)
    b.if_else(
        b.less(length, LONG_ROW * short), lambda: by(short), lambda: by(row_lanes(dtype, LONG_ROW * short))
    )


def _write_columns(b: ThreadBuilder, lowering: Reduction, dtype: DType) -> None:
    """Emit code that reduces each item's rows to one row, column by column, in order."""
    count, length = (b.load(b.pointer_argument("sizes"), INDEX, i) for i in (1, 2))
    lanes = b.lanes(dtype)
    whole = b.bit_and(length, -_COLUMN_VECTORS * lanes)

    def columns(source: Pointer, width: int, load: Callable[[Pointer, Value], Value], first: Value) -> Value:
        total = b.variable(b.const(lowering.initial(dtype), dtype, width))
        with b.loop(0, count) as row:
            total.set(lowering.combine(b, total.get(), load(source, b.mul(row, length) + first)))
        return total.get()

    def part(source: Pointer, target: Pointer) -> None:
        width = _COLUMN_VECTORS * lanes
        with b.loop(0, whole, width) as first:
            b.store(target, columns(source, width, lambda p, i: b.load(p, dtype, i, width), first), first)
        zeros = b.const(0, dtype, lanes)
        with b.loop(whole, length, lanes) as first:
            mask = b.first_lanes(b.minimum(b.sub(length, first), lanes), lanes)
            total = columns(source, lanes, lambda p, i: b.load_where(mask, p, i, zeros), first)
            b.store_where(mask, target, total, first)

    _for_each_part(b, part)
