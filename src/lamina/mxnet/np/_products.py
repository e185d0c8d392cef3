"""Products over axes, such as dot, matmul, tensordot and einsum."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as onp

from lamina import nd
from lamina.core.primitive import bind
from lamina.errors import ParameterError, ShapeError
from lamina.mxnet.np.conversion import as_array, function, with_shape
from lamina.mxnet.np.promotion import as_float, joined
from lamina.primitives import BINARY, broadcast_to, contract, normalize_axis, reduce_sum, transpose


def _operands(*operands: Any) -> list[Any]:
    """Two arrays in their common dtype, where bools become float32."""
    return joined(*(as_float(x) if x._dtype.kind == "b" else x for x in map(as_array, operands)))


def product_over(a: Any, b: Any, left: list[int], right: list[int]) -> Any:
    """The sum of products over the axes `left` of `a`, paired with the axes `right` of `b`.

    The result has the other axes of `a`, followed by the other axes of `b`.
    """
    if [a.shape[i] for i in left] != [b.shape[i] for i in right]:
        raise ShapeError(
            f"the axes {tuple(left)} of {a.shape} and {tuple(right)} of {b.shape} have different sizes"
        )
    rows = [i for i in range(a.ndim) if i not in left]
    columns = [i for i in range(b.ndim) if i not in right]
    shape = tuple([a.shape[i] for i in rows] + [b.shape[i] for i in columns])
    k = math.prod(a.shape[i] for i in left)
    m, n = math.prod(a.shape[i] for i in rows), math.prod(b.shape[i] for i in columns)
    first = with_shape(_ordered(a, rows + left), (m, k))
    second = with_shape(_ordered(b, right + columns), (k, n))
    return with_shape(bind(contract.matmul, first, second, transpose_a=False, transpose_b=False), shape)


def _ordered(x: Any, order: list[int]) -> Any:
    return x if order == list(range(x.ndim)) else bind(transpose, x, axes=tuple(order))


@function
def dot(a: Any, b: Any) -> Any:
    """The sum of products over the last axis of `a` and the last but one (or only) axis of `b`.

    If an operand is a number, `dot` multiplies elementwise.

    >>> from lamina import np
    >>> np.dot(np.ones((2, 3)), np.arange(3)), np.dot(np.arange(3), np.arange(3))
    (array([3., 3.]), array(5.))
    """
    a, b = _operands(a, b)
    if not a.shape or not b.shape:
        return bind(BINARY["multiply"], a, b)
    if a.ndim == b.ndim == 2 and a.shape[1] == b.shape[0]:
        return bind(contract.matmul, a, b, transpose_a=False, transpose_b=False)
    inner_axis = b.ndim - 2 if b.ndim > 1 else 0
    if a.shape[-1] != b.shape[inner_axis]:
        raise ShapeError(
            f"dot: shapes {a.shape} and {b.shape} do not fit: {a.shape[-1]} against {b.shape[inner_axis]}"
        )
    return product_over(a, b, [a.ndim - 1], [inner_axis])


@function
def matmul(a: Any, b: Any) -> Any:
    """Products of the matrices in the last two axes, broadcast over the other axes.

    >>> from lamina import np
    >>> np.matmul(np.ones((5, 2, 3)), np.ones((3, 4))).shape
    (5, 2, 4)
    """
    a, b = _operands(a, b)
    if not a.shape or not b.shape:
        raise ShapeError("matmul: a number is no matrix; use *")
    left = with_shape(a, (1, *a.shape)) if a.ndim == 1 else a
    right = with_shape(b, (*b.shape, 1)) if b.ndim == 1 else b
    if left.shape[-1] != right.shape[-2]:
        raise ShapeError(
            f"matmul: shapes {a.shape} and {b.shape} do not fit: {left.shape[-1]} against {right.shape[-2]}"
        )
    out = _batched(left, right)
    shape = out.shape if a.ndim > 1 else (*out.shape[:-2], out.shape[-1])
    return with_shape(out, shape if b.ndim > 1 else shape[:-1])


def _batched(a: Any, b: Any) -> Any:
    """Products of stacked matrices, with the stacks broadcast to the same shape.

    If `b` is a single matrix, one product multiplies the rows of all matrices of `a`.
    """
    if b.ndim == 2:
        rows = with_shape(a, (math.prod(a.shape[:-1]), a.shape[-1]))
        out = bind(contract.matmul, rows, b, transpose_a=False, transpose_b=False)
        return with_shape(out, (*a.shape[:-1], b.shape[-1]))
    try:
        batch = onp.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        raise ShapeError(
            f"matmul: the batches {a.shape[:-2]} and {b.shape[:-2]} can't be broadcast together"
        ) from None
    flat = [_stacked(x, batch) for x in (a, b)]
    out = bind(contract.matmul, *flat, transpose_a=False, transpose_b=False)
    return with_shape(out, (*batch, *out.shape[1:]))


def _stacked(x: Any, batch: tuple[int, ...]) -> Any:
    whole = (*batch, *x.shape[-2:])
    x = x if x.shape == whole else bind(broadcast_to, x, shape=whole)
    return with_shape(x, (math.prod(batch), *x.shape[-2:]))


@function
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """The sum of products over the last `axes` axes of `a` and the first `axes` axes of `b`.

    `axes` may also be a pair of lists, the axes of `a` and the axes of `b`.

    >>> from lamina import np
    >>> np.tensordot(np.ones((2, 3, 4)), np.ones((3, 4, 5))).shape
    (2, 5)
    """
    a, b = _operands(a, b)
    if isinstance(axes, int):
        left, right = list(range(a.ndim - axes, a.ndim)), list(range(axes))
    else:
        left, right = ([i] if isinstance(i, int) else list(i) for i in axes)
    left = [normalize_axis("tensordot", i, a.ndim) for i in left]
    right = [normalize_axis("tensordot", i, b.ndim) for i in right]
    if len(left) != len(right):
        raise ShapeError(f"tensordot: {len(left)} axes of the first array, but {len(right)} of the second")
    return product_over(a, b, left, right)


@function
def inner(a: Any, b: Any) -> Any:
    """The sum of products over the last axes of `a` and `b`."""
    a, b = _operands(a, b)
    if not a.shape or not b.shape:
        return bind(BINARY["multiply"], a, b)
    return product_over(a, b, [a.ndim - 1], [b.ndim - 1])


@function
def vdot(a: Any, b: Any) -> Any:
    """The sum of the elementwise products, with both arrays flattened."""
    a, b = _operands(a, b)
    return product_over(with_shape(a, (a.size,)), with_shape(b, (b.size,)), [0], [0])


@function
def outer(a: Any, b: Any) -> Any:
    """The outer product of the flattened arrays, with the elements of `a` along rows and of `b` along columns."""
    a, b = _operands(a, b)
    return bind(BINARY["multiply"], with_shape(a, (a.size, 1)), with_shape(b, (1, b.size)))


@function
def kron(a: Any, b: Any) -> Any:
    """The Kronecker product, a block matrix with a block ``a[i, j] * b`` for each element of `a`."""
    a, b = _operands(a, b)
    ndim = max(a.ndim, b.ndim)
    left, right = ((1,) * (ndim - x.ndim) + x.shape for x in (a, b))
    first = with_shape(a, tuple([n for size in left for n in (size, 1)]))
    second = with_shape(b, tuple([n for size in right for n in (1, size)]))
    shape = tuple([m * n for m, n in zip(left, right, strict=True)])
    return with_shape(bind(BINARY["multiply"], first, second), shape)


# --- einsum, a matrix product of two arrays at a time -------------------------------------------------------------


_SPARE = "⓪①②③④⑤⑥⑦⑧⑨"
"""Names for the axes in an ellipsis."""


@function
def einsum(subscripts: str, *operands: Any, optimize: Any = False) -> Any:
    """The sum of products by Einstein's convention, for example a matrix product for ``"ij,jk->ik"``.

    Axes named after ``->`` are kept; all other axes are summed over. Without ``->`` the axes named only once are kept,
    in alphabetical order. Axes in ``...`` are broadcast.

    >>> from lamina import np
    >>> np.einsum("ij,kj->ik", np.ones((2, 3)), np.ones((4, 3))).shape
    (2, 4)
    """
    arrays = _operands(*operands)
    inputs, output = _names(subscripts.replace(" ", ""), arrays)
    sizes = _sizes(inputs, arrays)
    x, names = _distinct(arrays[0], inputs[0])
    for i in range(1, len(arrays)):
        other, others = _distinct(arrays[i], inputs[i])
        needed = {*output, *"".join(inputs[i + 1 :])}
        x, names = _combined((x, names), (other, others), needed, sizes)
    x, names = _summed(x, names, set(output))
    return _by_names(x, names, output)


def _names(subscripts: str, arrays: list[Any]) -> tuple[list[str], str]:
    """The axis names of each operand and of the result, a letter per axis, with ``...`` expanded."""
    left, arrow, right = subscripts.partition("->")
    inputs = left.split(",")
    if len(inputs) != len(arrays):
        raise ParameterError(f"einsum: {subscripts!r} names {len(inputs)} operands, got {len(arrays)}")
    depth = 0
    for i, (names, x) in enumerate(zip(inputs, arrays, strict=True)):
        hidden = x.ndim - len(names.replace("...", ""))
        if hidden < 0 or (hidden and "..." not in names):
            raise ShapeError(f"einsum: {names!r} does not name the axes of operand {i}, of shape {x.shape}")
        depth = max(depth, hidden) if "..." in names else depth
        inputs[i] = names.replace("...", _SPARE[len(_SPARE) - hidden :] if hidden else "")
    spare = _SPARE[len(_SPARE) - depth :] if depth else ""
    counts = Counter("".join(inputs))
    once = "".join(sorted(c for c in counts if counts[c] == 1 and c not in spare))
    output = right.replace("...", spare) if arrow else spare + once
    unknown = [c for c in output if c not in counts]
    if unknown or len(set(output)) != len(output):
        raise ParameterError(
            f"einsum: the result in {subscripts!r} "
            f"{f'has axis {unknown[0]!r}, which no operand has' if unknown else 'repeats an axis'}"
        )
    return inputs, output


def _sizes(inputs: list[str], arrays: list[Any]) -> dict[str, int]:
    """The size of each axis by name, where size 1 is broadcast to the other operands' size."""
    sizes: dict[str, int] = {}
    for names, x in zip(inputs, arrays, strict=True):
        for c, n in zip(names, x.shape, strict=True):
            known = sizes.setdefault(c, n)
            if n not in (1, known) and known != 1:
                raise ShapeError(f"einsum: axis {c!r} has size {known} in one operand and {n} in another")
            sizes[c] = n if known == 1 else known
    return sizes


def _distinct(x: Any, names: str) -> tuple[Any, str]:
    """The operand with axes of the same name replaced by their diagonal, and the names of the resulting axes."""
    while len(set(names)) != len(names):
        c = next(c for c in names if names.count(c) > 1)
        first, second = names.index(c), names.index(c, names.index(c) + 1)
        x = nd.diag(x, axis1=first, axis2=second)
        names = names[:first] + names[first + 1 : second] + names[second + 1 :] + c
    return x, names


def _summed(x: Any, names: str, needed: set[str]) -> tuple[Any, str]:
    """The operand summed over the axes that are not in `needed`, and its remaining axis names."""
    gone = tuple([i for i, c in enumerate(names) if c not in needed])
    if not gone:
        return x, names
    kept = "".join(c for c in names if c in needed)
    shape = tuple([n for i, n in enumerate(x.shape) if i not in gone])
    return with_shape(bind(reduce_sum, x, axis=gone, keepdims=False), shape), kept


def _combined(left: Any, right: Any, needed: set[str], sizes: dict[str, int]) -> tuple[Any, str]:
    """Contract two operands by a matrix product over the shared axes that are not in `needed`.

    Operands and result are pairs of an array and its axis names.
    """
    a, na = _summed(left[0], left[1], needed | set(right[1]))
    b, nb = _summed(right[0], right[1], needed | set(left[1]))
    shared = [c for c in na if c in nb]
    batch = "".join(c for c in shared if c in needed)
    inner = "".join(c for c in shared if c not in needed)
    rows, columns = ("".join(c for c in own if c not in shared) for own in (na, nb))
    if not inner:  # nothing to sum, only elementwise products
        order = batch + rows + columns
        return bind(BINARY["multiply"], _laid_out(a, na, order), _laid_out(b, nb, order)), order
    a = _whole(a, na, batch + rows + inner, batch + inner, sizes)
    b = _whole(b, nb, batch + inner + columns, batch + inner, sizes)

    def count(names: str) -> int:
        return math.prod(sizes[c] for c in names)

    m = math.prod(a.shape[len(batch) : len(batch) + len(rows)])
    n = math.prod(b.shape[len(batch) + len(inner) :])
    first = with_shape(a, (count(batch), m, count(inner)))
    second = with_shape(b, (count(batch), count(inner), n))
    if not batch:
        first, second = with_shape(first, first.shape[1:]), with_shape(second, second.shape[1:])
    out = bind(contract.matmul, first, second, transpose_a=False, transpose_b=False)
    free = a.shape[len(batch) : len(batch) + len(rows)] + b.shape[len(batch) + len(inner) :]
    return with_shape(out, (*[sizes[c] for c in batch], *free)), batch + rows + columns


def _by_names(x: Any, names: str, order: str) -> Any:
    return _ordered(x, [names.index(c) for c in order])


def _laid_out(x: Any, names: str, order: str) -> Any:
    """The operand with its axes in the order `order`, where missing axes get size 1."""
    own = "".join(c for c in order if c in names)
    x = _by_names(x, names, own)
    shape = iter(x.shape)
    return with_shape(x, tuple([next(shape) if c in names else 1 for c in order]))


def _whole(x: Any, names: str, order: str, paired: str, sizes: dict[str, int]) -> Any:
    """The operand with its axes in the order `order`, and the axes `paired` broadcast to their `sizes`."""
    x = _by_names(x, names, order)
    shape = tuple([sizes[c] if c in paired else n for c, n in zip(order, x.shape, strict=True)])
    return x if x.shape == shape else bind(broadcast_to, x, shape=shape)
