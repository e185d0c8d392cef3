"""Matrix products of any sizes and strides, for eager evaluation, with the same bits as compiled products.

Each element is a chain of multiply-adds along the inner dimension, starting at 0. Tiles of the result are accumulated
in registers; a panel of B, a few vectors wide, is packed once for all rows of A.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lamina.compiler.cpu.machine import host_machine
from lamina.compiler.cpu.ufuncs import made
from lamina.compiler.llvm import INDEX, DType, Pointer, Value
from lamina.core.primitive import Primitive

if TYPE_CHECKING:
    from lamina.compiler.cpu._builder import ThreadBuilder

_BYTE = np.dtype(np.int8)
_VECTORS = 2
"""The width of a panel, in vectors."""
_TERMS = 512
"""The depth of a panel along the inner dimension, which keeps the panel in the second-level cache."""
_FEW_ROWS = 16
"""The largest number of rows of A for which copying a panel does not pay."""


def product(primitive: Primitive, dtype: DType) -> np.ufunc | None:
    """The ufunc ``product(a, b, out)`` for matrices, or batches of matrices; None if compilation isn't possible."""
    return made(primitive.name, dtype, lambda b: _Product(b, dtype).write(), "(m,k),(k,n)->(m,n)", inputs=2)


@dataclass(frozen=True)
class _Matrix:
    """A matrix with strides in bytes: element (i, j) is i · `rows` + j · `columns` bytes after the first element."""

    b: ThreadBuilder
    pointer: Pointer
    rows: Value
    columns: Value

    def at(self, i: Value, j: Value) -> Pointer:
        b = self.b
        return b.offset(self.pointer, b.add(b.mul(i, self.rows), b.mul(j, self.columns)), _BYTE)


class _Product:
    """Emits the inner loop of the ufunc."""

    def __init__(self, b: ThreadBuilder, dtype: DType) -> None:
        self.b, self.dtype, self.lanes = b, dtype, b.lanes(dtype)
        sizes, strides = b.pointer_argument("sizes"), b.pointer_argument("strides")
        self.batch, self.m, self.k, self.n = (b.load(sizes, INDEX, i) for i in range(4))
        self.apart = [b.load(strides, INDEX, i) for i in range(3)]
        self.strides = [b.load(strides, INDEX, i) for i in range(3, 9)]
        self.panel = b.alloca(dtype, _TERMS * _VECTORS * self.lanes)
        rows = 8 if host_machine().vector_registers >= 32 else 6
        self.heights = (rows, rows // 2, 1)

    def write(self) -> None:
        b = self.b
        pointers = b.pointer_argument("pointers")
        firsts = [b.load_pointer(pointers, i) for i in range(3)]
        with b.loop(0, self.batch) as number:
            places = [
                b.offset(first, b.mul(number, apart), _BYTE)
                for first, apart in zip(firsts, self.apart, strict=True)
            ]
            a, right, out = (_Matrix(b, p, *self.strides[2 * i : 2 * i + 2]) for i, p in enumerate(places))
            with b.loop(0, self.n, _VECTORS * self.lanes) as j, b.loop(0, self.k, _TERMS) as k:
                width = b.minimum(b.sub(self.n, j), _VECTORS * self.lanes)
                count = b.minimum(b.sub(self.k, k), _TERMS)
                b.if_else(
                    b.greater(width, self.lanes),
                    lambda: self._write_panel(a, right, out, j, k, width, count, _VECTORS),
                    lambda: self._write_panel(a, right, out, j, k, width, count, 1),
                )

    def _write_panel(
        self,
        a: _Matrix,
        right: _Matrix,
        out: _Matrix,
        j: Value,
        k: Value,
        width: Value,
        count: Value,
        vectors: int,
    ) -> None:
        """Emit the code for a block of the result's columns and a range of the inner dimension."""
        b, size = self.b, self.dtype.itemsize
        source = _Matrix(b, right.at(k, j), right.rows, right.columns)
        as_it_lies = b.logical_and(b.equal(right.columns, size), b.equal(width, vectors * self.lanes))
        as_it_lies = b.logical_and(as_it_lies, b.less_equal(self.m, _FEW_ROWS))
        packed = b.const(vectors * self.lanes * size)
        with b.if_(b.logical_not(as_it_lies)):
            self._pack(source, width, count, vectors)
        address = b.where_address(as_it_lies, source.pointer, self.panel)
        panel = _Matrix(b, address, b.where(as_it_lies, source.rows, packed), b.const(size))
        begins = b.equal(k, 0)
        masks = [b.first_lanes(b.sub(width, v * self.lanes), self.lanes) for v in range(vectors)]
        first: Value = b.const(0)
        for height in self.heights:
            stop = b.sub(self.m, b.sub(height, 1))
            end = b.variable(first)
            with b.loop(first, stop, height) as i:
                left = _Matrix(b, a.at(i, k), a.rows, a.columns)
                target = _Matrix(b, out.at(i, j), out.rows, out.columns)
                self._write_tile(left, panel, target, count, height, masks, begins)
                end.set(b.add(i, height))
            first = end.get()

    def _write_tile(
        self,
        left: _Matrix,
        panel: _Matrix,
        out: _Matrix,
        count: Value,
        height: int,
        masks: list[Value],
        begins: Value,
    ) -> None:
        """Emit the code that accumulates a tile of `height` rows in registers."""
        b, dtype, lanes, vectors = self.b, self.dtype, self.lanes, len(masks)
        zeros = b.const(0, dtype, lanes)
        goes_on = b.logical_not(begins)
        before = [b.logical_and(mask, b.splat(goes_on, lanes)) for mask in masks]
        rows = [left.at(b.const(r), b.const(0)) for r in range(height)]
        targets = [out.at(b.const(r), b.const(0)) for r in range(height)]
        sums = [
            b.load_where(before[v], t, b.const(v * lanes), zeros) for t in targets for v in range(vectors)
        ]

        def add_term(k: Value, sums: list[Value]) -> list[Value]:
            line = panel.at(k, b.const(0))
            of_right = [b.load(line, dtype, v * lanes, lanes) for v in range(vectors)]
            distance = b.mul(k, left.columns)
            added: list[Value] = []
            for r, row in enumerate(rows):
                x = b.splat(b.load(b.offset(row, distance, _BYTE), dtype), lanes)
                added += [b.multiply_add(x, of_right[v], sums[r * vectors + v]) for v in range(vectors)]
            return added

        sums = b.repeated(0, count, 1, sums, add_term)
        for r, target in enumerate(targets):
            for v in range(vectors):
                b.store_where(masks[v], target, sums[r * vectors + v], v * lanes)

    # --- the copy of a panel ---------------------------------------------------------------------------------------

    def _pack(self, source: _Matrix, width: Value, count: Value, vectors: int) -> None:
        """Pack a panel; its columns beyond `width` are unspecified."""
        b, size = self.b, self.dtype.itemsize
        b.if_else(
            b.equal(source.columns, size),
            lambda: self._pack_rows(source, width, count, vectors),
            lambda: b.if_else(
                b.equal(source.rows, size),
                lambda: self._pack_columns(source, width, count, vectors),
                lambda: self._pack_elements(source, width, b.const(0), count, vectors),
            ),
        )

    def _pack_rows(self, source: _Matrix, width: Value, count: Value, vectors: int) -> None:
        b, lanes = self.b, self.lanes
        zeros = b.const(0, self.dtype, lanes)
        masks = [b.first_lanes(b.sub(width, v * lanes), lanes) for v in range(vectors)]
        with b.loop(0, count) as k:
            line = source.at(k, b.const(0))
            for v, mask in enumerate(masks):
                value = b.load_where(mask, line, b.const(v * lanes), zeros)
                b.store(self.panel, value, b.add(b.mul(k, vectors * lanes), v * lanes))

    def _pack_columns(self, source: _Matrix, width: Value, count: Value, vectors: int) -> None:
        """Pack contiguous columns, transposed block by block in registers."""
        from lamina.compiler.cpu._transpose import transpose_vectors

        b, lanes = self.b, self.lanes
        whole = b.bit_and(count, -lanes)
        with b.loop(0, whole, lanes) as k, b.loop(0, vectors) as v:
            first = b.mul(v, lanes)
            columns = [b.minimum(b.add(first, c), b.sub(width, 1)) for c in range(lanes)]
            block = [b.load(source.at(k, c), self.dtype, 0, lanes) for c in columns]
            for i, line in enumerate(transpose_vectors(b, block)):
                b.store(self.panel, line, b.add(b.mul(b.add(k, i), vectors * lanes), first))
        self._pack_elements(source, width, whole, count, vectors)

    def _pack_elements(self, source: _Matrix, width: Value, start: Value, stop: Value, vectors: int) -> None:
        b = self.b
        with b.loop(start, stop) as k, b.loop(0, width) as c:
            value = b.load(source.at(k, c), self.dtype)
            b.store(self.panel, value, b.add(b.mul(k, vectors * self.lanes), c))
