"""Compiled code of single operators, for eager evaluation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.compiler.cpu.folds import fold
from lamina.compiler.cpu.ufuncs import elementwise
from lamina.core.lowering import Reduction
from lamina.core.primitive import Primitive

__all__ = ["kernel"]


def kernel(primitive: Primitive, dtype: np.dtype) -> Callable[..., Any] | None:
    """See `lamina.core.primitive.kernel`; None where there is no compiler for the processor."""
    make = fold if isinstance(primitive.lowering, Reduction) else elementwise
    return make(primitive, dtype)
