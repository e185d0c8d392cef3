"""Declarations of how the compiler lowers a primitive to code, and its refusals. They don't depend on LLVM.

An ``emit`` function gets ``b``, the code generator's interface, and values, which may be scalars or vectors. It gets
the primitive's parameters by name. These are plain classes, since dataclasses would slow down `import lamina`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from lamina.support.messages import user_location


class Uncompilable(Exception):  # noqa: N818 - not an error: the function runs eagerly instead
    """Raised if a function can't be compiled: the obstacle `what`, the reason `why`, the user's line, `location`."""

    def __init__(self, what: str, why: str = "has no compiled form", location: str | None = None) -> None:
        super().__init__(what)
        self.what, self.why, self.location = what, why, location or user_location()


class Overlap(Exception):  # noqa: N818 - not an error: this call runs eagerly
    """Raised for a call that the compiled step can't execute, for example if a written array overlaps another."""


class Lowering:
    """How the compiler lowers a primitive."""


class Elementwise(Lowering):
    """An elementwise operator: ``emit(b, *values, **params)`` computes a result element from the inputs' elements.

    The inputs are broadcast. `expensive` means that the code takes more than a few instructions and should not be
    duplicated. `conditional` means that the first input is a condition, which may have another dtype than the other
    inputs.
    """

    def __init__(
        self, emit: Callable[..., Any], *, expensive: bool = False, conditional: bool = False
    ) -> None:
        self.emit, self.expensive, self.conditional = emit, expensive, conditional


class Reduction(Lowering):
    """A reduction over ``axis`` by ``combine(b, accumulator, value)``, starting with ``initial(dtype)``.

    `method` is the name of the code generator's method that combines.
    """

    def __init__(self, initial: Callable[[Any], float], method: str) -> None:
        self.initial = initial
        self.combine: Callable[..., Any] = lambda b, x, y: getattr(b, method)(x, y)


LONGEST_CHAIN = 1 << 12
"""The largest number of elements that compiled code adds one after the other in eager evaluation. Longer sums are
computed by NumPy, whose pairwise sums are faster and more accurate."""


@lru_cache(4096)
def longest_chain(shape: tuple[int, ...], itemsize: int, axis: tuple[int, ...]) -> int:
    """The number of elements that each SIMD lane adds in a compiled fold; see docs/adr/one-arithmetic.md."""
    folded = math.prod([shape[a] for a in axis])
    if not folded:
        return 0
    length = shape[-1]
    return folded // length * -(-length * itemsize // 64) if len(shape) - 1 in axis else folded


@lru_cache(4096)
def merged_row(shape: tuple[int, ...], itemsize: int, axis: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape with the reduced last axes merged into one, if that avoids chains longer than `LONGEST_CHAIN`.

    Otherwise None. Lanes go along the last axis, so that a short one leaves lanes empty.
    """
    first = len(shape) - len(axis)
    if len(axis) < 2 or axis != tuple(range(first, len(shape))):
        return None
    chain = longest_chain(shape, itemsize, axis)
    if chain <= LONGEST_CHAIN:
        return None
    merged = (*shape[:first], math.prod(shape[first:]))
    shorter = longest_chain(merged, itemsize, (first,))
    return merged if shorter <= LONGEST_CHAIN or 2 * shorter <= chain else None


class ArgReduction(Lowering):
    """An argmin or argmax: the position along ``axis`` of the first best element, by ``better(b, value, best)``."""

    def __init__(self, better: Callable[..., Any]) -> None:
        self.better = better


class Contraction(Lowering):
    """A matrix product, optionally batched, with flags ``transpose_a`` and ``transpose_b``."""


class Reshape(Lowering):
    """A change of shape that keeps the order of the elements, and therefore needs no code."""


class Movement(Lowering):
    """A copy of elements to other positions, such as a transpose or a slice.

    ``index(out_index, in_shape, **params)`` returns the input's index for an output's index; it must be affine. Indices
    are lists with one `lamina.compiler.emit.scope.Axis` per axis, which supports addition to and multiplication
    by integers.
    """

    def __init__(self, index: Callable[..., list[Any]]) -> None:
        self.index = index


class Pull(Lowering):
    """A gather: ``element(b, out_index, inputs, **params)`` computes an output element from arbitrary input elements.

    ``inputs[k](index)`` is the value of input k at an index. ``inputs[k].shape`` and ``inputs[k].dtype`` describe input
    k. `expensive` has the same meaning as for `Elementwise`.
    """

    def __init__(self, element: Callable[..., Any], *, expensive: bool = False) -> None:
        self.element, self.expensive = element, expensive


class Scatter(Lowering):
    """Adds (or writes, in order) elements of the first input to zeros at ``index(b, in_index, inputs, **params)``."""

    def __init__(self, index: Callable[..., list[Any]], *, adds: bool = True) -> None:
        self.index, self.adds = index, adds


class Fill(Lowering):
    """A generator of random numbers in blocks; the code generator has code for each such primitive's name."""


class Decompose(Lowering):
    """A composition of other operators: ``function(*arrays, **params)`` is called while tracing."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
