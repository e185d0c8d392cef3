"""How a primitive is compiled: declarations that the compiler reads. Nothing here knows LLVM.

An ``emit`` function gets ``b``, the code generator's facade, and values that may be scalars or vectors; parameters of
the primitive arrive by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = [
    "ArgReduction",
    "Contraction",
    "Decompose",
    "Elementwise",
    "Fill",
    "Lowering",
    "Movement",
    "Pull",
    "Reduction",
    "Reshape",
    "Scatter",
]


@dataclass(frozen=True)
class Elementwise:
    """Element i of the result from elements i of the (broadcast) inputs: ``emit(b, *values, **params)``."""

    emit: Callable[..., Any]


@dataclass(frozen=True)
class Reduction:
    """Over the axes ``axis``: start from `initial` (dtype → number), fold with ``combine(b, accumulator, value)``."""

    initial: Callable[[Any], float]
    combine: Callable[..., Any]


@dataclass(frozen=True)
class ArgReduction:
    """The position along ``axis`` of the first element with ``better(b, value, best)`` against all others."""

    better: Callable[..., Any]


@dataclass(frozen=True)
class Contraction:
    """A matrix product, perhaps batched, with flags ``transpose_a`` and ``transpose_b``."""


@dataclass(frozen=True)
class Reshape:
    """The same elements in the same order under another shape: never a copy."""


@dataclass(frozen=True)
class Movement:
    """An affine index map: ``index(out_index, in_shape, **params)`` gives the input's index for an output's index.

    Indices are lists of `lamina.compiler.index.Axis`, one for each axis; they can be added to and multiplied with
    integers.
    """

    index: Callable[..., list[Any]]


@dataclass(frozen=True)
class Pull:
    """Each output element fetches what it needs: ``element(b, out_index, inputs, **params)``.

    ``inputs[k](index)`` is the value of input k there, ``inputs[k].shape`` and ``.dtype`` its type.
    """

    element: Callable[..., Any]


@dataclass(frozen=True)
class Scatter:
    """Starts from zeros and adds each element of the first input at ``index(b, in_index, inputs, **params)``."""

    index: Callable[..., list[Any]]


@dataclass(frozen=True)
class Fill:
    """Numbers that come in blocks (a random stream): emitted by the code generator under the primitive's name."""


@dataclass(frozen=True)
class Decompose:
    """By other operators: ``function(*arrays, **params)``, run while tracing."""

    function: Callable[..., Any]


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
