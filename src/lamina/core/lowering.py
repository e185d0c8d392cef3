"""Declarations of how a primitive is compiled, read by the compiler. Nothing here depends on LLVM.

An ``emit`` function gets ``b``, the code generator's interface, and values that may be scalars or vectors; parameters
of the primitive are passed by name. These are plain classes, since dataclasses would slow down `import lamina`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Elementwise:
    """Element i of the result depends on elements i of the broadcast inputs: ``emit(b, *values, **params)``.

    `expensive` means more than a few instructions, which should not be computed twice. `conditional` means that the
    first input is a condition, whose dtype is independent of the other inputs'.
    """

    def __init__(
        self, emit: Callable[..., Any], *, expensive: bool = False, conditional: bool = False
    ) -> None:
        self.emit, self.expensive, self.conditional = emit, expensive, conditional


class Reduction:
    """Reduction over ``axis``: starts from ``initial(dtype)`` and applies ``combine(b, accumulator, value)``."""

    def __init__(self, initial: Callable[[Any], float], combine: Callable[..., Any]) -> None:
        self.initial = initial
        self.combine = combine


class ArgReduction:
    """Position along ``axis`` of the first element that is ``better(b, value, best)`` than all others."""

    def __init__(self, better: Callable[..., Any]) -> None:
        self.better = better


class Contraction:
    """A matrix product, optionally batched, with flags ``transpose_a`` and ``transpose_b``."""


class Reshape:
    """The same elements in the same order, in another shape; no code is needed."""


class Movement:
    """An affine index map: ``index(out_index, in_shape, **params)`` returns the input's index for an output's index.

    Indices are lists of `lamina.compiler.emit.expressions.Axis`, one per axis, which support addition to and
    multiplication by integers.
    """

    def __init__(self, index: Callable[..., list[Any]]) -> None:
        self.index = index


class Pull:
    """Each output element is computed from arbitrary input elements: ``element(b, out_index, inputs, **params)``.

    ``inputs[k](index)`` is the value of input k at an index; ``inputs[k].shape`` and ``.dtype`` are its type.
    `expensive` is the same as for `Elementwise`.
    """

    def __init__(self, element: Callable[..., Any], *, expensive: bool = False) -> None:
        self.element, self.expensive = element, expensive


class Scatter:
    """Starts from zeros and adds each element of the first input at ``index(b, in_index, inputs, **params)``.

    With ``adds=False`` elements are written in order, not added.
    """

    def __init__(self, index: Callable[..., list[Any]], *, adds: bool = True) -> None:
        self.index, self.adds = index, adds


class Fill:
    """Numbers generated in blocks (a random stream); the code generator has code for each such primitive's name."""


class Decompose:
    """A composition of other operators: ``function(*arrays, **params)``, run while tracing."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function


Lowering = (
    Elementwise
    | Reduction
    | ArgReduction
    | Contraction
    | Reshape
    | Movement
    | Pull
    | Scatter
    | Fill
    | Decompose
)
