"""Transposed copies of matrices, block by block in registers."""

from __future__ import annotations

from lamina.compiler.cpu._cache_lines import LINE_BYTES
from lamina.compiler.llvm import Builder, DType, Operand, Pointer, Value

__all__ = ["emit_transpose", "transpose_vectors"]


def transpose_vectors(b: Builder, rows: list[Value]) -> list[Value]:
    """The columns of a block whose rows are given: as many vectors as the rows have lanes.

    The number of rows is a power of two, at most the lanes of a row. Interleaving row i with row i + n/2
    (their lower halves, then their upper halves) puts the elements that belong together next to each other
    after log2(n) rounds.
    """
    count, lanes = len(rows), rows[0].lanes
    half = lanes // 2
    low = [lane for pair in zip(range(half), range(lanes, lanes + half), strict=True) for lane in pair]
    high = [lane + half for lane in low]
    vectors = list(rows)
    distance = count // 2
    for _ in range(count.bit_length() - 1):
        vectors = [
            b.shuffle(vectors[i], vectors[i + distance], picks)
            for i in range(distance)
            for picks in (low, high)
        ]
    per_vector = lanes // count
    return [b.narrow(vector, count, part * count) for vector in vectors for part in range(per_vector)]


def emit_transpose(
    b: Builder,
    dtype: DType,
    source: Pointer,
    source_stride: int,
    destination: Pointer,
    destination_stride: int,
    rows: tuple[Operand, Operand],
    columns: tuple[Operand, Operand],
) -> None:
    """destination[c, r] = source[r, c] for the given ranges of the source's rows and columns.

    Strides count elements between rows. Threads may share the work by rows or columns; splitting columns at
    multiples of a cache line keeps them from writing the same lines.
    """
    lanes = b.lanes(dtype)
    line = LINE_BYTES // dtype.itemsize

    def block(column: Value, width: int) -> None:
        def at(row: Value, height: int) -> None:
            from_, to = row * source_stride + column, column * destination_stride + row
            if height == lanes and width % lanes == 0:
                with b.loop(0, width, lanes) as first:
                    loaded = [
                        b.load(source, dtype, from_ + first + r * source_stride, lanes) for r in range(lanes)
                    ]
                    for c, vector in enumerate(transpose_vectors(b, loaded)):
                        b.store(destination, vector, to + (first + c) * destination_stride)
                return
            with b.loop(0, width) as c:
                vector = b.load_strided(source, dtype, from_ + c, source_stride, height)
                b.store(destination, vector, to + c * destination_stride)

        b.vector_loop(*rows, lanes, at)

    b.vector_loop(*columns, line, block)
