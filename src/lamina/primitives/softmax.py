"""Softmax and log-softmax, composed of primitives when compiled, but single NumPy functions when eager."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.core.lowering import Decompose
from lamina.core.primitive import bind, primitive
from lamina.errors import DTypeError
from lamina.primitives.elementwise import UNARY
from lamina.primitives.reduce import reduce_max, reduce_sum
from lamina.primitives.typing import Type, like_first


def _shifted(x: np.ndarray, axis: int) -> np.ndarray:
    return x - np.maximum.reduce(x, axis=axis, keepdims=True, initial=-np.inf)


def _softmax(x: np.ndarray, axis: int) -> np.ndarray:
    e = np.exp(_shifted(x, axis))
    return np.divide(e, np.add.reduce(e, axis=axis, keepdims=True), out=e)


def _log_softmax(x: np.ndarray, axis: int) -> np.ndarray:
    z = _shifted(x, axis)
    return np.subtract(z, np.log(np.add.reduce(np.exp(z), axis=axis, keepdims=True)), out=z)


_EXP, _LOG = UNARY["exp"], UNARY["log"]


def _compute_softmax(x: np.ndarray, axis: int) -> np.ndarray:
    """Softmax by NumPy, the eager version of `_softmax_composed`."""
    if not x.size or x.dtype.kind != "f":  # the order of sums is irrelevant, and NumPy may raise
        return _softmax(x, axis)
    e = _EXP.compute(x - reduce_max.compute(x, axis=(axis,), keepdims=True))
    return np.divide(e, reduce_sum.compute(e, axis=(axis,), keepdims=True), out=e)


def _compute_log_softmax(x: np.ndarray, axis: int) -> np.ndarray:
    """Log-softmax by NumPy, the eager version of `_log_softmax_composed`."""
    if not x.size or x.dtype.kind != "f":
        return _log_softmax(x, axis)
    z = x - reduce_max.compute(x, axis=(axis,), keepdims=True)
    total = reduce_sum.compute(_EXP.compute(z), axis=(axis,), keepdims=True)
    return np.subtract(z, _LOG.compute(total), out=z)


def _max_kept(x: Any, axis: int) -> Any:
    return bind(reduce_max, x, axis=(axis,), keepdims=True)


def _sum_kept(x: Any, axis: int) -> Any:
    return bind(reduce_sum, x, axis=(axis,), keepdims=True)


def _softmax_composed(x: Any, axis: int) -> Any:
    if x.shape[axis] == 0:
        return x
    e = bind(UNARY["exp"], x - _max_kept(x, axis))
    return e / _sum_kept(e, axis)


def _log_softmax_composed(x: Any, axis: int) -> Any:
    if x.shape[axis] == 0:
        return x
    z = x - _max_kept(x, axis)
    return z - bind(UNARY["log"], _sum_kept(bind(UNARY["exp"], z), axis))


def _type(x: Any, axis: int) -> Type:
    if np.dtype(x.dtype).kind != "f":
        raise DTypeError(
            f"softmax: needs floats, got {np.dtype(x.dtype)}; convert with astype('float32') first"
        )
    return like_first(x)


softmax = primitive(
    "softmax",
    eval=_softmax,
    infer=_type,
    vjp=(lambda g, out, x, axis: out * (g - _sum_kept(g * out, axis)),),
    lowering=Decompose(_softmax_composed),
)
"""``softmax(x, axis=)``, shifted by the maximum so that nothing overflows."""

log_softmax = primitive(
    "log_softmax",
    eval=_log_softmax,
    infer=_type,
    vjp=(lambda g, out, x, axis: g - bind(UNARY["exp"], out) * _sum_kept(g, axis),),
    lowering=Decompose(_log_softmax_composed),
)
"""``log_softmax(x, axis=)``: x − max − log Σ exp(x − max)."""

softmax.compute, log_softmax.compute = _compute_softmax, _compute_log_softmax
