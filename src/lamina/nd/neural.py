"""Layers as functions: FullyConnected and Dropout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.core.primitive import bind
from lamina.core.state import state
from lamina.errors import ParameterError, ShapeError
from lamina.nd.operators import NDArray, known_name, operator
from lamina.nd.random import bits
from lamina.primitives import COMPARISON, matmul, normalize_axes, reshape

__all__ = ["Dropout", "FullyConnected"]


@operator
def FullyConnected(
    data: NDArray,
    weight: NDArray,
    bias: NDArray | None = None,
    num_hidden: int | None = None,
    no_bias: bool = False,
    flatten: bool = True,
) -> NDArray:
    """data · weightᵀ + bias, with a weight of shape (num_hidden, inputs) and a bias of shape (num_hidden,).

    With `flatten` all axes of `data` but the first are flattened to inputs. Otherwise the last axis has the inputs, and
    the result keeps the other axes.

    Raises `ShapeError` for unsuitable shapes, and `ParameterError` without `bias` unless `no_bias` is true.

    >>> from lamina import nd
    >>> nd.FullyConnected(nd.ones((2, 3)), nd.ones((4, 3)), nd.zeros(4), num_hidden=4).shape
    (2, 4)
    """
    shape = data.shape
    inputs = math.prod(shape[1:]) if flatten else shape[-1]
    if weight.shape != (num_hidden or weight.shape[0], inputs):
        raise ShapeError(
            f"FullyConnected: data {shape} with flatten={flatten} and num_hidden={num_hidden} needs a weight of "
            f"shape {(num_hidden or weight.shape[0], inputs)}, got {weight.shape}"
        )
    if len(shape) != 2:
        data = bind(reshape, data, shape=(math.prod(shape) // max(inputs, 1), inputs))
    out = bind(matmul, data, weight, transpose_a=False, transpose_b=True)
    if not no_bias:
        if bias is None:
            raise ParameterError("FullyConnected: pass a bias, or no_bias=True")
        out = out + bias
    return out if flatten or len(shape) == 2 else bind(reshape, out, shape=(*shape[:-1], weight.shape[0]))


@operator
def Dropout(
    data: NDArray,
    p: float = 0.5,
    mode: str = "training",
    axes: int | Sequence[int] | None = (),
    cudnn_off: bool = False,
) -> NDArray:
    """Set each element to 0 with probability `p` and divide the others by 1 - p (Srivastava et al., 2014).

    By default elements are dropped only in training mode (`autograd.record` or `autograd.train_mode`), with
    ``mode="always"`` at every call. Elements that differ only in their index along `axes` are dropped together.
    `cudnn_off` is accepted for compatibility with MXNet and ignored.

    Raises `ParameterError` if `p` is not a probability.
    """
    known_name("Dropout", "mode", mode, ("training", "always"))
    if not 0 <= p <= 1:
        raise ParameterError(f"Dropout: p={p} is not a probability")
    if p == 0 or (mode == "training" and not state.training):
        return data.copy()
    if p == 1:
        return data * 0.0
    several = (axes,) if isinstance(axes, int | np.integer) else tuple(() if axes is None else axes)
    shared = normalize_axes("Dropout", several, data.ndim) if several else ()
    return dropped(data, p, tuple([1 if a in shared else n for a, n in enumerate(data.shape)]))


_CHANCES = 1 << 16


def dropped(data: NDArray, p: Any, shape: tuple[int, ...]) -> NDArray:
    """`data` times a random mask of shape `shape`, whose elements are 0 with probability `p`, else 1 / (1 - p).

    `p` may change from step to step. Each mask element uses 16 random bits, which take a quarter of the time of a
    uniform float32. The error of the probability is at most 2⁻¹⁶.
    """
    chance = bits(shape, data.context, np.uint16).astype(np.float32)
    kept = bind(COMPARISON["less"], chance, (1.0 - p) * _CHANCES)
    return data * (kept * (1.0 / (1.0 - p))).astype(data.dtype)
