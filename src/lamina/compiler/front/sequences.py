"""Graphs of the operators, writes and backward passes that `lamina.compiler.deferral` has queued."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.compiler.front._arguments import NeedsValue
from lamina.compiler.front._capture import Capture, Uncompilable, tracing
from lamina.compiler.front._debug import level, show
from lamina.compiler.passes.graph import Graph
from lamina.compiler.program import Watch, build
from lamina.compiler.target import NotForTarget, Program, Target
from lamina.core.array import Array
from lamina.core.precision import Precision
from lamina.errors import DeviceError, DeviceMemoryError, TraceError

__all__ = [
    "CapturedSequence", "Uncompilable", "built", "captured_sequence", "level", "show",
]  # fmt: skip


@dataclass(frozen=True)
class CapturedSequence:
    """The graph of queued operations, the array in each of its input slots, and the order of its results."""

    graph: Graph
    arrays: list[Array]
    order: list[int]


def captured_sequence(
    do: Callable[[Iterator[Any]], list[Array]],
    numbers: Sequence[int | float],
    products: tuple[Precision, bool] = ("float32", False),
) -> CapturedSequence:
    """Capture the graph of ``do(numbers)``; the arrays that `do` returns become the graph's results.

    `do` gets the varying numbers as inputs of the graph. Gradients are results, too. `products` are the graph's
    precision and whether its rows are independent. Raises `Uncompilable`.
    """
    precision, independent_rows = products
    capture = Capture(keep_gradients=True, precision=precision, independent_rows=independent_rows)
    dtypes = [np.dtype(np.int64 if isinstance(x, int) else np.float64) for x in numbers]
    try:
        with tracing(capture):
            slots = [capture.number(i, dtype, None) for i, dtype in enumerate(dtypes)]
            captured = capture.finish(do(iter(slots)))
    except (NeedsValue, TraceError) as error:
        raise Uncompilable(str(error)) from error
    return CapturedSequence(captured.graph, captured.arrays, [x.number for x in captured.result])


def built(
    graph: Graph, target: Target, rows: Mapping[int, int] | None = None, watch: Watch | None = None
) -> Program:
    """Build a program from a graph, as `lamina.compiler.program.build` does.

    Raises `Uncompilable` if the target can't compute the graph, or if the device's driver rejects the program.
    """
    try:
        return build(graph, target, rows, watch)
    except NotForTarget as reason:
        raise Uncompilable("what it computes", f"can't be compiled for the device: {reason}") from None
    except DeviceMemoryError:
        raise
    except DeviceError as reason:
        raise Uncompilable("its program", f"can't be loaded: {reason}") from None
