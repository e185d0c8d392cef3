"""Layers as functions: FullyConnected and Dropout, and normalizations such as BatchNorm and LayerNorm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.core.primitive import bind
from lamina.core.state import state
from lamina.core.tape import recording_suspended
from lamina.errors import ParameterError, ShapeError
from lamina.nd.operators import NDArray, known_name, operator
from lamina.nd.random import bits
from lamina.primitives import COMPARISON, UNARY, matmul, normalize_axes, normalize_axis, reduce_sum, reshape

__all__ = [
    "BatchNorm", "Dropout", "FullyConnected", "GroupNorm", "InstanceNorm", "L2Normalization", "LayerNorm",
]  # fmt: skip


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


# --- normalization by mean and variance, or by a norm -----------------------------------------------------------------


def _moments(data: NDArray, axes: tuple[int, ...]) -> tuple[NDArray, NDArray, NDArray]:
    """``data - mean``, the mean, and the biased variance over `axes`, which keep size 1."""
    count = math.prod([data.shape[a] for a in axes])
    mean = bind(reduce_sum, data, axis=axes, keepdims=True) / count
    centered = data - mean
    return centered, mean, bind(reduce_sum, centered * centered, axis=axes, keepdims=True) / count


def _require_vectors(function: str, data: NDArray, axis: int, vectors: dict[str, NDArray]) -> None:
    size = data.shape[axis]
    for name, x in vectors.items():
        if x.shape != (size,):
            raise ShapeError(
                f"{function}: axis {axis} of data {data.shape} needs {name} of shape ({size},), got {x.shape}"
            )


def _scaled(
    function: str, data: NDArray, axes: tuple[int, ...], place: int, gamma: NDArray, beta: NDArray, eps: float
) -> tuple[NDArray, NDArray, NDArray]:
    """`data` normalized over `axes`, times `gamma` plus `beta` along the axis `place`; also mean and variance."""
    _require_vectors(function, data, place, {"gamma": gamma, "beta": beta})
    kept = tuple([n if a == place else 1 for a, n in enumerate(data.shape)])
    centered, mean, var = _moments(data, axes)
    normal = centered * bind(UNARY["rsqrt"], var + eps)
    return normal * bind(reshape, gamma, shape=kept) + bind(reshape, beta, shape=kept), mean, var


def BatchNorm(
    data: NDArray,
    gamma: NDArray,
    beta: NDArray,
    moving_mean: NDArray,
    moving_var: NDArray,
    eps: float = 1e-3,
    momentum: float = 0.9,
    fix_gamma: bool = True,
    use_global_stats: bool = False,
    output_mean_var: bool = False,
    axis: int = 1,
    **_backend: Any,
) -> Any:
    """(x - mean) / √(var + eps) · gamma + beta for each index along `axis` (Ioffe & Szegedy, 2015).

    Training mode uses the mean and (biased) variance of this batch, and updates the moving statistics in place:
    ``moving = momentum · moving + (1 - momentum) · batch``. Otherwise, or with `use_global_stats`, the moving
    statistics are used. `fix_gamma` replaces gamma by 1. With `output_mean_var` the result is the list of the output,
    the mean, and 1/√(var + eps).

    >>> from lamina import autograd, nd
    >>> mean, var = nd.zeros(2), nd.ones(2)
    >>> with autograd.train_mode():
    ...     y = nd.BatchNorm(nd.array([[1, 2], [3, 6]]), nd.ones(2), nd.zeros(2), mean, var, eps=0)
    >>> y.asnumpy()
    array([[-1., -1.],
           [ 1.,  1.]], dtype=float32)
    >>> mean.asnumpy()
    array([0.2, 0.4], dtype=float32)
    """
    place = normalize_axis("BatchNorm", axis, data.ndim)
    channels = data.shape[place]
    vectors = {"gamma": gamma, "beta": beta, "moving_mean": moving_mean, "moving_var": moving_var}
    _require_vectors("BatchNorm", data, place, vectors)
    kept = tuple([n if a == place else 1 for a, n in enumerate(data.shape)])
    if state.training and not use_global_stats:
        centered, mean, var = _moments(data, tuple([a for a in range(data.ndim) if a != place]))
        with recording_suspended():
            for moving, batch in ((moving_mean, mean), (moving_var, var)):
                moving[:] = moving * momentum + bind(reshape, batch, shape=(channels,)) * (1 - momentum)
    else:
        mean, var = (bind(reshape, x, shape=kept) for x in (moving_mean, moving_var))
        centered = data - mean
    scale = bind(UNARY["rsqrt"], var + eps)
    factor = scale if fix_gamma else scale * bind(reshape, gamma, shape=kept)
    out = centered * factor + bind(reshape, beta, shape=kept)
    if not output_mean_var:
        return out
    return [out, *[bind(reshape, x, shape=(channels,)) for x in (mean, scale)]]


def LayerNorm(
    data: NDArray,
    gamma: NDArray,
    beta: NDArray,
    axis: int = -1,
    eps: float = 1e-5,
    output_mean_var: bool = False,
) -> Any:
    """(x - mean) / √(var + eps) · gamma + beta, with mean and variance along `axis` (Ba et al., 2016).

    With `output_mean_var` the result is the list of the output, the mean, and √(var + eps).
    """
    place = normalize_axis("LayerNorm", axis, data.ndim)
    out, mean, var = _scaled("LayerNorm", data, (place,), place, gamma, beta, eps)
    return [out, mean, bind(UNARY["sqrt"], var + eps)] if output_mean_var else out


@operator
def InstanceNorm(data: NDArray, gamma: NDArray, beta: NDArray, eps: float = 1e-3) -> NDArray:
    """(x - mean) / √(var + eps) · gamma + beta, with mean and variance over the axes after axis 1.

    Each example and channel (axis 1) is normalized separately (Ulyanov et al., 2016).
    """
    return _scaled("InstanceNorm", data, tuple(range(2, data.ndim)), 1, gamma, beta, eps)[0]


def GroupNorm(
    data: NDArray,
    gamma: NDArray,
    beta: NDArray,
    num_groups: int = 1,
    eps: float = 1e-5,
    output_mean_var: bool = False,
) -> Any:
    """(x - mean) / √(var + eps) · gamma + beta, with mean and variance over each group of channels (Wu & He, 2018).

    The channels are on axis 1; a group includes all later axes. As in MXNet `gamma` and `beta` have an element for each
    group. With `output_mean_var` the result is the list of the output, the mean, and √(var + eps).

    Raises `ShapeError` if `num_groups` does not divide axis 1.
    """
    groups = int(num_groups)
    if groups < 1 or data.ndim < 2 or data.shape[1] % groups:
        raise ShapeError(f"GroupNorm: axis 1 of data {data.shape} can't be divided into {groups} groups")
    grouped = bind(reshape, data, shape=(data.shape[0], groups, math.prod(data.shape[1:]) // groups))
    out, mean, var = _scaled("GroupNorm", grouped, (2,), 1, gamma, beta, eps)
    out = bind(reshape, out, shape=data.shape)
    if not output_mean_var:
        return out
    flat = (data.shape[0], groups)
    return [out, bind(reshape, mean, shape=flat), bind(reshape, bind(UNARY["sqrt"], var + eps), shape=flat)]


@operator
def L2Normalization(data: NDArray, eps: float = 1e-10, mode: str = "instance") -> NDArray:
    """x / √(Σx² + eps), with the sum over the elements that `mode` selects.

    The sum is over each example (``mode="instance"``), axis 1 (``"channel"``), or the axes after axis 1
    (``"spatial"``).

    >>> from lamina import nd
    >>> nd.L2Normalization(nd.array([[3, 4]])).asnumpy()
    array([[0.6, 0.8]], dtype=float32)
    """
    known_name("L2Normalization", "mode", mode, ("instance", "channel", "spatial"))
    first, last = {"instance": (1, data.ndim), "channel": (1, 2), "spatial": (2, data.ndim)}[mode]
    squares = bind(reduce_sum, data * data, axis=tuple(range(first, last)), keepdims=True)
    return data * bind(UNARY["rsqrt"], squares + eps)
