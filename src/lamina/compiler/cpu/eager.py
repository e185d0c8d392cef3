"""Compilation of single operators, for eager evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.compiler.cpu.machine import host_machine
from lamina.compiler.cpu.ufuncs import Sharing, elementwise, made
from lamina.compiler.llvm import BYTE, INDEX, DType, Operand, Pointer, Value
from lamina.compiler.llvm.reductions import LONG_ROW, row_lanes
from lamina.core.lowering import Contraction, Reduction
from lamina.core.primitive import Primitive
from lamina.core.threads import get_num_threads

if TYPE_CHECKING:
    from lamina.compiler.cpu._builder import ThreadBuilder


def kernel(primitive: Primitive, dtype: np.dtype, inputs: int) -> Callable[..., Any] | None:
    """The code of a primitive (see `lamina.core.primitive.kernel`); None if it or the processor has no compiler."""
    match primitive.lowering:
        case Reduction():
            return fold(primitive, dtype)
        case Contraction():
            return product(primitive, dtype)
        case _:
            return elementwise(primitive, dtype, inputs)


# --- Matrix products of any sizes and strides, with the same bits as compiled products -------------------------------
#
# Each element is a chain of multiply-adds along the inner dimension, starting at 0. Tiles of the result are accumulated
# in registers; a panel of B, a few vectors wide, is packed once for all rows of A. Threads share the matrices of a
# batch, else the columns, else the rows.


_VECTORS = 2
"""The width of a panel, in vectors."""
_TERMS = 512
"""The depth of a panel along the inner dimension, which keeps the panel in the second-level cache."""
_FEW_ROWS = 16
"""The largest number of rows of A for which copying a panel does not pay."""
_SHARED = 1 << 21
"""The number of multiply-adds from which threads share a product."""


def product(primitive: Primitive, dtype: DType) -> Callable[..., np.ndarray] | None:
    """The function ``product(a, b, out)`` for matrices, or batches of matrices; None if compilation isn't possible."""
    sharing = Sharing()
    ufunc = made(
        primitive.name, dtype, lambda b: _Product(b, dtype).write(), "(m,k),(k,n)->(m,n)", 2, sharing
    )
    if ufunc is None:
        return None

    def compute(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> np.ndarray:
        sharing.set_threads(get_num_threads() if a.size * b.shape[-1] >= _SHARED else 1)
        return ufunc(a, b, out)

    return compute


@dataclass(frozen=True)
class _Matrix:
    """A matrix with strides in bytes: element (i, j) is i · `rows` + j · `columns` bytes after the first element."""

    b: ThreadBuilder
    pointer: Pointer
    rows: Value
    columns: Value

    def at(self, i: Operand, j: Operand) -> Pointer:
        b = self.b
        return b.offset(self.pointer, b.add(b.mul(i, self.rows), b.mul(j, self.columns)), BYTE)

    def part(self, i: Operand, j: Operand) -> _Matrix:
        """The matrix from element (i, j) on."""
        return replace(self, pointer=self.at(i, j))


@dataclass(frozen=True)
class _Block:
    """`width` columns of the result, and `count` terms of their sums: the first ones if `begins`."""

    left: _Matrix
    panel: _Matrix
    out: _Matrix
    width: Value
    count: Value
    begins: Value


class _Product:
    """Emits a thread's part of the inner loop of the ufunc."""

    def __init__(self, b: ThreadBuilder, dtype: DType) -> None:
        self.b, self.dtype, self.lanes = b, dtype, b.lanes(dtype)
        self.pointers, sizes, strides = (b.load_pointer(b.pointer_argument("arguments"), i) for i in range(3))
        self.batch, self.m, self.k, self.n = (b.load(sizes, INDEX, i) for i in range(4))
        self.apart = [b.load(strides, INDEX, i) for i in range(3)]
        self.strides = [b.load(strides, INDEX, i) for i in range(3, 9)]
        self.panel = b.alloca(dtype, _TERMS * _VECTORS * self.lanes)
        rows = 8 if host_machine().vector_registers >= 32 else 6
        self.heights = (rows, rows // 2, 1)

    def write(self) -> None:
        b, width = self.b, _VECTORS * self.lanes
        firsts = [b.load_pointer(self.pointers, i) for i in range(3)]
        threads = b.argument("threads")
        by_matrix = b.less_equal(threads, self.batch)
        by_column = b.less_equal(b.mul(threads, width), self.n)
        by_row = b.logical_not(b.logical_or(by_matrix, by_column))
        by_column = b.logical_and(by_column, b.logical_not(by_matrix))
        matrices = self._share(self.batch, 1, by_matrix)
        columns = self._share(self.n, width, by_column)
        self.rows = self._share(self.m, self.heights[0], by_row)
        with b.loop(*matrices) as number:
            places = [
                b.offset(first, b.mul(number, apart), BYTE)
                for first, apart in zip(firsts, self.apart, strict=True)
            ]
            a, right, out = (_Matrix(b, p, *self.strides[2 * i : 2 * i + 2]) for i, p in enumerate(places))
            with b.loop(*columns, width) as j, b.loop(0, self.k, _TERMS) as k:
                wide = b.minimum(b.sub(self.n, j), width)
                count = b.minimum(b.sub(self.k, k), _TERMS)
                panel = self._panel(right.part(k, j), wide, count)
                block = _Block(a.part(0, k), panel, out.part(0, j), wide, count, b.equal(k, 0))
                write = partial(self._write_tiles, block)
                b.if_else(b.greater(wide, self.lanes), lambda: write(_VECTORS), lambda: write(1))

    def _share(self, extent: Value, step: int, is_shared: Value) -> tuple[Value, Value]:
        """The (start, stop) of this thread's share of range(extent), which is everything unless `is_shared`."""
        start, stop = self.b.split(extent, step)
        return self.b.where(is_shared, start, 0), self.b.where(is_shared, stop, extent)

    def _panel(self, source: _Matrix, width: Value, count: Value) -> _Matrix:
        """Emit the code that packs a block of B, and return the packed block, or B itself where packing doesn't pay."""
        b, size = self.b, self.dtype.itemsize
        whole = b.equal(b.bit_and(width, self.lanes - 1), 0)
        as_it_lies = b.logical_and(b.equal(source.columns, size), whole)
        as_it_lies = b.logical_and(as_it_lies, b.less_equal(self.m, _FEW_ROWS))
        with b.if_(b.logical_not(as_it_lies)):
            self._pack(source, width, count)
        address = b.where_address(as_it_lies, source.pointer, self.panel)
        distance = b.where(as_it_lies, source.rows, b.const(_VECTORS * self.lanes * size))
        return _Matrix(b, address, distance, b.const(size))

    def _write_tiles(self, block: _Block, vectors: int) -> None:
        b = self.b
        masks = [b.first_lanes(b.sub(block.width, v * self.lanes), self.lanes) for v in range(vectors)]
        first, last = self.rows
        for height in self.heights:
            stop = b.sub(last, b.sub(height, 1))
            end = b.variable(first)
            with b.loop(first, stop, height) as i:
                tile = replace(block, left=block.left.part(i, 0), out=block.out.part(i, 0))
                self._write_tile(tile, height, masks)
                end.set(b.add(i, height))
            first = end.get()

    def _write_tile(self, tile: _Block, height: int, masks: list[Value]) -> None:
        """Emit the code that accumulates a tile of `height` rows in registers."""
        b, dtype, lanes, vectors = self.b, self.dtype, self.lanes, len(masks)
        zeros = b.const(0, dtype, lanes)
        goes_on = b.logical_not(tile.begins)
        before = [b.logical_and(mask, b.splat(goes_on, lanes)) for mask in masks]
        rows = [tile.left.at(r, 0) for r in range(height)]
        targets = [tile.out.at(r, 0) for r in range(height)]
        sums = [
            b.load_where(before[v], t, b.const(v * lanes), zeros) for t in targets for v in range(vectors)
        ]

        def add_term(k: Value, sums: list[Value]) -> list[Value]:
            line = tile.panel.at(k, 0)
            of_right = [b.load(line, dtype, v * lanes, lanes) for v in range(vectors)]
            distance = b.mul(k, tile.left.columns)
            added: list[Value] = []
            for r, row in enumerate(rows):
                x = b.splat(b.load(b.offset(row, distance, BYTE), dtype), lanes)
                added += [b.multiply_add(x, of_right[v], sums[r * vectors + v]) for v in range(vectors)]
            return added

        sums = b.repeated(0, tile.count, 1, sums, add_term)
        for r, target in enumerate(targets):
            for v in range(vectors):
                b.store_where(masks[v], target, sums[r * vectors + v], v * lanes)

    # --- the copy of a panel ---------------------------------------------------------------------------------------

    def _pack(self, source: _Matrix, width: Value, count: Value) -> None:
        """Pack a panel; its columns beyond `width` are unspecified."""
        b, size = self.b, self.dtype.itemsize
        b.if_else(
            b.equal(source.columns, size),
            lambda: self._pack_rows(source, width, count),
            lambda: b.if_else(
                b.equal(source.rows, size),
                lambda: self._pack_columns(source, width, count),
                lambda: self._pack_elements(source, width, b.const(0), count),
            ),
        )

    def _pack_rows(self, source: _Matrix, width: Value, count: Value) -> None:
        b, lanes = self.b, self.lanes
        zeros = b.const(0, self.dtype, lanes)
        masks = [b.first_lanes(b.sub(width, v * lanes), lanes) for v in range(_VECTORS)]
        with b.loop(0, count) as k:
            line = source.at(k, 0)
            for v, mask in enumerate(masks):
                value = b.load_where(mask, line, b.const(v * lanes), zeros)
                b.store(self.panel, value, b.add(b.mul(k, _VECTORS * lanes), v * lanes))

    def _pack_columns(self, source: _Matrix, width: Value, count: Value) -> None:
        """Pack contiguous columns, transposed block by block in registers."""
        from lamina.compiler.cpu._transpose import transpose_vectors

        b, lanes = self.b, self.lanes
        whole = b.bit_and(count, -lanes)
        with b.loop(0, whole, lanes) as k, b.loop(0, width, lanes) as first:
            columns = [b.minimum(b.add(first, c), b.sub(width, 1)) for c in range(lanes)]
            block = [b.load(source.at(k, c), self.dtype, 0, lanes) for c in columns]
            for i, line in enumerate(transpose_vectors(b, block)):
                b.store(self.panel, line, b.add(b.mul(b.add(k, i), _VECTORS * lanes), first))
        self._pack_elements(source, width, whole, count)

    def _pack_elements(self, source: _Matrix, width: Value, start: Value, stop: Value) -> None:
        b = self.b
        with b.loop(start, stop) as k, b.loop(0, width) as c:
            value = b.load(source.at(k, c), self.dtype)
            b.store(self.panel, value, b.add(b.mul(k, _VECTORS * self.lanes), c))


# --- Sums and other reductions of arrays of any shape, in the order of compiled code ---------------------------------
#
# docs/adr/one-arithmetic.md defines the order. Trailing axes are reduced in vector lanes, others element by element.


_COLUMN_VECTORS = 4
"""The number of adjacent vectors of columns reduced side by side, which hides the latency of the operations."""

_Fold = Callable[[np.ndarray, tuple[int, ...]], np.ndarray]


def fold(primitive: Primitive, dtype: DType) -> _Fold | None:
    """The function ``fold(x, axes)`` to a contiguous array in the order of the other axes; None if not compilable."""
    lowering = primitive.lowering
    assert isinstance(lowering, Reduction), primitive
    rows = made(f"{primitive.name} of rows", dtype, lambda b: _write_rows(b, lowering, dtype), "(r,n)->()")
    columns = made(
        f"{primitive.name} of columns", dtype, lambda b: _write_columns(b, lowering, dtype), "(r,n)->(n)"
    )
    if rows is None or columns is None:
        return None

    def of_array(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
        by_rows, shape = _as_three(x.shape, axes)
        if not shape:
            others = tuple([a for a in range(x.ndim) if a not in axes])
            x = x.transpose((*axes, *others))
            shape = (1, math.prod(x.shape[: len(axes)]), -1)
        parts = np.ascontiguousarray(x).reshape(shape)
        if by_rows:
            return rows(parts, np.empty(shape[0], x.dtype))
        return columns(parts, np.empty((parts.shape[0], parts.shape[2]), x.dtype))

    return of_array


@lru_cache(4096)
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
        body(b.offset(source, b.mul(i, source_stride), BYTE), b.offset(target, b.mul(i, target_stride), BYTE))


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
    long = LONG_ROW * short
    b.if_else(b.less(length, long), lambda: by(short), lambda: by(row_lanes(dtype, long)))


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
