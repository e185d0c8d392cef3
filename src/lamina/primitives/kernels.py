"""Eager evaluation by compiled code, where NumPy rounds differently."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.core.primitive import Primitive

Function = Callable[..., Any]


def by_dtype(primitive: Primitive, find: Callable[[np.dtype], Function | None]) -> Function:
    """A function for `Primitive.compute` that calls the function returned by ``find(dtype)``, cached by dtype.

    If `find` returns None, the function calls the primitive's `eval`.
    """
    known: dict[str, Function] = {}

    def compute(x: np.ndarray, *others: Any, **params: Any) -> Any:
        function = known.get(x.dtype.char)
        if function is None:
            function = find(np.dtype(x.dtype.type))
            if function is None:
                return primitive.eval(x, *others, **params)
            known[x.dtype.char] = function
        return function(x, *others, **params)

    return compute
