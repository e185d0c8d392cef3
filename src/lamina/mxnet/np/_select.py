"""Selection of elements by position, condition or order."""

from __future__ import annotations

from typing import Any

import numpy as onp

from lamina import nd
from lamina.core.array import Array
from lamina.core.memory import share_memory
from lamina.core.primitive import bind
from lamina.errors import ParameterError, ShapeError
from lamina.mxnet.np._numpys import by_numpy
from lamina.mxnet.np._reduce import sum as sum_of
from lamina.mxnet.np.conversion import along, as_array, copied, function, of_array, with_shape
from lamina.mxnet.np.promotion import NUMBERS, as_bool, cast_to, joined
from lamina.nd.facade import plain
from lamina.primitives import elementwise, indexing, normalize_axis

__all__ = [
    "argsort", "compress", "delete", "diag", "diagflat", "diagonal", "diff", "ediff1d", "extract", "flatnonzero",
    "may_share_memory", "msort", "nonzero", "select", "shares_memory", "sort", "take", "take_along_axis", "trace",
    "where",
]  # fmt: skip

_INT = onp.dtype(onp.int64)


@of_array
def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    """`x` where the condition is nonzero, else `y`, broadcast; without `x` and `y`, the result of `nonzero`.

    >>> from lamina import np
    >>> np.where(np.array([1, 0]), 5, np.array([1, 2]))
    array([5., 2.])
    """
    if x is None and y is None:
        return _positions(condition)
    if x is None or y is None:
        raise TypeError("where: give both x and y, or neither")
    if isinstance(x, NUMBERS) and isinstance(y, NUMBERS):
        x = nd.full((), x, ctx=condition.context)  # pyright: ignore
    return bind(elementwise.where, condition, *_choices(x, y))


def _choices(x: Any, y: Any) -> tuple[Any, Any]:
    """`x` and `y` in a common dtype.

    A number gets the array's dtype; if it is a fraction and the array has integers, both become float32.
    """
    if isinstance(x, NUMBERS):
        y, x = _choices(y, x)
        return x, y
    x = as_array(x)
    if not isinstance(y, NUMBERS):
        x, y = joined(x, as_array(y))
        return x, y
    if x._dtype.kind == "b" and not isinstance(y, bool | onp.bool_):
        x = cast_to(x, _INT)
    if x._dtype.kind != "f" and y != y // 1:  # pyright: ignore
        x = cast_to(x, onp.dtype(onp.float32))
    return x, float(y) if x._dtype.kind == "f" else int(y)


def _positions(x: Any) -> tuple[Any, ...]:
    return tuple(by_numpy("nonzero", onp.nonzero, x))


@function
def nonzero(a: Any) -> Any:
    """The positions of nonzero elements, as a tuple with an int64 array for each axis."""
    return _positions(as_array(a))


@of_array
def flatnonzero(a: Any) -> Any:
    """The positions of nonzero elements in the flattened array."""
    return _positions(with_shape(a, (a.size,)))[0]


# --- by position ---------------------------------------------------------------------------------------------------


@function
def take(a: Any, indices: Any, axis: int | None = None, mode: str = "raise") -> Any:
    """The entries of `a` at `indices` along `axis`, or of the flattened array if `axis` is None.

    An index out of range raises an error (``mode="raise"``, which reads the indices), is clipped (``"clip"``) or
    wrapped around (``"wrap"``).

    >>> from lamina import np
    >>> np.take(np.array([10, 20, 30]), np.array([2, 0]))
    array([30., 10.])
    """
    (x, place), at = along("take", as_array(a), axis), cast_to(as_array(indices), _INT)
    found = nd.take(x, with_shape(at, at.shape or (1,)), axis=place, mode=mode)
    return with_shape(found, (*x.shape[:place], *at.shape, *x.shape[place + 1 :]))


@function
def take_along_axis(arr: Any, indices: Any, axis: int | None) -> Any:
    """The elements at `indices` along `axis`, such as indices from `argsort` and `argmax`."""
    x, place = along("take_along_axis", as_array(arr), axis)
    return bind(indexing.take_along, x, cast_to(as_array(indices), _INT), axis=place, mode="wrap")


@function
def compress(condition: Any, a: Any, axis: int | None = None) -> Any:
    """The entries along `axis` where the one-dimensional condition is nonzero."""
    x, place = along("compress", as_array(a), axis)
    chosen = onp.flatnonzero(as_array(condition)._numbers())
    return nd.take(x, copied(chosen, ctx=x._context), axis=place)


@function
def extract(condition: Any, arr: Any) -> Any:
    """A vector of the elements where the condition, of the same shape, is nonzero."""
    x, chosen = as_array(arr), as_array(condition)
    return x.reshape((-1,))[as_bool(with_shape(chosen, (chosen.size,)))]


@of_array
def delete(arr: Any, obj: Any, axis: int | None = None) -> Any:
    """The array without its entries at `obj` (an integer, a slice, or several integers) along `axis`."""
    arr, place = along("delete", arr, axis)
    gone = obj._numbers().astype(int) if isinstance(obj, Array) else obj
    kept = onp.delete(onp.arange(arr.shape[place]), gone)
    return bind(indexing.take, arr, copied(kept, ctx=arr._context), axis=place, mode="clip")


# --- by order --------------------------------------------------------------------------------------------------------


def _sortable(a: Any, axis: int | None) -> tuple[Any, int]:
    x = as_array(a)
    x = cast_to(x, onp.dtype(onp.uint8)) if x._dtype.kind == "b" else x
    return along("sort", x, axis)


@function
def sort(a: Any, axis: int | None = -1, kind: str | None = None, order: None = None) -> Any:
    """The elements sorted along `axis`, or all elements if `axis` is None; NaN comes last.

    >>> from lamina import np
    >>> np.sort(np.array([3, 1, 2]))
    array([1., 2., 3.])
    """
    x, place = _sortable(a, axis)
    return nd.sort(x, axis=place)


@function
def argsort(a: Any, axis: int | None = -1, kind: str | None = None, order: None = None) -> Any:
    """The positions that would sort the array along `axis`, as int64."""
    x, place = _sortable(a, axis)
    return nd.argsort(x, axis=place, dtype=onp.int64)


@function
def msort(a: Any) -> Any:
    """A copy sorted along axis 0."""
    return nd.sort(as_array(a), axis=0)


# --- diagonals and differences ---------------------------------------------------------------------------------------


@of_array
def diag(array: Any, k: int = 0) -> Any:
    """The k-th diagonal of a matrix, or for a vector the matrix with this k-th diagonal.

    >>> from lamina import np
    >>> np.diag(np.array([1, 2]))
    array([[1., 0.],
           [0., 2.]])
    """
    if array.ndim not in (1, 2):
        raise ShapeError(f"diag: needs a vector or a matrix, got shape {array.shape}")
    return nd.diag(array, k)


@of_array
def diagflat(array: Any, k: int = 0) -> Any:
    """The matrix with the flattened elements on its k-th diagonal."""
    return nd.diag(with_shape(array, (array.size,)), k)


@function
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonals of the matrices in `axis1` and `axis2`, along a new last axis."""
    return nd.diag(as_array(a), offset, axis1, axis2)


@function
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The sums of the diagonals of the matrices in `axis1` and `axis2`."""
    return sum_of(nd.diag(as_array(a), offset, axis1, axis2), axis=-1).as_nd_ndarray()


def _differences(x: Any, axis: int) -> Any:
    before = (slice(None),) * axis
    return x[(*before, slice(1, None))] - x[(*before, slice(None, -1))]


@of_array
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """The n-th discrete differences along `axis`."""
    place = normalize_axis("diff", axis, a.ndim)
    ends = [z for z in (prepend, a, append) if z is not None]
    a = nd.concat(*joined(*[as_array(z) for z in ends]), dim=place) if len(ends) > 1 else a
    for _ in range(n):
        a = _differences(a, place)
    return a


@of_array
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """Differences of consecutive elements of the flattened array, after `to_begin` and before `to_end`."""
    inner = _differences(with_shape(ary, (ary.size,)), 0)
    parts = [as_array(z) for z in (to_begin, inner, to_end) if z is not None]
    return nd.concat(*joined(*[with_shape(z, (z.size,)) for z in parts]), dim=0)


@function
def select(condlist: Any, choicelist: Any, default: float = 0) -> Any:
    """For each element, the first choice whose condition is true, else `default`."""
    if len(condlist) != len(choicelist) or not condlist:
        raise ParameterError(
            f"select: needs a choice for each of one or more conditions, got {len(choicelist)} for {len(condlist)}"
        )
    found: Any = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        found = bind(elementwise.where, as_array(condition), *_choices(as_array(choice), found))
    return found


def may_share_memory(a: Any, b: Any, max_work: int | None = None) -> bool:
    """Whether writing to one array may change the other."""
    a, b = plain(a), plain(b)
    if isinstance(a, Array) and isinstance(b, Array):
        return a is b or share_memory(a._data, b._data)
    first, second = (x._concrete() if isinstance(x, Array) else x for x in (a, b))
    return onp.may_share_memory(first, second)


shares_memory = may_share_memory
