"""The innermost loop of a matrix product: one tile of the result, accumulated in registers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from lamina.compiler.cpu._transpose import transpose_vectors
from lamina.compiler.llvm import INDEX, INT32, Builder, DType, Operand, Pointer, Value
from lamina.core.memory import LINE_BYTES

if TYPE_CHECKING:
    from lamina.compiler.cpu._matrix_product import MatrixProduct
    from lamina.compiler.cpu._tiles import Range

Epilogue = Callable[[Builder, Value, Value, Value], None]
"""`epilogue(b, row, column, value)` emits code for a finished vector of the result that begins at an element."""

FlatEpilogue = Callable[[Builder, Value, Value], None]
"""`epilogue(b, position, value)` emits code for a finished vector that is contiguous in the result's memory."""

Read = Callable[[Builder, Value, Value, int], Value]
"""`read(b, row, column, lanes)` loads or computes adjacent float32 elements of a matrix."""

Tile = list[list[Value]]


@dataclass(frozen=True)
class TermList:
    """Indices along the inner dimension: `count` int32 numbers in memory."""

    numbers: Pointer
    count: Value

    def at(self, b: Builder, position: Value) -> Value:
        """The index at a position in the list."""
        return b.cast(b.load(self.numbers, INT32, position), INDEX)


@dataclass(frozen=True)
class LeftTile:
    """The rows of A for a tile: element (r, k) is at r · row_stride + k · inner_stride; `columns` may replace k."""

    pointer: Pointer
    row_stride: int
    inner_stride: int
    columns: TermList | None = None

    def column(self, b: Builder, k: Value, dtype: DType) -> Pointer:
        """The address of column k."""
        return b.offset(self.pointer, _numbered(b, self.columns, k) * self.inner_stride, dtype)

    def offset(self, row: int) -> int:
        """The offset, in elements, of a row's element within a column."""
        return row * self.row_stride


@dataclass(frozen=True)
class RightPanel:
    """The columns of B for a tile: row k begins at k · stride, or at rows[k] · stride.

    From a padded panel whole vectors may be loaded even if only some lanes belong to the result. `stored` is the
    elements' type in memory, if it differs from the product's.
    """

    pointer: Pointer
    stride: int
    padded: bool = False
    rows: TermList | None = None
    stored: DType | None = None

    def row(self, b: Builder, k: Value, dtype: DType) -> Pointer:
        """The address of row k."""
        return b.offset(self.pointer, _numbered(b, self.rows, k) * self.stride, self.stored or dtype)

    def load(self, b: Builder, row: Pointer, dtype: DType, offset: int, width: int, height: int = 2) -> Value:
        """Load `width` elements of a row as `dtype`, for a tile of `height` rows; further lanes are unspecified."""
        lanes, own = _accumulator_lanes(b, width, dtype, self.padded, height), self.stored or dtype
        if lanes == width or self.padded:
            return b.cast(b.load(row, own, offset, lanes), dtype)
        return b.cast(b.load_masked(row, own, offset, width, lanes), dtype)


def _numbered(b: Builder, order: TermList | None, k: Value) -> Value:
    return k if order is None else order.at(b, k)


def _accumulator_lanes(b: Builder, width: int, dtype: DType, padded: bool, rows: int = 2) -> int:
    """The lanes of a register that accumulates `width` columns: more than `width` if a narrower load would be slow.

    For a single row they are few, as a masked load takes longer if its lanes lie in two cache lines.
    """
    if width & (width - 1) == 0 or not (padded or b.module.machine.has_masked_moves):
        return width
    return b.lanes(dtype) if padded or rows > 1 else 1 << width.bit_length()


def accumulate(
    b: Builder,
    left: LeftTile,
    right: RightPanel,
    rows: int,
    widths: Sequence[int],
    inner: int | Value,
    initial: Tile,
    unroll: int = 2,
) -> Tile:
    """Compute initial + A · B for one tile.

    Each element is a chain of fused multiply-adds over k = 0, 1, 2, … `initial` has, for each row, a vector per width.
    `unroll` is the loop's unroll factor.
    """
    dtype = initial[0][0].dtype
    lanes = b.lanes(dtype)

    def step(k: Value, unroll: int, current: Tile) -> Tile:
        current = list(current)
        for u in range(unroll):
            row = right.row(b, k + u, dtype)
            vectors = [right.load(b, row, dtype, i * lanes, width, rows) for i, width in enumerate(widths)]
            element = left.column(b, k + u, dtype)
            for r in range(rows):
                scalar = b.load(element, dtype, left.offset(r))
                current[r] = [b.multiply_add(scalar, v, x) for v, x in zip(vectors, current[r], strict=True)]
        return current

    def loop(start: Operand, stop: Operand, unroll: int, tile: Tile) -> Tile:
        def body(k: Value, values: list[Value]) -> list[Value]:
            return list(chain(*step(k, unroll, _like(tile, values))))

        return _like(tile, b.repeated(start, stop, unroll, list(chain(*tile)), body))

    if isinstance(inner, Value) and inner.constant is not None:
        inner = int(inner.constant)
    if isinstance(inner, int):
        whole, tile = inner // unroll * unroll, initial
        if whole:
            tile = loop(0, whole, unroll, tile)
        for k in range(whole, inner):
            tile = step(b.const(k), 1, tile)
        return tile
    if unroll == 1:
        return loop(0, inner, 1, initial)
    whole = b.bit_and(inner, -unroll)
    return loop(whole, inner, 1, loop(0, whole, unroll, initial))


def _like(tile: Tile, values: Sequence[Value]) -> Tile:
    """The values in order, arranged in rows like `tile`."""
    rest = iter(values)
    return [[next(rest) for _ in row] for row in tile]


def zeros(b: Builder, rows: int, widths: Sequence[int], dtype: DType, padded: bool) -> Tile:
    """A tile of zeros."""
    lanes = [_accumulator_lanes(b, width, dtype, padded, rows) for width in widths]
    return [[b.const(0, dtype, count) for count in lanes] for _ in range(rows)]


@dataclass(frozen=True)
class Finish:
    """Passes each vector of a finished tile to the epilogue, without the lanes beyond the result.

    A long epilogue is emitted once, in a loop over the tile's rows, instead of once per vector, to limit code size and
    compile time. With `by_columns`, the vectors are columns of the tile. `flat`, if given, replaces the epilogue for
    tiles of `flat_rows` rows, which are all rows of a product whose result is stored transposed.
    """

    b: Builder
    epilogue: Epilogue
    is_long: bool
    by_columns: bool
    flat: FlatEpilogue | None = None
    flat_rows: int = 0

    def __call__(self, tile: Tile, widths: Sequence[int], row: Value, column: Value) -> None:
        if self.by_columns:
            self._columns(tile, widths, row, column)
        elif self.flat is not None and len(tile) == self.flat_rows:
            self._transposed(self.flat, tile, widths, column)
        elif self.is_long and len(tile) > 1:
            self._in_a_loop(tile, widths, row, column)
        else:
            for r, values in enumerate(tile):
                self._row(values, widths, row + r, column)

    def _columns(self, tile: Tile, widths: Sequence[int], row: Value, column: Value) -> None:
        """Transpose the tile, block by block, in registers; the output's rows are the tile's columns."""
        b = self.b

        def turned(b: Builder, column: Value, row: Value, value: Value) -> None:
            self.epilogue(b, row, column, value)

        finish = Finish(b, turned, self.is_long, by_columns=False)
        most = min(value.lanes for value in tile[0])
        for first in range(0, len(tile), most):
            columns: Tile = []
            rows = tile[first : first + most]
            for index, width in enumerate(widths):
                block = [_with_whole_lanes(b, values[index]) for values in rows]
                nothing = b.const(0, block[0].dtype, block[0].lanes)
                block += [nothing] * (2 ** (len(rows) - 1).bit_length() - len(rows))
                columns += [[b.narrow(vector, len(rows))] for vector in transpose_vectors(b, block)[:width]]
            finish(columns, (len(rows),), column, row + first)

    def _transposed(self, flat: FlatEpilogue, tile: Tile, widths: Sequence[int], column: Value) -> None:
        """Store the tile transposed in a stack buffer, and pass it to the flat epilogue in a loop over vectors."""
        b, dtype, rows, place = self.b, tile[0][0].dtype, len(tile), 0
        buffer = b.alloca(dtype, rows * sum(value.lanes for value in tile[0]))
        for vectors in zip(*tile, strict=True):
            for vector in _interleaved(b, vectors):
                b.store(buffer, vector, place)
                place += vector.lanes

        def body(i: Value, lanes: int) -> None:
            flat(b, column * rows + i, b.load(buffer, dtype, i, lanes))

        b.vector_loop(0, rows * sum(widths), b.lanes(dtype), body)

    def _row(self, values: Sequence[Value], widths: Sequence[int], row: Value, column: Value) -> None:
        for width, value in zip(widths, values, strict=True):
            self.epilogue(self.b, row, column, self.b.narrow(value, width))
            column = column + width

    def _in_a_loop(self, tile: Tile, widths: Sequence[int], row: Value, column: Value) -> None:
        """Store the tile in a stack buffer, and pass it to the epilogue row by row in a loop."""
        b, dtype = self.b, tile[0][0].dtype
        lanes = [value.lanes for value in tile[0]]
        starts = [sum(lanes[:v]) for v in range(len(lanes))]
        length = sum(lanes)
        buffer = b.alloca(dtype, length * len(tile))
        for r, values in enumerate(tile):
            for value, start in zip(values, starts, strict=True):
                b.store(buffer, value, r * length + start)
        with b.loop(0, len(tile)) as r:
            places = zip(starts, lanes, strict=True)
            values = [b.load(buffer, dtype, r * length + start, count) for start, count in places]
            self._row(values, widths, row + r, column)


def _interleaved(b: Builder, vectors: Sequence[Value]) -> list[Value]:
    """The first elements of all vectors, then the second elements, and so on, in vectors of the same length."""
    count, lanes = len(vectors), vectors[0].lanes
    if lanes == 1:
        return list(vectors)
    found: list[Value] = []
    for start in range(0, count * lanes, lanes):
        picks = [divmod(start + i, count) for i in range(lanes)]
        whole = vectors[0]
        for number, vector in enumerate(vectors[1:], 1):
            kept = [i if number > 1 else picks[i][0] for i in range(lanes)]
            chosen = [lanes + lane if of == number else kept[i] for i, (lane, of) in enumerate(picks)]
            whole = b.shuffle(whole, vector, chosen)
        found.append(whole)
    return found


def _with_whole_lanes(b: Builder, value: Value) -> Value:
    """The vector with its lanes repeated up to a power of two; without masked moves there are vectors of three."""
    whole = 2 ** (value.lanes - 1).bit_length()
    return value if whole == value.lanes else b.shuffle(value, value, [i % value.lanes for i in range(whole)])


@dataclass(frozen=True)
class ProductCode(ABC):
    """The code of a product A · B, a subclass for each strategy; the fields are those of `MatrixProduct.emit`."""

    b: Builder
    shape: MatrixProduct
    left: Pointer | Read
    right: Pointer
    epilogue: Epilogue
    scratch: Pointer | None
    reads: Sequence[Pointer]
    flat: FlatEpilogue | None

    @abstractmethod
    def emit(self, rows: Range, columns: Range) -> None:
        """Emit the code for a range of the result's rows and columns, as in `MatrixProduct.emit`."""

    @property
    def dtype(self) -> DType:
        """The dtype of the product."""
        return self.shape.dtype

    @property
    def left_tile(self) -> LeftTile:
        """All rows of A, which must be a matrix in memory."""
        assert isinstance(self.left, Pointer)
        return LeftTile(self.left, *self.shape.left_strides)

    @property
    def right_panel(self) -> RightPanel:
        """All columns of B."""
        return RightPanel(self.right, self.shape.right_stride, stored=self.shape.right_dtype)

    @property
    def finish(self) -> Finish:
        """The end of a tile's computation."""
        shape = self.shape
        return Finish(self.b, self.epilogue, shape.long_epilogue, shape.by_columns, self.flat, shape.rows)

    def memory(self, offset: int, dtype: DType) -> Pointer:
        """The address of a section of the scratch memory."""
        assert self.scratch is not None
        return self.b.offset(self.scratch, offset // dtype.itemsize, dtype)

    def fetch(self, row: Value, column: Value, width: int) -> None:
        """Prefetch the epilogue's operands of a row, to have them in the cache when the sums are complete."""
        b, shape = self.b, self.shape
        line = LINE_BYTES // shape.dtype.itemsize
        for pointer in self.reads:
            start = b.offset(pointer, row * shape.columns + column, shape.dtype)
            for last in range(min(line, width) - 1, width, line):
                b.prefetch(b.offset(start, last, shape.dtype))
