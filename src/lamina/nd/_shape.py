"""Functions that change shape or order but not elements: reshape, transpose, broadcast and similar."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from lamina.core.array import view
from lamina.core.primitive import bind
from lamina.core.state import state
from lamina.errors import ShapeError
from lamina.nd.conversion import array
from lamina.nd.creation import full
from lamina.nd.operators import NDArray, operator
from lamina.nd.shape_codes import resolve_shape
from lamina.primitives import movement, normalize_axes, normalize_axis, reduce, reshape_copy

__all__ = [
    "Flatten", "Reshape", "SwapAxis", "broadcast_arrays", "broadcast_axes", "broadcast_axis", "broadcast_like",
    "broadcast_to", "expand_dims", "flatten", "moveaxis", "reshape", "reshape_like", "shape_array", "size_array",
    "squeeze", "swapaxes", "transpose",
]  # fmt: skip

Shape = Sequence[int]


@operator
def reshape(
    data: NDArray,
    shape: Shape | int = (),
    reverse: bool = False,
    target_shape: Shape | None = None,
    keep_highest: bool = False,
) -> NDArray:
    """The same elements in another shape, as a copy (the method ``x.reshape`` shares memory).

    Besides sizes, `shape` may contain MXNet's codes: 0 keeps the size of the axis; -1 infers the size; -2 keeps all
    remaining axes; -3 merges the next two axes; -4 splits the next axis into the two sizes that follow in `shape`.
    `reverse` matches codes and axes from the right. Raises `ShapeError` if the number of elements would change.

    `target_shape` and `keep_highest` are an older form of `shape`: in `target_shape` 0 infers the size, and
    `keep_highest` keeps the size of axis 0.

    >>> from lamina import nd
    >>> nd.zeros((2, 3, 4)).reshape((-3, 0)).shape
    (6, 4)
    """
    if target_shape is not None:
        older = [-1 if n == 0 else int(n) for n in target_shape]
        shape = [data.shape[0], *older[1:]] if keep_highest else older
    return bind(reshape_copy, data, shape=shape_of(data, shape, reverse))


def shape_of(data: NDArray, shape: Shape | int, reverse: bool = False) -> tuple[int, ...]:
    """The shape of ``reshape(data, shape, reverse)``, with MXNet's codes replaced by sizes."""
    if isinstance(shape, np.ndarray):
        shape = shape.tolist()
    codes = (int(shape),) if isinstance(shape, int | np.integer) else tuple([int(n) for n in shape])
    return codes if min(codes, default=1) > 0 else resolve_shape(data.shape, codes, reverse)


def as_shape(data: NDArray, target: tuple[int, ...]) -> NDArray:
    """`data` reshaped to `target`, which has sizes only, sharing memory with `data`."""
    result = bind(movement.reshape, data, shape=target)
    if state.trace is None:
        result._writes = data._writes
        return result
    own = data.shape
    read = lambda base: bind(movement.reshape, base, shape=target)  # noqa: E731
    return view(result, data, read, lambda _base, value: bind(movement.reshape, value, shape=own))


@operator
def reshape_like(
    lhs: NDArray,
    rhs: NDArray,
    lhs_begin: int | None = None,
    lhs_end: int | None = None,
    rhs_begin: int | None = None,
    rhs_end: int | None = None,
) -> NDArray:
    """`lhs` reshaped to the shape of `rhs`.

    With bounds, the sizes of axes `lhs_begin` to `lhs_end` of `lhs` are replaced by the sizes of axes `rhs_begin` to
    `rhs_end` of `rhs`, with ends excluded.

    >>> from lamina import nd
    >>> nd.reshape_like(nd.zeros((30, 7)), nd.zeros((15, 2, 4)), 0, 1, 0, 2).shape
    (15, 2, 7)
    """
    replaced = range(lhs.ndim)[slice(lhs_begin, lhs_end)]
    before, after = lhs.shape[: replaced.start], lhs.shape[replaced.stop :]
    return bind(reshape_copy, lhs, shape=(*before, *rhs.shape[slice(rhs_begin, rhs_end)], *after))


@operator
def flatten(data: NDArray, inplace: bool = False) -> NDArray:
    """Flatten all axes but the first into one, giving a matrix.

    The result is a copy; with `inplace` it shares memory with `data`.

    >>> from lamina import nd
    >>> nd.flatten(nd.zeros((64, 1, 28, 28))).shape
    (64, 784)
    """
    return _moved(data, (data.shape[0], math.prod(data.shape[1:])), inplace)


def _moved(data: NDArray, target: tuple[int, ...], inplace: bool) -> NDArray:
    return as_shape(data, target) if inplace else bind(reshape_copy, data, shape=target)


@operator
def expand_dims(data: NDArray, axis: int, inplace: bool = False) -> NDArray:
    """Insert an axis of size 1 before axis `axis`.

    The result is a copy; with `inplace` it shares memory with `data`.
    """
    place = normalize_axis("expand_dims", axis, data.ndim + 1)
    return _moved(data, (*data.shape[:place], 1, *data.shape[place:]), inplace)


@operator
def squeeze(data: NDArray, axis: int | tuple[int, ...] | None = None, inplace: bool = False) -> NDArray:
    """Remove the axes `axis` of size 1, or all axes of size 1 if `axis` is None.

    At least one axis stays. The result is a copy; with `inplace` it shares memory with `data`. Raises `ShapeError` if
    an axis in `axis` does not have size 1.
    """
    shape = data.shape
    axes = [a for a, n in enumerate(shape) if n == 1] if axis is None else None
    gone = axes if axes is not None else normalize_axes("squeeze", axis, len(shape))
    for a in gone:
        if shape[a] != 1:
            raise ShapeError(f"squeeze: axis {a} of shape {shape} has size {shape[a]}, not 1")
    return _moved(data, tuple([n for a, n in enumerate(shape) if a not in gone]) or (1,), inplace)


@operator
def transpose(data: NDArray, axes: int | Shape | None = ()) -> NDArray:
    """A copy with permuted axes, or with reversed axes if `axes` is empty.

    Raises `ShapeError` if `axes` is not a permutation of all axes.

    >>> from lamina import nd
    >>> nd.transpose(nd.zeros((2, 3, 4)), axes=(1, 0, 2)).shape
    (3, 2, 4)
    """
    ndim = data.ndim
    is_one = isinstance(axes, str) or not isinstance(axes, Iterable)
    given: Any = () if axes is None else (axes,) if is_one else axes
    order = tuple([normalize_axis("transpose", a, ndim) for a in given])
    return bind(movement.transpose, data, axes=order or tuple(range(ndim))[::-1])


@operator
def swapaxes(data: NDArray, dim1: int = 0, dim2: int = 0) -> NDArray:
    """A copy with the axes `dim1` and `dim2` exchanged."""
    order = list(range(data.ndim))
    a, b = (normalize_axis("swapaxes", d, data.ndim) for d in (dim1, dim2))
    order[a], order[b] = b, a
    return bind(movement.transpose, data, axes=tuple(order))


@operator
def moveaxis(tensor: NDArray, source: int | Shape, destination: int | Shape) -> NDArray:
    """Move axes from the positions `source` to the positions `destination`; the other axes keep their order.

    Raises `ShapeError` if `source` and `destination` differ in length, or repeat an axis.

    >>> from lamina import nd
    >>> nd.moveaxis(nd.zeros((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    ndim = tensor.ndim

    def places(axes: int | Shape) -> list[int]:
        each = (axes,) if isinstance(axes, int) else axes
        return [normalize_axis("moveaxis", a, ndim) for a in each]

    moved, to = places(source), places(destination)
    if len(moved) != len(to):
        raise ShapeError(f"moveaxis: {len(moved)} sources, but {len(to)} destinations")
    for name, axes in (("source", moved), ("destination", to)):
        if len(set(axes)) != len(axes):
            raise ShapeError(f"moveaxis: {name} names an axis twice: {tuple(axes)}")
    order = [a for a in range(ndim) if a not in moved]
    for place, axis in sorted(zip(to, moved, strict=True)):
        order.insert(place, axis)
    return bind(movement.transpose, tensor, axes=tuple(order))


# --- broadcasting ------------------------------------------------------------------------------------------------


@operator
def broadcast_to(data: NDArray, shape: Shape) -> NDArray:
    """Broadcast to `shape`, repeating axes of size 1 and adding leading axes.

    A 0 in `shape` keeps the axis's size.

    >>> from lamina import nd
    >>> nd.broadcast_to(nd.array([[1], [2]]), (0, 3)).asnumpy()
    array([[1., 1., 1.],
           [2., 2., 2.]], dtype=float32)
    """
    own = data.shape
    target = tuple([int(n) for n in shape])
    if len(target) == len(own) and 0 in target:
        target = tuple([m if n == 0 else n for n, m in zip(target, own, strict=True)])
    extra = len(own) - len(target)
    # Leading axes of size 1 are dropped, as in NumPy's assignment.
    if extra > 0 and own[:extra] == (1,) * extra:
        data, own = as_shape(data, own[extra:]), own[extra:]
    return bind(reshape_copy if target == own else reduce.broadcast_to, data, shape=target)


@operator
def broadcast_axis(data: NDArray, axis: int | Shape = (), size: int | Shape = ()) -> NDArray:
    """Repeat each axis in `axis`, whose size must be 1, to the corresponding size in `size`."""
    axes, sizes = ((x,) if isinstance(x, int) else tuple(x) for x in (axis, size))
    if len(axes) != len(sizes):
        raise ShapeError(f"broadcast_axis: {len(axes)} axes, but {len(sizes)} sizes")
    shape = list(data.shape)
    for a, n in zip(axes, sizes, strict=True):
        shape[normalize_axis("broadcast_axis", a, data.ndim)] = n
    return bind(reduce.broadcast_to, data, shape=tuple(shape))


@operator
def broadcast_like(
    lhs: NDArray, rhs: NDArray, lhs_axes: Shape | None = None, rhs_axes: Shape | None = None
) -> NDArray:
    """Broadcast `lhs` to the shape of `rhs`, or its `lhs_axes` alone to the sizes of `rhs_axes`."""
    if lhs_axes is None or rhs_axes is None:
        return broadcast_to(lhs, rhs.shape)
    if not lhs_axes or len(lhs_axes) != len(rhs_axes):
        raise ShapeError(
            f"broadcast_like: lhs_axes {lhs_axes} and rhs_axes {rhs_axes} must be equally many axes, at least one"
        )
    return broadcast_axis(lhs, lhs_axes, [rhs.shape[a] for a in rhs_axes])


def broadcast_arrays(*data: NDArray) -> list[NDArray]:
    """Broadcast all arrays to their common shape.

    Raises `ShapeError` if the arrays have no common shape.
    """
    try:
        shape = np.broadcast_shapes(*(x.shape for x in data))
    except ValueError:
        shown = ", ".join(str(x.shape) for x in data)
        raise ShapeError(f"broadcast: shapes {shown} do not fit together") from None
    return [broadcast_to(x, shape) for x in data]


# --- shapes as arrays --------------------------------------------------------------------------------------------


@operator
def shape_array(data: NDArray) -> NDArray:
    """The shape as an int64 array."""
    return array(np.array(data.shape), ctx=data.context, dtype=np.int64)


@operator
def size_array(data: NDArray) -> NDArray:
    """The number of elements as an int64 array of shape (1,)."""
    return full((1,), data.size, ctx=data.context, dtype=np.int64)


Reshape, Flatten, SwapAxis, broadcast_axes = reshape, flatten, swapaxes, broadcast_axis
