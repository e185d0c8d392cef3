"""MXNet's attention products, with queries, keys and values of all heads interleaved in one array.

A projection has shape (steps, batch, heads · parts · size). The parts are query, key and value for self-attention, and
only key and value for attention to another sequence. Scores and attention weights have shape (batch · heads, steps of
queries, steps of keys).
"""

from __future__ import annotations

import math

from lamina.core.primitive import bind
from lamina.errors import ShapeError
from lamina.nd._products import batch_dot
from lamina.nd.operators import NDArray, operator
from lamina.primitives.movement import reshape, transpose

__all__ = [
    "div_sqrt_dim", "interleaved_matmul_encdec_qk", "interleaved_matmul_encdec_valatt",
    "interleaved_matmul_selfatt_qk", "interleaved_matmul_selfatt_valatt",
]  # fmt: skip


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
