"""Transposed copies of matrices, block by block in registers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamina.compiler.llvm import FLOAT32, INDEX, Builder, DType, Operand, Pointer, Value
from lamina.compiler.llvm.module import Argument, Module
from lamina.core.memory import LINE_BYTES

RUNTIME_COPY = "lamina_transpose"
_FEWEST_IN_BLOCKS = 16
_NUMBERS = "source_stride", "destination_stride", "first_row", "last_row", "first_column", "last_column"
_ARGUMENTS: Mapping[str, Argument] = {"source": None, "destination": None, **dict.fromkeys(_NUMBERS, INDEX)}


def transpose_vectors(b: Builder, rows: list[Value]) -> list[Value]:
    """Transpose a block whose rows are vectors; the result has a vector for each lane of a row.

    The number of rows is a power of two, at most the lanes of a row. Interleaving row i with row i + n/2 (lower halves,
    then upper halves) brings the elements of each column together after log2(n) rounds.
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
    source: tuple[Pointer, int],
    destination: tuple[Pointer, int],
    rows: tuple[Operand, Operand],
    columns: tuple[Operand, Operand],
) -> None:
    """Emit copies destination[c, r] = source[r, c] for a range of the source's rows and of its columns.

    A matrix is its address, and the number of elements from one row to the next. Threads may share the work by rows or
    columns; splitting columns at multiples of a cache line keeps threads from writing the same lines. All copies of a
    dtype share one function, except copies of a few rows or columns.
    """
    (first, apart), (first_there, apart_there) = source, destination
    rows, columns = (_range(b, bounds) for bounds in (rows, columns))
    for narrow, others, steps, steps_there in (
        (rows, columns, (apart, 1), (1, apart_there)),
        (columns, rows, (1, apart), (apart_there, 1)),
    ):
        if (few := _few(narrow)) is not None:
            from_ = b.offset(first, narrow[0] * steps[0], dtype)
            to = b.offset(first_there, narrow[0] * steps_there[0], dtype)
            with b.loop(*others) as i:
                here, there = b.offset(from_, i * steps[1], dtype), b.offset(to, i * steps_there[1], dtype)
                values = [b.load(here, dtype, n * steps[0]) for n in range(few)]
                for n, value in enumerate(values):
                    b.store(there, value, n * steps_there[0])
            return
    b.is_worth_trouble = False  # the writing thread has no other work
    call_transpose(b, dtype, source, destination, rows, columns)


def call_transpose(
    b: Builder,
    dtype: DType,
    source: tuple[Pointer, int],
    destination: tuple[Pointer, int],
    rows: tuple[Operand, Operand],
    columns: tuple[Operand, Operand],
) -> None:
    """Emit copies as `emit_transpose` does, by a call of the function that all copies of a dtype share.

    That of float32 is the runtime's, which all programs share. The function copies blocks of whole vectors of rows by
    whole cache lines of columns; it is slow for what is left.
    """
    name = f"transposed_{dtype.name}"
    if dtype == FLOAT32 and b.module.has_runtime:
        name = RUNTIME_COPY
        b.module.declare(f"declare void @{name}(ptr, ptr{', i64' * len(_NUMBERS)}) nounwind")
    elif name not in b.module.functions:
        write_copy(b.module, name, dtype)
    (first, apart), (first_there, apart_there) = source, destination
    numbers = [apart, apart_there, *rows, *columns]
    b.call(name, first, first_there, *(b.match(number, b.const(0))[0] for number in numbers))


def _range(b: Builder, bounds: tuple[Operand, Operand]) -> tuple[Value, Value]:
    start, stop = (x if isinstance(x, Value) else b.const(x) for x in bounds)
    return start, stop


def _few(bounds: tuple[Value, Value]) -> int | None:
    """The length of a range, if it is constant and too short for a block; else None."""
    start, stop = (x.constant for x in bounds)
    if start is None or stop is None or stop - start >= _FEWEST_IN_BLOCKS:
        return None
    return int(stop - start)


def write_copy(module: Module[Any], name: str, dtype: DType) -> None:
    """Write the function that `call_transpose` calls."""
    with module.function(name, _ARGUMENTS) as b:
        _emit_copy(b, dtype)


def _emit_copy(b: Builder, dtype: DType) -> None:
    """Emit the body of the copy function: whole blocks in registers, remainders element by element."""
    lanes, line = b.lanes(dtype), LINE_BYTES // dtype.itemsize
    source, destination = b.pointer_argument("source"), b.pointer_argument("destination")
    apart, apart_there = b.argument("source_stride"), b.argument("destination_stride")
    last_row, last_column = b.argument("last_row"), b.argument("last_column")
    with (
        b.loop(b.argument("first_column"), last_column, line) as column,
        b.loop(b.argument("first_row"), last_row, lanes) as row,
    ):
        from_ = b.offset(source, row * apart + column, dtype)
        to = b.offset(destination, column * apart_there + row, dtype)
        width, height = b.minimum(last_column - column, line), b.minimum(last_row - row, lanes)

        def whole_block() -> None:
            """Copy as many rows as a vector has lanes, each one cache line long."""
            with b.loop(0, line, lanes) as first:
                pointer, rows = b.offset(from_, first, dtype), list[Value]()
                for _ in range(lanes):
                    rows.append(b.load(pointer, dtype, 0, lanes))
                    pointer = b.offset(pointer, apart, dtype)
                pointer = b.offset(to, first * apart_there, dtype)
                for vector in transpose_vectors(b, rows):
                    b.store(pointer, vector)
                    pointer = b.offset(pointer, apart_there, dtype)

        def part_of_block() -> None:
            with b.loop(0, width) as c, b.loop(0, height) as r:
                b.store(to, b.load(from_, dtype, r * apart + c), c * apart_there + r)

        is_whole = b.logical_and(b.equal(width, line), b.equal(height, lanes))
        b.if_else(is_whole, whole_block, part_of_block)
