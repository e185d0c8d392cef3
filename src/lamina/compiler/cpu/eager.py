"""Compilation of single operators, for eager evaluation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.compiler.cpu.eager_products import product
from lamina.compiler.cpu.folds import fold
from lamina.compiler.cpu.ufuncs import elementwise
from lamina.core.lowering import Contraction, Reduction
from lamina.core.primitive import Primitive


def kernel(primitive: Primitive, dtype: np.dtype, inputs: int) -> Callable[..., Any] | None:
    """The compiled code of a primitive; see `lamina.core.primitive.kernel`.

    None if the primitive can't be compiled, or if lamina can't compile for the processor.
    """
    match primitive.lowering:
        case Reduction():
            return fold(primitive, dtype)
        case Contraction():
            return product(primitive, dtype)
        case _:
            return elementwise(primitive, dtype, inputs)
