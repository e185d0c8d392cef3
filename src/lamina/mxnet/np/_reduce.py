"""Reductions: sums, means, extrema and their positions. A reduction over all axes has shape ().

>>> from lamina import np
>>> x = np.array([[1, 2], [3, 4]])
>>> np.sum(x), np.mean(x, axis=0), np.argmax(x, axis=1)
(array(10.), array([2., 3.]), array([1, 1], dtype=int64))
"""

from __future__ import annotations

import math
from typing import Any

import numpy as onp

from lamina import nd
from lamina.core.primitive import Primitive, bind
from lamina.errors import ShapeError
from lamina.mxnet.np._numpys import by_numpy
from lamina.mxnet.np.conversion import along, as_array, function, of_array, with_shape
from lamina.mxnet.np.promotion import arithmetic, as_bool, as_float, cast_to
from lamina.primitives import BINARY, COMPARISON, UNARY, elementwise, reduce, reduce_prod
from lamina.primitives.typing import element_type, normalize_axes, normalize_axis

__all__ = [
    "all", "alltrue", "amax", "amin", "any", "argmax", "argmin", "average", "count_nonzero", "cumsum", "max", "mean",
    "min", "nanprod", "nansum", "prod", "product", "ptp", "sometrue", "std", "sum", "var",
]  # fmt: skip

_INT = onp.dtype(onp.int64)


def _reduced(name: str, primitive: Primitive, x: Any, axis: Any, keepdims: Any) -> Any:
    """Reduce `x` over `axis`, which is an axis, several axes, or None for all."""
    axes = normalize_axes(name, axis, len(x.shape))
    out = bind(primitive, x, axis=axes, keepdims=bool(keepdims))
    return with_shape(out, ()) if len(axes) == len(x.shape) and not keepdims else out


def _in_type(x: Any, dtype: Any) -> Any:
    """`x` converted to `dtype` for a sum; without a `dtype`, bools become int64."""
    if dtype is not None:
        return cast_to(x, element_type(dtype))
    return cast_to(x, _INT) if x._dtype.kind == "b" else x


@function
def sum(
    a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, initial: float | None = None
) -> Any:
    """The sum over `axis`, computed in `dtype` (by default int64 for bools).

    >>> from lamina import np
    >>> np.sum(np.ones((2, 3)), axis=1, keepdims=True)
    array([[3.],
           [3.]])
    """
    total = _reduced("sum", reduce.reduce_sum, _in_type(as_array(a), dtype), axis, keepdims)
    return total if initial is None else arithmetic(BINARY["add"], total, initial)


@function
def prod(
    a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, initial: float | None = None
) -> Any:
    """The product over `axis`, computed in `dtype` (by default int64 for bools)."""
    product = _reduced("prod", reduce_prod, _in_type(as_array(a), dtype), axis, keepdims)
    return product if initial is None else arithmetic(BINARY["multiply"], product, initial)


@function
def max(a: Any, axis: Any = None, keepdims: bool = False, initial: float | None = None) -> Any:
    """The maximum over `axis`, or NaN if any element is NaN; every maximal element gets the gradient."""
    found = _reduced("max", reduce.reduce_max, as_array(a), axis, keepdims)
    return found if initial is None else arithmetic(BINARY["maximum"], found, initial)


@function
def min(a: Any, axis: Any = None, keepdims: bool = False, initial: float | None = None) -> Any:
    """The minimum over `axis`, or NaN if any element is NaN; every minimal element gets the gradient."""
    found = _reduced("min", reduce.reduce_min, as_array(a), axis, keepdims)
    return found if initial is None else arithmetic(BINARY["minimum"], found, initial)


@of_array
def ptp(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The maximum minus the minimum over `axis`."""
    highest = _reduced("ptp", reduce.reduce_max, a, axis, keepdims)
    return arithmetic(BINARY["subtract"], highest, _reduced("ptp", reduce.reduce_min, a, axis, keepdims))


def _count(x: Any, axis: Any) -> int:
    return math.prod([x.shape[i] for i in normalize_axes("mean", axis, len(x.shape))])


def _mean(x: Any, axis: Any, keepdims: Any) -> Any:
    total = _reduced("mean", reduce.reduce_sum, x, axis, keepdims)
    return bind(BINARY["divide"], total, float(_count(x, axis)))


@function
def mean(a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """The mean over `axis`, as float32 for integers."""
    return _mean(as_float(_in_type(as_array(a), dtype)), axis, keepdims)


def _variance(a: Any, axis: Any, dtype: Any, ddof: int, keepdims: Any) -> Any:
    x = as_float(_in_type(as_array(a), dtype))
    apart = bind(BINARY["subtract"], x, _mean(x, axis, True))
    total = _reduced("var", reduce.reduce_sum, bind(BINARY["multiply"], apart, apart), axis, keepdims)
    return bind(BINARY["divide"], total, float(_count(x, axis) - ddof))


@function
def var(a: Any, axis: Any = None, dtype: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """The variance over `axis`, with divisor count - `ddof`, as float32 for integers."""
    return _variance(a, axis, dtype, ddof, keepdims)


@function
def std(a: Any, axis: Any = None, dtype: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """The standard deviation over `axis`, the square root of `var`."""
    return bind(UNARY["sqrt"], _variance(a, axis, dtype, ddof, keepdims))


@function
def average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False) -> Any:
    """The weighted mean over `axis`; with `returned`, a pair with the sum of the weights.

    >>> from lamina import np
    >>> np.average(np.array([1, 3]), weights=np.array([3, 1]))
    array(1.5)
    """
    x = as_float(as_array(a))
    if weights is None:
        found = _mean(x, axis, False)
        if not returned:
            return found
        return found, bind(BINARY["add"], bind(BINARY["multiply"], found, 0.0), float(_count(x, axis)))
    w = as_array(weights)
    if w.shape != x.shape:
        if axis is None or w.ndim != 1 or w.shape[0] != x.shape[axis]:
            raise ShapeError(
                f"average: weights of shape {w.shape} do not fit an array {x.shape} along axis {axis}"
            )
        place = normalize_axis("average", axis, x.ndim)
        w = with_shape(w, tuple([n if i == place else 1 for i, n in enumerate(x.shape)]))
    weighted = arithmetic(BINARY["multiply"], x, w)
    shares = arithmetic(BINARY["multiply"], bind(COMPARISON["equal"], x, x), w)  # weights in the shape of x
    total = _reduced("average", reduce.reduce_sum, shares, axis, False)
    found = bind(BINARY["divide"], _reduced("average", reduce.reduce_sum, weighted, axis, False), total)
    return (found, total) if returned else found


# --- truth -----------------------------------------------------------------------------------------------------------


@function
def any(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether any element is nonzero."""
    return _truth(a, axis, keepdims, all_of_them=False)


@function
def all(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether all elements are nonzero."""
    return _truth(a, axis, keepdims, all_of_them=True)


def _truth(a: Any, axis: Any, keepdims: Any, all_of_them: bool) -> Any:
    """Whether any element is nonzero, or with `all_of_them` whether all are."""
    x = as_bool(as_array(a))
    counted = bind(COMPARISON["equal"], x, False) if all_of_them else x
    name = "all" if all_of_them else "any"
    found = as_bool(_reduced(name, reduce.reduce_sum, cast_to(counted, _INT), axis, keepdims))
    return bind(COMPARISON["equal"], found, False) if all_of_them else found


@function
def count_nonzero(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The number of nonzero elements, as int64."""
    return _reduced("count_nonzero", reduce.reduce_sum, cast_to(as_bool(as_array(a)), _INT), axis, keepdims)


# --- positions and sums on the way -----------------------------------------------------------------------------------

_EXACT = 1 << 24
"""The number of positions that float32 can distinguish."""


def _position(name: str, primitive: Primitive, a: Any, axis: int | None, keepdims: bool) -> Any:
    x = as_array(a)
    x = cast_to(x, _INT) if x._dtype.kind == "b" else x
    flat, place = along(name, x, axis)
    if flat.shape[place] > _EXACT:
        found = by_numpy(name, getattr(onp, name), flat, axis=place)
    else:
        found = cast_to(bind(primitive, flat, axis=place, keepdims=False), _INT)
    if keepdims:
        kept = [1 if axis is None or i == place else n for i, n in enumerate(x.shape)]
        return with_shape(found, tuple(kept))
    return with_shape(found, flat.shape[:place] + flat.shape[place + 1 :])


@function
def argmax(a: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The position of the first maximum along `axis`, or in the flattened array if None, as int64."""
    return _position("argmax", reduce.argmax, a, axis, keepdims)


@function
def argmin(a: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The position of the first minimum along `axis`, or in the flattened array if None, as int64."""
    return _position("argmin", reduce.argmin, a, axis, keepdims)


@function
def cumsum(a: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """The cumulative sum along `axis`, or of the flattened array if None."""
    x, place = along("cumsum", _in_type(as_array(a), dtype), axis)
    return nd.cumsum(x, axis=place)


def _known(x: Any, instead: float) -> Any:
    return bind(elementwise.where, bind(COMPARISON["equal"], x, x), x, instead) if x._dtype.kind == "f" else x


@function
def nansum(a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """The sum over `axis`, with NaN counted as 0."""
    return _reduced("nansum", reduce.reduce_sum, _known(_in_type(as_array(a), dtype), 0.0), axis, keepdims)


@function
def nanprod(a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """The product over `axis`, with NaN counted as 1."""
    return _reduced("nanprod", reduce_prod, _known(_in_type(as_array(a), dtype), 1.0), axis, keepdims)


amax, amin, product, alltrue, sometrue = max, min, prod, all, any
