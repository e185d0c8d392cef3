"""The steps of LAMB and AdamW as operators, for one array and for many, as in `lamina.nd._fused_updates`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.nd._fused_updates import each, in_float32
from lamina.nd._operator import operator
from lamina.nd._updates import clipped, set_state
from lamina.nd.arithmetic import maximum, minimum
from lamina.nd.elementwise import sqrt
from lamina.nd.lookup import where
from lamina.nd.reduce import norm

if TYPE_CHECKING:
    from lamina.nd.ndarray import NDArray

__all__ = ["lamb_update_phase1", "lamb_update_phase2", "mp_lamb_update_phase1", "mp_lamb_update_phase2"]


# --- LAMB in two phases ------------------------------------------------------------------------------------------


@operator
def lamb_update_phase1(
    weight: NDArray,
    grad: NDArray,
    mean: NDArray,
    var: NDArray,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-6,
    t: int = 1,
    bias_correction: bool = True,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
) -> NDArray:
    """The direction mean / (√var + epsilon) + wd · weight of a step of LAMB (You et al., 2020); `t` counts from 1."""
    g = clipped(grad * rescale_grad, clip_gradient)
    moved = set_state(mean, beta1 * mean + (1.0 - beta1) * g)
    spread = set_state(var, beta2 * var + (1.0 - beta2) * g * g)
    if bias_correction:
        moved, spread = moved / (1.0 - beta1**t), spread / (1.0 - beta2**t)
    return moved / (sqrt(spread) + epsilon) + wd * weight


@operator
def lamb_update_phase2(
    weight: NDArray,
    g: NDArray,
    r1: NDArray,
    r2: NDArray,
    lr: float,
    lower_bound: float = -1.0,
    upper_bound: float = -1.0,
) -> NDArray:
    """weight - lr · r1/r2 · g, with the lengths r1 of the weight, between the bounds, and r2 of g; of 0, lr · g."""
    if lower_bound > 0:
        r1 = maximum(r1, lower_bound)
    if upper_bound > 0:
        r1 = minimum(r1, upper_bound)
    ratio = where((r1 != 0) * (r2 != 0), r1 / r2, 1.0)
    return weight - lr * ratio.reshape((1,) * weight.ndim) * g


@operator
def mp_lamb_update_phase1(
    weight: NDArray,
    grad: NDArray,
    mean: NDArray,
    var: NDArray,
    weight32: NDArray,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-6,
    t: int = 1,
    bias_correction: bool = True,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
) -> NDArray:
    """`nd.lamb_update_phase1` of `weight32`, the weight's copy in float32."""
    g = grad.astype(np.float32)
    settings = {"wd": wd, "rescale_grad": rescale_grad, "clip_gradient": clip_gradient}
    return lamb_update_phase1(weight32, g, mean, var, beta1, beta2, epsilon, t, bias_correction, **settings)


@operator
def mp_lamb_update_phase2(
    weight: NDArray,
    g: NDArray,
    r1: NDArray,
    r2: NDArray,
    weight32: NDArray,
    lr: float,
    lower_bound: float = -1.0,
    upper_bound: float = -1.0,
) -> NDArray:
    """`nd.lamb_update_phase2` of `weight32`, the weight's copy in float32."""
    bounds = {"lower_bound": lower_bound, "upper_bound": upper_bound}
    return in_float32(lamb_update_phase2, weight, g, r1, r2, weight32, lr=lr, **bounds)


# --- those of nd.contrib -----------------------------------------------------------------------------------------


@operator
def adamw_update(
    weight: NDArray,
    grad: NDArray,
    mean: NDArray,
    var: NDArray,
    rescale_grad: NDArray | float,
    lr: float,
    eta: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    wd: float = 0,
    clip_gradient: float = -1,
) -> NDArray:
    """weight - eta · (lr · mean / (√var + epsilon) + wd · weight), after both have moved (Loshchilov & Hutter, 2019).

    Nothing is done if `rescale_grad` is 0 or not finite, as loss scaling asks for.
    """
    scale = float(rescale_grad)
    if scale == 0 or not math.isfinite(scale):
        return weight.copy()
    g = clipped(grad * scale, clip_gradient)
    set_state(mean, beta1 * mean + (1.0 - beta1) * g)
    set_state(var, beta2 * var + (1.0 - beta2) * g * g)
    return weight - eta * (lr * mean / (sqrt(var) + epsilon) + wd * weight)


@operator
def mp_adamw_update(
    weight: NDArray,
    grad: NDArray,
    mean: NDArray,
    var: NDArray,
    weight32: NDArray,
    rescale_grad: NDArray | float,
    lr: float,
    eta: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    wd: float = 0,
    clip_gradient: float = -1,
) -> NDArray:
    """`nd.contrib.adamw_update` of `weight32`, the weight's copy in float32."""
    betas = {"beta1": beta1, "beta2": beta2, "epsilon": epsilon}
    settings = {"rescale_grad": rescale_grad, "lr": lr, "eta": eta, "wd": wd, "clip_gradient": clip_gradient}
    return in_float32(adamw_update, weight, grad, mean, var, weight32, **settings, **betas)


def multi_adamw_update(
    weights: Sequence[NDArray],
    grads: Sequence[NDArray],
    mean: Sequence[NDArray],
    var: Sequence[NDArray],
    rescale_grad: NDArray | float,
    lrs: Sequence[float],
    wds: Sequence[float],
    etas: Sequence[float],
    out: Any = None,
    name: str | None = None,
    size: int = 0,
    **settings: Any,
) -> list[NDArray] | NDArray:
    """`nd.contrib.adamw_update` of several weights."""
    groups = list(zip(weights, grads, mean, var, strict=True))
    rates = {"lr": list(lrs), "wd": list(wds), "eta": list(etas)}
    return each(
        "multi_adamw_update", adamw_update, groups, out, rescale_grad=rescale_grad, **rates, **settings
    )


def multi_mp_adamw_update(
    weights: Sequence[NDArray],
    grads: Sequence[NDArray],
    mean: Sequence[NDArray],
    var: Sequence[NDArray],
    weights32: Sequence[NDArray],
    rescale_grad: NDArray | float,
    lrs: Sequence[float],
    wds: Sequence[float],
    etas: Sequence[float],
    out: Any = None,
    name: str | None = None,
    size: int = 0,
    **settings: Any,
) -> list[NDArray] | NDArray:
    """`nd.contrib.mp_adamw_update` of several weights."""
    groups = list(zip(weights, grads, mean, var, weights32, strict=True))
    rates = {"lr": list(lrs), "wd": list(wds), "eta": list(etas)}
    return each(
        "multi_mp_adamw_update", mp_adamw_update, groups, out, rescale_grad=rescale_grad, **rates, **settings
    )


def _lamb_update(
    weight: NDArray,
    grad: NDArray,
    mean: NDArray,
    var: NDArray,
    *,
    lr: float,
    lower_bound: float = -1.0,
    upper_bound: float = -1.0,
    **settings: Any,
) -> NDArray:
    """Both phases of LAMB."""
    g = lamb_update_phase1(weight, grad, mean, var, **settings)
    return lamb_update_phase2(weight, g, norm(weight), norm(g), lr, lower_bound, upper_bound)


def multi_lamb_update(
    weights: Sequence[NDArray],
    grads: Sequence[NDArray],
    mean: Sequence[NDArray],
    var: Sequence[NDArray],
    step_count: Sequence[int],
    lrs: Sequence[float],
    wds: Sequence[float],
    out: Any = None,
    num_tensors: int = 0,
    **settings: Any,
) -> list[NDArray] | NDArray:
    """Both phases of LAMB (You et al., 2020) for several weights; `step_count` counts each one's updates from 1."""
    groups = list(zip(weights, grads, mean, var, strict=True))
    rates = {"t": list(step_count), "lr": list(lrs), "wd": list(wds)}
    return each("multi_lamb_update", _lamb_update, groups, out, **rates, **settings)


def multi_mp_lamb_update(
    weights: Sequence[NDArray],
    grads: Sequence[NDArray],
    mean: Sequence[NDArray],
    var: Sequence[NDArray],
    weights32: Sequence[NDArray],
    step_count: Sequence[int],
    lrs: Sequence[float],
    wds: Sequence[float],
    out: Any = None,
    num_tensors: int = 0,
    **settings: Any,
) -> list[NDArray] | NDArray:
    """`nd.contrib.multi_lamb_update` of the weights' copies in float32."""

    def update(*arrays: NDArray, **own: Any) -> NDArray:
        return in_float32(_lamb_update, *arrays, **own)

    groups = list(zip(weights, grads, mean, var, weights32, strict=True))
    rates = {"t": list(step_count), "lr": list(lrs), "wd": list(wds)}
    return each("multi_mp_lamb_update", update, groups, out, **rates, **settings)
