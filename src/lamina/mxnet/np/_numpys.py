"""Functions computed by NumPy, without gradients and only outside training steps.

MXNet, too, calls NumPy for functions that it lacks. The results are converted to arrays. While gradients are recorded,
an argument that needs a gradient raises an error.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from inspect import signature
from typing import Any

import numpy as onp

from lamina.core.array import Array
from lamina.core.state import state
from lamina.core.tape import is_recorded
from lamina.errors import AutogradError
from lamina.mxnet.np.conversion import copied, function
from lamina.nd.facade import mapped, plain, shown
from lamina.nd.operators import named

WITHOUT_SLOPE = ("allclose", "argwhere", "array_equal", "array_equiv", "isclose", "nonzero")
"""Functions that don't depend on their arguments smoothly, and may read arrays that need a gradient."""


def by_numpy(name: str, compute: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call NumPy's function `compute` on the arrays' values, and convert arrays in its result to `NDArray`s.

    A float64 result becomes float32, unless an argument is float64. The result is on the device ``ctx``, by default the
    first array argument's.
    """
    has_double, context = False, kwargs.pop("ctx", None)

    def numbers(x: Any) -> Any:
        nonlocal has_double, context
        if not isinstance(x, Array):
            return x
        if state.recording and is_recorded(x) and name not in WITHOUT_SLOPE:
            raise AutogradError(
                f"{name} is computed by NumPy and has no gradient, but an array of shape {x.shape} needs one: "
                "call it with x.detach(), or outside autograd.record()"
            )
        has_double = has_double or x._dtype == onp.float64
        context = context or x._context
        return x._numbers()

    result = compute(*mapped(args, numbers), **mapped(kwargs, numbers))

    def array(x: Any) -> Any:
        if not isinstance(x, onp.ndarray | onp.number | onp.bool_) or x.dtype.kind not in "fiub":
            return x
        dtype = onp.float32 if x.dtype == onp.float64 and not has_double else x.dtype
        return copied(x, dtype=dtype, ctx=context)

    return mapped(result, array)


def of_numpy(name: str, compute: Callable[..., Any] | None = None, doc: str = "") -> Callable[..., Any]:
    """Make a function of ``np.ndarray`` that calls `compute`, by default NumPy's function `name`."""
    chosen = compute or getattr(onp, name)

    def body(*args: Any, **kwargs: Any) -> Any:
        return by_numpy(name, chosen, *args, **kwargs)

    body.__module__ = sys._getframe(1).f_globals["__name__"]  # the calling module, as in namedtuple
    with suppress(ValueError):  # ufuncs have no signature
        body.__dict__["__signature__"] = signature(chosen)
    doc = doc or f"NumPy's `{name}`, computed by NumPy: it has no gradient."
    return function(named(body, name, doc))


# --- NumPy's protocols: NumPy's functions on ``np.ndarray`` call `lamina.np`, as in MXNet ---------------------------

OWN: dict[str, Any] = {}
"""The functions of `lamina.np`, which the module enters, and those of `linalg` with the prefix "linalg."."""


def by_function(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Call the function of `lamina.np` with the same name, or if it is missing, NumPy's on the arrays' values."""
    module = getattr(function, "__module__", None) or ""
    prefix = "linalg." if module.startswith("numpy.linalg") else ""
    found = OWN.get(prefix + function.__name__)
    return _given_to_numpy(function, args, kwargs) if found is None else found(*args, **kwargs)


def by_ufunc(ufunc: Any, method: str, inputs: Any, kwargs: dict[str, Any]) -> Any:
    """Call the function of `lamina.np` for a ufunc, as in ``numpy.exp(x)``, or NumPy's ufunc on the values."""
    out = kwargs.pop("out", None)
    if out is not None:
        kwargs["out"] = out[0]
    if method == "__call__":
        return by_function(ufunc, inputs, kwargs)
    return _given_to_numpy(getattr(ufunc, method), inputs, kwargs)


def _given_to_numpy(compute: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Call a function of NumPy on the arrays' values, and return ``np.ndarray``."""
    name = getattr(compute, "__name__", "a function of NumPy's")
    result = by_numpy(name, compute, *mapped(args, plain), **mapped(kwargs, plain))
    return mapped(result, shown)
