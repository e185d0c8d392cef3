"""Many batches in one go: the rows of an index matrix, with no Python between steps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.compiler.arguments import Arguments, rebuild, sequence_like
from lamina.core.array import Array
from lamina.errors import ShapeError

if TYPE_CHECKING:
    from lamina.compiler.compiled import CompiledFunction

__all__ = ["run_batches"]

_CHUNK_SECONDS = 0.04


def run_batches(
    compiled: CompiledFunction,
    indices: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    progress: Callable[[int, int], None] | None,
) -> Any:
    """See `CompiledFunction.run_batches`."""
    values = [*args, *kwargs.values()]
    rows = _checked_rows(indices, Arguments(values, frozenset(), frozenset()).arrays)
    entry, taken = compiled.specialize(values, tuple(kwargs), batch=rows.shape[1])
    if entry is None:
        return _run_eagerly(compiled.original, rows, args, kwargs, progress)
    chunks: list[list[np.ndarray]] = []
    done, size = 0, 1
    while done < len(rows):
        part = rows[done : done + size]
        values_of_steps = [v for _ in range(len(part)) for v in entry.number_values(taken.numbers)]
        start = time.perf_counter()
        chunks.append(entry.run_steps([_index(part[0]), *taken.arrays], values_of_steps, len(part)))
        seconds = (time.perf_counter() - start) / len(part)
        done += len(part)
        size = max(1, min(int(_CHUNK_SECONDS / max(seconds, 1e-9)), 4 * size, 10_000))
        if progress is not None:
            progress(done, len(rows))
    return _stacked(entry, chunks)


def _stacked(entry: Any, chunks: list[list[np.ndarray]]) -> Any:
    from lamina.compiler.specialization import fill_template

    count = len(entry.program.graph.results)
    if not chunks:
        empty = [np.empty((0, *n.shape), n.dtype) for n in entry.program.graph.results]
        return fill_template(entry.captured.result, empty, ())
    whole = [np.concatenate([chunk[i] for chunk in chunks]) for i in range(count)]
    return fill_template(entry.captured.result, whole, ())


def _index(part: np.ndarray) -> Array:
    from lamina.context import current_context
    from lamina.nd.ndarray import NDArray

    return NDArray(part, current_context())


def _checked_rows(indices: Any, arrays: list[Array]) -> np.ndarray:
    """The index matrix as int32, every index checked against every array."""
    source = indices.asnumpy() if hasattr(indices, "asnumpy") else np.asarray(indices)
    if source.ndim != 2 or source.dtype.kind not in "iuf":
        raise ShapeError(f"run_batches: needs an integer matrix (steps, batch), got shape {source.shape}")
    if source.dtype.kind == "f" and not (source == np.floor(source)).all():
        raise ShapeError("run_batches: indices must be whole numbers")
    if not arrays:
        raise ShapeError("run_batches: needs at least one array argument to take rows from")
    shortest = min(x.shape[0] for x in arrays)
    if source.size and (source.min() < 0 or source.max() >= shortest):
        raise ShapeError(
            f"run_batches: indices go from {source.min()} to {source.max()}, but the shortest array has "
            f"{shortest} rows"
        )
    return np.ascontiguousarray(source, dtype=np.int32)


def _run_eagerly(
    function: Callable[..., Any],
    rows: np.ndarray,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    progress: Callable[[int, int], None] | None,
) -> Any:
    """The same, step by step in Python, for functions that do not compile."""
    from lamina import nd

    results: list[Any] = []
    for done, row in enumerate(rows, 1):
        index = nd.array(row, dtype=np.int32)

        def batch(array: Any, index: Any = index) -> Any:
            return nd.take(array, index, axis=0)

        step_args = [rebuild(x, batch, lambda n: n) for x in args]
        step_kwargs = {k: rebuild(v, batch, lambda n: n) for k, v in kwargs.items()}
        results.append(function(*step_args, **step_kwargs))
        if progress is not None:
            progress(done, len(rows))
    return _stack_results(results)


def _stack_results(results: list[Any]) -> Any:
    from lamina import nd

    first = results[0] if results else None
    if isinstance(first, nd.NDArray):
        return nd.stack(*results, axis=0)
    if isinstance(first, tuple | list):
        return sequence_like(first, [_stack_results([r[i] for r in results]) for i in range(len(first))])
    if isinstance(first, dict):
        return {k: _stack_results([r[k] for r in results]) for k in first}
    return first
