"""What generated code computes beside what `eval` does: types, values within a few roundings, signs of zeros."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from examples_of_primitives import Example

from lamina import nd
from lamina.compiler.cpu.machine import host_machine, target_machine
from lamina.core.primitive import REGISTRY

__all__ = ["arguments", "assert_same", "by_numpy", "has_one_arithmetic", "same_numbers"]


@contextmanager
def by_numpy() -> Iterator[None]:
    """Inside, eager evaluation is NumPy's `eval` for all operators: an oracle for compiled code."""
    computed = {p: p.compute for p in REGISTRY.values()}
    for p in computed:
        p.compute = p.eval
    try:
        yield
    finally:
        for p, compute in computed.items():
            p.compute = compute


def has_one_arithmetic() -> bool:
    """Whether eager evaluation on this processor and code compiled for the target round alike: both by fused
    multiply-adds, and not by a matrix unit (docs/adr/one-arithmetic.md)."""
    fused = host_machine().has_fused_multiply_add and target_machine().has_fused_multiply_add
    return fused and not target_machine().has_matrix_unit


def same_numbers(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether arrays have the same bits, but for those of NaN and the sign of zero; else, where processors round
    differently, whether they are close."""
    if has_one_arithmetic():
        return np.array_equal(x, y, equal_nan=x.dtype.kind == "f")
    return np.allclose(y, x, rtol=1e-5, atol=1e-5, equal_nan=True)


def arguments(example: Example, dtype: Any, ctx: Any = None) -> list[Any]:
    inputs = example.with_dtype(dtype)
    return [nd.array(x, ctx=ctx, dtype=x.dtype) if isinstance(x, np.ndarray) else x for x in inputs]


def assert_same(actual: Any, expected: Any, what: str, exact: bool = False) -> None:
    """Equal types and, within a few roundings of the largest element's order, values; zeros with their signs.

    The machine code's functions are good to a few ulps, and a reduction adds in another order, so an error of
    some eps of the largest term is right. Denormals may be flushed to zero.
    """
    x, y = actual.asnumpy(), expected.asnumpy()
    assert (x.shape, x.dtype) == (y.shape, y.dtype), what
    if exact or x.dtype.kind != "f":
        np.testing.assert_array_equal(x, y, err_msg=what)
        return
    info = np.finfo(x.dtype)
    finite = np.abs(y[np.isfinite(y)])
    largest = float(finite.max()) if finite.size else 0.0
    atol = max(4 * info.eps * min(largest, 1e3), info.tiny)
    np.testing.assert_allclose(x, y, rtol=32 * info.eps, atol=atol, err_msg=what)
