"""Functions of MXNet's ``nd.contrib``: attention, control flow, masks and positions, and custom gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamina.core.primitive import bind
from lamina.device.context import Context
from lamina.errors import ParameterError, ShapeError
from lamina.nd._distributions import uniform
from lamina.nd._linalg import batch_dot
from lamina.nd.conversion import array
from lamina.nd.creation import arange, zeros
from lamina.nd.elementwise import abs, exp, floor, log, round, sign
from lamina.nd.facade import leaves
from lamina.nd.join import concat, stack
from lamina.nd.operators import NDArray, operator
from lamina.nd.reduce import min
from lamina.primitives import normalize_axis, reshape, straight_through, take, take_add, transpose, where

__all__ = [
    "allclose", "arange_like", "boolean_mask", "cond", "div_sqrt_dim", "foreach", "gradientmultiplier",
    "index_array", "index_copy", "interleaved_matmul_encdec_qk", "interleaved_matmul_encdec_valatt",
    "interleaved_matmul_selfatt_qk", "interleaved_matmul_selfatt_valatt", "isfinite", "isinf", "isnan", "quadratic",
    "rand_zipfian", "round_ste", "sign_ste", "while_loop",
]  # fmt: skip

# --- attention ----------------------------------------------------------------------------------------------------
#
# Queries, keys and values of all heads are interleaved in one array. A projection has shape (steps, batch,
# heads · parts · size). The parts are query, key and value for self-attention, and only key and value for attention to
# another sequence. Scores and attention weights have shape (batch · heads, steps of queries, steps of keys).


@operator
def div_sqrt_dim(data: NDArray) -> NDArray:
    """data / √(size of the last axis)."""
    return data * (1.0 / math.sqrt(data.shape[-1]))


def _heads(name: str, projection: NDArray, heads: int, parts: int) -> list[NDArray]:
    """Split a projection into its `parts` (queries, keys, values), each of shape (batch · heads, steps, size)."""
    shape = projection.shape
    if len(shape) != 3 or shape[2] % (heads * parts):
        raise ShapeError(f"{name}: shape {shape} is not (steps, batch, {heads} heads · {parts} parts · size)")
    steps, batch, size = shape[0], shape[1], shape[2] // (heads * parts)
    apart = bind(reshape, projection, shape=(steps, batch * heads, parts, size))
    moved = bind(transpose, apart, axes=(2, 1, 0, 3))
    return [moved[i] for i in range(parts)]


def _joined(x: NDArray, heads: int) -> NDArray:
    """Join the heads: (batch · heads, steps, size) becomes (steps, batch, heads · size)."""
    both, steps, size = x.shape
    return bind(reshape, bind(transpose, x, axes=(1, 0, 2)), shape=(steps, both // heads, heads * size))


def _scores(queries: NDArray, keys: NDArray) -> NDArray:
    return batch_dot(div_sqrt_dim(queries), keys, transpose_b=True)


@operator
def interleaved_matmul_selfatt_qk(queries_keys_values: NDArray, heads: int) -> NDArray:
    """The score q · k / √size of each query with each key of the same sequence."""
    q, k, _ = _heads("interleaved_matmul_selfatt_qk", queries_keys_values, heads, 3)
    return _scores(q, k)


@operator
def interleaved_matmul_selfatt_valatt(
    queries_keys_values: NDArray, attention: NDArray, heads: int
) -> NDArray:
    """The values, summed over all positions with the weights `attention`.

    The result has shape (steps, batch, heads · size).
    """
    values = _heads("interleaved_matmul_selfatt_valatt", queries_keys_values, heads, 3)[2]
    return _joined(batch_dot(attention, values), heads)


@operator
def interleaved_matmul_encdec_qk(queries: NDArray, keys_values: NDArray, heads: int) -> NDArray:
    """The score q · k / √size of each query with each key of another sequence."""
    (q,) = _heads("interleaved_matmul_encdec_qk", queries, heads, 1)
    return _scores(q, _heads("interleaved_matmul_encdec_qk", keys_values, heads, 2)[0])


@operator
def interleaved_matmul_encdec_valatt(keys_values: NDArray, attention: NDArray, heads: int) -> NDArray:
    """Another sequence's values, summed over all positions with the weights `attention`.

    The result has shape (steps, batch, heads · size).
    """
    values = _heads("interleaved_matmul_encdec_valatt", keys_values, heads, 2)[1]
    return _joined(batch_dot(attention, values), heads)


# --- control flow -------------------------------------------------------------------------------------------------
#
# These functions run in Python, operator by operator. Inside `lamina.compile` only `foreach` is possible, since
# `while_loop` and `cond` read values.


Arrays = Any
"""An array, or a list of them (nested to any depth)."""


def _like(arrays: Arrays, flat: list[Any]) -> Arrays:
    """Remove as many items from the front of `flat` as `arrays` has, and return them, nested like `arrays`."""
    if isinstance(arrays, list | tuple):
        return [_like(part, flat) for part in arrays]
    return flat.pop(0)


def _stacked(outputs: list[Arrays]) -> Arrays:
    """The outputs of all steps, stacked along a new axis 0."""
    columns = zip(*map(leaves, outputs), strict=True)
    return _like(outputs[0], [stack(*column, axis=0) for column in columns])


def foreach(
    body: Callable[[Arrays, Arrays], tuple[Arrays, Arrays]],
    data: Arrays,
    init_states: Arrays,
    name: str | None = None,
) -> tuple[Arrays, Arrays]:
    """Apply ``outputs, states = body(data[i], states)`` along axis 0; return the stacked outputs and the final states.

    Raises `ShapeError` if the arrays in `data` differ in size along axis 0, or if this size is 0.

    >>> from lamina import nd
    >>> sums, last = nd.contrib.foreach(lambda x, s: (x + s, x + s), nd.array([1, 2, 3]), nd.array([0]))
    >>> sums.reshape(-1).asnumpy(), last.asnumpy()
    (array([1., 3., 6.], dtype=float32), array([6.], dtype=float32))
    """
    columns = list(leaves(data))
    steps = {x.shape[0] for x in columns}
    if len(steps) != 1:
        raise ShapeError(
            "foreach: the arrays in data must have one size along axis 0, got shapes "
            f"{', '.join(str(x.shape) for x in columns)}"
        )
    outputs, states = list[Arrays](), init_states
    for i in range(steps.pop()):
        output, states = body(_like(data, [x[i] for x in columns]), states)
        outputs.append(output)
    if not outputs:
        raise ShapeError("foreach: data has no elements along axis 0")
    return _stacked(outputs), states


def while_loop(
    cond: Callable[..., NDArray],
    func: Callable[..., tuple[Arrays, Arrays]],
    loop_vars: Arrays,
    max_iterations: int | None = None,
    name: str | None = None,
) -> tuple[Arrays, Arrays]:
    """Run ``outputs, loop_vars = func(*loop_vars)`` while ``cond(*loop_vars)`` is nonzero.

    The loop ends after at most `max_iterations` steps. Returns the outputs, stacked along axis 0 and padded with
    zeros to `max_iterations`, and the final loop variables.

    Raises `ParameterError` if `max_iterations` is missing, and `ShapeError` if `func` changes the number of loop
    variables.

    >>> from lamina import nd
    >>> squares, last = nd.contrib.while_loop(
    ...     lambda i: i < 3, lambda i: (i * i, i + 1), nd.array([0]), max_iterations=4)
    >>> squares.reshape(-1).asnumpy()
    array([0., 1., 4., 0.], dtype=float32)
    """
    if max_iterations is None:
        raise ParameterError("while_loop: max_iterations, the size of the outputs, must be given")
    single = not isinstance(loop_vars, list | tuple)
    variables = [loop_vars] if single else list(loop_vars)
    outputs = list[Arrays]()
    while len(outputs) < max_iterations and bool(cond(*variables)):
        output, new = func(*variables)
        outputs.append(output)
        new = list(new) if isinstance(new, list | tuple) else [new]
        if len(new) != len(variables):
            raise ShapeError(f"while_loop: func returned {len(new)} loop variables, needs {len(variables)}")
        variables = new
    if not outputs:
        return [], variables[0] if single else variables
    stacked = _stacked(outputs)
    missing = int(max_iterations) - len(outputs)
    if missing:
        padded = [
            concat(x, zeros((missing, *x.shape[1:]), ctx=x.context, dtype=x.dtype), dim=0)
            for x in leaves(stacked)
        ]
        stacked = _like(stacked, padded)
    return stacked, variables[0] if single else variables


def cond(
    pred: NDArray, then_func: Callable[[], Arrays], else_func: Callable[[], Arrays], name: str | None = None
) -> Arrays:
    """``then_func()`` if the single element of `pred` is nonzero, else ``else_func()``."""
    return then_func() if bool(pred) else else_func()


# --- parts and positions ------------------------------------------------------------------------------------------


@operator
def boolean_mask(data: NDArray, index: NDArray, axis: int = 0) -> NDArray:
    """The entries along `axis` where `index` is nonzero.

    The function can't be compiled, since the result's shape depends on values. Raises `ShapeError` if `index` does not
    have one element for each index along `axis`.

    >>> from lamina import nd
    >>> nd.contrib.boolean_mask(nd.array([[1, 2], [3, 4], [5, 6]]), nd.array([0, 1, 1])).asnumpy()
    array([[3., 4.],
           [5., 6.]], dtype=float32)
    """
    place = normalize_axis("boolean_mask", axis, data.ndim)
    if index.shape != (data.shape[place],):
        raise ShapeError(
            f"boolean_mask: axis {place} of data {data.shape} needs an index of shape "
            f"({data.shape[place]},), got {index.shape}"
        )
    chosen = array(np.flatnonzero(index._numbers()), ctx=data.context, dtype=np.int64)
    return bind(take, data, chosen, axis=place, mode="clip")


@operator
def index_copy(old_tensor: NDArray, index_vector: NDArray, new_tensor: NDArray) -> NDArray:
    """A copy of `old_tensor` whose rows at `index_vector` are replaced by the rows of `new_tensor`.

    Raises `ShapeError` if the replaced and the new rows differ in shape or number.

    >>> from lamina import nd
    >>> nd.contrib.index_copy(nd.zeros((3, 1)), nd.array([2, 0]), nd.array([[5], [6]])).asnumpy().tolist()
    [[6.0], [0.0], [5.0]]
    """
    rows = index_vector.shape[0]
    if new_tensor.shape != (rows, *old_tensor.shape[1:]) or index_vector.ndim != 1:
        raise ShapeError(
            f"index_copy: needs a vector of indices, got shape {index_vector.shape}, and new rows of shape "
            f"{(rows, *old_tensor.shape[1:])}, got {new_tensor.shape}"
        )
    size = old_tensor.shape[0]
    placed = bind(take_add, new_tensor, index_vector, size=size, axis=0, mode="clip")
    ones = index_vector * 0 + 1
    hit = bind(take_add, ones, index_vector, size=size, axis=0, mode="clip")
    return bind(where, bind(reshape, hit, shape=(size, *(1,) * (old_tensor.ndim - 1))), placed, old_tensor)


@operator
def index_array(data: NDArray, axes: Sequence[int] | None = None) -> NDArray:
    """The index of each element as int64, along a new last axis, for all axes of `data` or only for `axes`."""
    chosen = range(data.ndim) if axes is None else [normalize_axis("index_array", a, data.ndim) for a in axes]
    positions = np.indices(data.shape)[list(chosen)]
    return array(np.moveaxis(positions, 0, -1), ctx=data.context, dtype=np.int64)


@operator
def arange_like(
    data: NDArray,
    start: float = 0.0,
    step: float = 1.0,
    repeat: int = 1,
    ctx: Context | None = None,
    axis: int | None = None,
) -> NDArray:
    """``start, start + step, …``, each value `repeat` times, in the shape of `data`.

    With `axis` the result is a vector with the size of that axis.
    """
    size = data.size if axis is None else data.shape[normalize_axis("arange_like", axis, data.ndim)]
    count = -(-size // repeat)
    stop = start + step * (count - 0.5)
    numbers = arange(start, stop, step, repeat=repeat, ctx=ctx or data.context, dtype=data.dtype)[:size]
    return numbers if axis is not None else bind(reshape, numbers, shape=data.shape)


# --- tests of numbers ---------------------------------------------------------------------------------------------


@operator
def isnan(data: NDArray) -> NDArray:
    """1 where the element is NaN, else 0."""
    return data != data  # noqa: PLR0124 - which only NaN is


@operator
def isinf(data: NDArray) -> NDArray:
    """1 where the element is infinite, else 0."""
    return abs(data) == float("inf")


@operator
def isfinite(data: NDArray) -> NDArray:
    """1 where the element is neither infinite nor NaN, else 0."""
    return abs(data) < float("inf")


@operator
def allclose(
    a: NDArray, b: NDArray, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = True
) -> NDArray:
    """1 if |a - b| ≤ atol + rtol · |b| for all elements, else 0, as a uint8 array of shape (1,)."""
    close = (abs(a - b) <= atol + rtol * abs(b)) + (a == b)
    if equal_nan:
        close = close + isnan(a) * isnan(b)
    return min((close > 0).astype(np.uint8))


# --- formulas -----------------------------------------------------------------------------------------------------


@operator
def quadratic(data: NDArray, a: float = 0.0, b: float = 0.0, c: float = 0.0) -> NDArray:
    """The polynomial a·x² + b·x + c."""
    return a * data * data + b * data + c


@operator
def gradientmultiplier(data: NDArray, scalar: float = 1.0) -> NDArray:
    """`data` unchanged, with its gradient multiplied by `scalar`.

    A negative `scalar` reverses the gradient (Ganin & Lempitsky, 2015).
    """
    return bind(straight_through, data, data * scalar)


@operator
def round_ste(data: NDArray) -> NDArray:
    """`round(data)` with the gradient of the identity (a straight-through estimator)."""
    return bind(straight_through, round(data), data)


@operator
def sign_ste(data: NDArray) -> NDArray:
    """`sign(data)` with the gradient of the identity (a straight-through estimator)."""
    return bind(straight_through, sign(data), data)


def rand_zipfian(
    true_classes: NDArray, num_sampled: int, range_max: int, ctx: Context | None = None
) -> tuple[NDArray, NDArray, NDArray]:
    """Random classes with P(k) = log((k + 2) / (k + 1)) / log(range_max + 1), for a sampled softmax.

    Returns:
        The drawn classes (int64), the expected counts of `true_classes`, and the expected counts of the drawn classes.
    """
    scale = math.log(range_max + 1)
    unit: Any = uniform(0, scale, shape=(num_sampled,), dtype="float64", ctx=ctx)
    drawn = floor(exp(unit) - 1.0) % range_max

    def expected(classes: NDArray) -> NDArray:
        k = classes.astype("float64")
        return log((k + 2.0) / (k + 1.0)) / scale * num_sampled

    return drawn.astype("int64"), expected(true_classes), expected(drawn)
