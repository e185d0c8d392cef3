"""Primitives that move elements without computing, such as transpose, slice and concat.

Results of reshape and slice may share memory with their operand. NumPy makes the views of NumPy arrays, and this module
makes the views of device arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamina.core.lowering import Decompose, Movement, Pull
from lamina.core.primitive import ForEachInput, Primitive, bind, bind_on, primitive
from lamina.errors import ShapeError
from lamina.primitives.indexing import full
from lamina.primitives.reduce import reshape
from lamina.primitives.typing import Type, dtype_of, like_first

__all__ = ["concat", "place", "reshape", "slice_", "slice_assign", "slice_length", "slices", "transpose"]


Ints = tuple[int, ...]


# --- transpose ---------------------------------------------------------------------------------------------------


def _transpose_type(x: Any, axes: Ints) -> Type:
    if sorted(axes) != list(range(len(x.shape))):
        raise ShapeError(
            f"transpose: axes {axes} are not a permutation of the axes of shape {tuple(x.shape)}"
        )
    return tuple(x.shape[a] for a in axes), np.dtype(x.dtype)


def _inverse(axes: Ints) -> Ints:
    return tuple(axes.index(i) for i in range(len(axes)))


def _transpose_index(index: list[Any], in_shape: Ints, axes: Ints) -> list[Any]:
    return [index[axes.index(i)] for i in range(len(in_shape))]


transpose = primitive(
    "transpose",
    eval=lambda x, axes: np.array(x.transpose(axes), order="C"),
    infer=_transpose_type,
    vjp=(lambda g, out, x, axes: bind(transpose, g, axes=_inverse(axes)),),
    lowering=Movement(_transpose_index),
)
"""``transpose(x, axes=)``: axis i of the result is axis ``axes[i]`` of `x`."""


# --- slice and its opposite --------------------------------------------------------------------------------------


def slice_length(begin: int, end: int, step: int) -> int:
    """The number of elements of ``range(begin, end, step)``."""
    return len(range(begin, end, step))


def slices(begin: Ints, end: Ints, step: Ints) -> tuple[slice, ...]:
    """Python slices for begin, end and step, where None replaces an end before the first element."""
    return tuple(slice(b, None if e < 0 else e, s) for b, e, s in zip(begin, end, step, strict=True))


def _slice_type(x: Any, begin: Ints, end: Ints, step: Ints) -> Type:
    shape = tuple(slice_length(b, e, s) for b, e, s in zip(begin, end, step, strict=True))
    return shape, np.dtype(x.dtype)


def _slice_index(index: list[Any], in_shape: Ints, begin: Ints, end: Ints, step: Ints) -> list[Any]:
    return [i * s + b for i, b, s in zip(index, begin, step, strict=True)]


slice_ = primitive(
    "slice",
    eval=lambda x, begin, end, step: np.ascontiguousarray(x[slices(begin, end, step)]),
    infer=_slice_type,
    vjp=(lambda g, out, x, **where: bind(place, g, shape=x.shape, **where),),
    lowering=Movement(_slice_index),
)
"""``slice(x, begin=, end=, step=)``: a part of `x`.

The bounds are normalized: 0 <= begin, and end = -1 if a backward slice includes element 0. Eagerly the result shares
memory with `x` if the part is contiguous (rows of axis 0), otherwise it is a copy, as in MXNet.
"""


def _inside(
    b: Any, index: list[Any], shape: Ints, begin: Ints, end: Ints, step: Ints
) -> tuple[Any, list[Any]]:
    """The (mask, position) of an index in a slice, whose mask is None if the slice includes all indices."""
    mask: Any = None
    position: list[Any] = []
    for i, size, start, stop, s in zip(index, shape, begin, end, step, strict=True):
        offset, hit = b.slice_position(i, size, start, slice_length(start, stop, s), s)
        position.append(offset)
        if hit is not None:
            mask = hit if mask is None else b.logical_and(mask, hit)
    return mask, position


def _place(g: np.ndarray, shape: Ints, begin: Ints, end: Ints, step: Ints) -> np.ndarray:
    out = np.zeros(shape, g.dtype)
    out[slices(begin, end, step)] = g
    return out


def _place_element(
    b: Any, index: list[Any], inputs: Any, shape: Ints, begin: Ints, end: Ints, step: Ints
) -> Any:
    mask, position = _inside(b, index, shape, begin, end, step)
    value = inputs[0](position)
    return value if mask is None else b.where(mask, value, b.const(0, value.dtype, value.lanes))


place = primitive(
    "place",
    eval=_place,
    infer=lambda g, shape, begin, end, step: (shape, np.dtype(g.dtype)),
    vjp=(lambda d, out, g, shape, **where: bind(slice_, d, **where),),
    lowering=Pull(_place_element, expensive=True),
)
"""``place(g, shape=, begin=, end=, step=)``: zeros of `shape` with `g` in the slice: the vjp of `slice_`."""


def _slice_assign(x: np.ndarray, v: np.ndarray, begin: Ints, end: Ints, step: Ints) -> np.ndarray:
    out = x.copy()
    out[slices(begin, end, step)] = v
    return out


def _slice_assign_element(b: Any, index: list[Any], inputs: Any, begin: Ints, end: Ints, step: Ints) -> Any:
    mask, position = _inside(b, index, inputs[0].shape, begin, end, step)
    value = inputs[1](position)
    return value if mask is None else b.where(mask, value, inputs[0](index))


def _outside_slice(g: Any, v_shape: Ints, **where: Ints) -> Any:
    nothing = bind_on(g._context, full, 0, shape=v_shape, dtype=np.dtype(g.dtype))
    return bind(slice_assign, g, nothing, **where)


slice_assign = primitive(
    "slice_assign",
    eval=_slice_assign,
    infer=like_first,
    vjp=(
        lambda g, out, x, v, **where: _outside_slice(g, v.shape, **where),
        lambda g, out, x, v, **where: bind(slice_, g, **where),
    ),
    lowering=Pull(_slice_assign_element, expensive=True),
    same_dtype=True,
)
"""``slice_assign(x, v, begin=, end=, step=)``: `x` with the slice replaced by `v`."""


# --- concat ------------------------------------------------------------------------------------------------------


def _concat_type(*xs: Any, axis: int) -> Type:
    first = tuple(xs[0].shape)
    for x in xs[1:]:
        shape = tuple(x.shape)
        if len(shape) != len(first) or any(
            n != m for i, (n, m) in enumerate(zip(shape, first, strict=True)) if i != axis
        ):
            shown = ", ".join(str(tuple(y.shape)) for y in xs)
            raise ShapeError(f"concat: shapes {shown} differ outside axis {axis}")
    total = sum(x.shape[axis] for x in xs)
    return (*first[:axis], total, *first[axis + 1 :]), dtype_of(*xs)


def _concat_vjp(i: int, g: Any, out: Any, *xs: Any, axis: int) -> Any:
    start = sum(x.shape[axis] for x in xs[:i])
    begin = tuple(start if a == axis else 0 for a in range(len(g.shape)))
    end = tuple(start + xs[i].shape[axis] if a == axis else n for a, n in enumerate(g.shape))
    return bind(slice_, g, begin=begin, end=end, step=(1,) * len(g.shape))


def _concat_element(b: Any, index: list[Any], inputs: Any, axis: int) -> Any:
    result: Any = None
    start = 0
    total = sum(x.shape[axis] for x in inputs)
    if not total:
        return inputs[0](index)  # all operands are empty; this code is compiled but never runs
    for x in inputs:
        if x.shape[axis] == 0:
            continue
        offset, hit = b.slice_position(index[axis], total, start, x.shape[axis], 1)
        start += x.shape[axis]
        value = x([*index[:axis], offset, *index[axis + 1 :]])
        result = value if result is None or hit is None else b.where(hit, value, result)
    return result


concat = primitive(
    "concat",
    eval=lambda *xs, axis: np.concatenate(xs, axis=axis),
    infer=_concat_type,
    vjp=ForEachInput(_concat_vjp),
    lowering=Pull(_concat_element, expensive=True),
    same_dtype=True,
)
"""``concat(*xs, axis=)``: joined along an existing axis."""


# --- results that share memory with their operand, and variants that copy ---------------------------------------------

VIEWS = frozenset((reshape, slice_))
"""Primitives whose results may be views."""


def _copying(view: Primitive, copied: Callable[..., np.ndarray]) -> Primitive:
    """A primitive like `view`, whose eager result is a copy; in compiled code, every result has memory of its own."""
    return primitive(
        f"{view.name}_copy",
        eval=copied,
        infer=view.infer,
        vjp=view.vjp,
        lowering=Decompose(lambda x, **params: bind(view, x, **params)),
    )


reshape_copy = _copying(reshape, lambda x, shape: x.reshape(shape).copy())
"""``reshape_copy(x, shape=)``: `reshape` as a copy, like MXNet's functions."""

slice_copy = _copying(slice_, lambda x, begin, end, step: x[slices(begin, end, step)].copy())
"""``slice_copy(x, begin=, end=, step=)``: `slice_` as a copy."""

COPIES = {reshape_copy: reshape, slice_copy: slice_}
"""Copying primitives, with the view that each copies."""


def view_of(primitive: Primitive, value: Any, params: dict[str, Any]) -> Any:
    """A `VIEWS` primitive's result as a view of a device array, or None if impossible; of a NumPy array, `eval`'s."""
    if isinstance(value, np.ndarray):
        return primitive.eval(value, **params)
    shape, _ = primitive.infer(value, **params)  # also for its errors
    first = 0 if primitive is reshape else _first_of_stretch(value.shape, **params)
    return None if first is None else value.part(first, shape)


def _first_of_stretch(
    shape: tuple[int, ...], begin: Sequence[int], end: Sequence[int], step: Sequence[int]
) -> int | None:
    """The position of a slice's first element if the slice is contiguous, else None."""
    lengths = [len(range(b, e, s)) for b, e, s in zip(begin, end, step, strict=True)]
    if 0 in lengths:
        return 0
    if not is_stretch(shape, lengths, step):
        return None
    strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    return sum(b * stride for b, stride in zip(begin, strides, strict=True))


def is_stretch(shape: Sequence[int], lengths: Sequence[int], step: Sequence[int]) -> bool:
    """Whether a slice is contiguous: one index on leading axes, a range on the next, all of the later axes."""
    if 0 in lengths:
        return True
    first = next((a for a, n in enumerate(lengths) if n != 1), len(shape))
    if any(n != shape[a] or (n != 1 and step[a] != 1) for a, n in enumerate(lengths) if a > first):
        return False
    return first == len(shape) or step[first] == 1
