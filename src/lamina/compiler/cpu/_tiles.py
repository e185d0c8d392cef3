"""The register tile of a matrix product: rows and vectors of the result that are accumulated in registers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from lamina.compiler.cpu.machine import Machine
from lamina.compiler.llvm import Builder, Value
from lamina.compiler.llvm.values import DType

FMA_LATENCY = 4.0  # cycles, on every x86-64 and ARM core since about 2015
LOADS_PER_CYCLE = 2.0
_MOST_VECTORS = 8  # hides the latency for a single row; wider tiles leave nothing for other threads
_LONG_STEP = 8  # cycles
_STEP_OVERHEAD = 0.5  # cycles for a step's counters and addresses
_ABOUT_EQUAL = 1.015  # the factor between the cycles of tiles of 512 bits that the model does not tell apart


@dataclass(frozen=True)
class TileShape:
    """A tile of `rows` rows by `vectors` vectors."""

    rows: int
    vectors: int


def vector_widths(columns: int, lanes: int) -> tuple[int, ...]:
    """The number of used lanes of each vector across `columns` columns: 10 columns at 8 lanes are (8, 2)."""
    whole, rest = divmod(columns, lanes)
    return (lanes,) * whole + ((rest,) if rest else ())


@cache
def choose_tile(machine: Machine, dtype: DType, rows: int, columns: int) -> TileShape:
    """The tile that covers `rows` by `columns` in the fewest cycles, by a simple model of a core.

    A step of a tile multiplies `vectors` vectors of B with `rows` elements of A. Its time is the maximum of the times
    of its fused multiply-adds and of its loads, and, if the multiply-adds are too few to overlap, the latency of one.
    The tile, the vectors of B and one element of A must fit the registers (a single row reads the vectors of B from
    memory).
    """
    vectors = -(-columns // machine.lanes(dtype))
    candidates = [
        TileShape(tile_rows, tile_vectors)
        for tile_vectors in range(1, min(vectors, _MOST_VECTORS) + 1)
        for tile_rows in range(1, min(rows, _most_rows(machine, tile_vectors)) + 1)
    ]
    cycles = {tile: _cycles(machine, tile, rows, vectors) for tile in candidates}
    most = min(cycles.values()) * (_ABOUT_EQUAL if machine.vector_bits >= 512 else 1)
    fast = (tile for tile in candidates if cycles[tile] <= most)
    return min(fast, key=lambda tile: (*_preference(tile, rows, vectors), cycles[tile]))


@cache
def step_cycles(machine: Machine, dtype: DType, rows: int, columns: int) -> float:
    """The cycles of one step along the inner dimension over `rows` by `columns`, with the best tile."""
    vectors = -(-columns // machine.lanes(dtype))
    return _cycles(machine, choose_tile(machine, dtype, rows, columns), rows, vectors)


def _preference(tile: TileShape, rows: int, vectors: int) -> tuple[bool, int, float]:
    """A sort key for tiles that are about equal in the model.

    Tiles of two vectors come first (measured fastest on AVX2 and AVX-512), then those with the least code (remainders
    repeat the code), then those with the fewest loads.
    """
    left_over = bool(rows % tile.rows) + bool(vectors % tile.vectors)
    return tile.vectors != 2, left_over, (tile.rows + tile.vectors) / (tile.rows * tile.vectors)


def _most_rows(machine: Machine, vectors: int) -> int:
    """The most rows of a tile of `vectors` vectors, whose sums stay in registers.

    With 32 registers, 16 accumulators reach the peak, and more would only leave larger remainders. Where multiplication
    and addition are separate instructions, the products need registers, too.
    """
    most = 12 if machine.has_fused_multiply_add else 8
    if machine.vector_registers == 32:
        most = 16
    return max(1, min(most, machine.vector_registers - vectors - 1) // vectors)


def _cycles(machine: Machine, tile: TileShape, rows: int, vectors: int) -> float:
    """The cycles of one step along the inner dimension over `rows` by `vectors` vectors, with this tile."""
    cycles = 0.0
    for count, tile_vectors in _repeats(vectors, tile.vectors):
        for times, tile_rows in _repeats(rows, tile.rows):
            cycles += count * times * _step_cycles(machine, tile_rows, tile_vectors)
    return cycles


def _repeats(extent: int, step: int) -> list[tuple[int, int]]:
    whole, rest = divmod(extent, step)
    return [(whole, step), (1, rest)] if rest else [(whole, step)]


def _step_cycles(machine: Machine, rows: int, vectors: int) -> float:
    multiplying = rows * vectors / multiply_adds_per_cycle(machine)
    return max(multiplying, (rows + vectors) / LOADS_PER_CYCLE, FMA_LATENCY) + _STEP_OVERHEAD


def multiply_adds_per_cycle(machine: Machine) -> float:
    """The number of vector multiply-adds per cycle of a core."""
    return 1.0 if machine.vector_bits >= 512 or not machine.has_fused_multiply_add else 2.0


def unrolled_steps(machine: Machine, rows: int, vectors: int) -> int:
    """The steps along the inner dimension to emit in one iteration: one if a step hides the loop's overhead."""
    return 1 if rows * vectors / multiply_adds_per_cycle(machine) >= _LONG_STEP else 2


# --- Loops that cover a range by steps of a fixed size, with a smaller step at the end -------------------------------


Range = tuple[Value, Value]

Body = Callable[[Value, int], None]
"""`body(position, size)` emits code for `size` elements from `position` on."""


def cover(b: Builder, extent: int, step: int, bounds: Range, body: Body) -> None:
    """Call `body(start, size)` for pieces of `step` that cover the range `bounds` within range(extent).

    Each bound is a multiple of `step` or `extent` itself, so only the last piece may be smaller.
    """
    whole = extent // step * step
    start, stop = bounds
    if whole:
        with b.loop(start, b.minimum(stop, whole), step) as position:
            body(position, step)
    if whole < extent:
        with b.if_(b.logical_and(b.greater(stop, whole), b.less(start, stop))):
            body(b.const(whole), extent - whole)
