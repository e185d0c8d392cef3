"""MXNet's update operators, which apply a step of `lamina.optimizer` and return the new weight.

States are written in place. Gradients are multiplied by `rescale_grad`, and clipped to [-clip_gradient, clip_gradient]
unless `clip_gradient` is negative. ``mp_`` operators update `weight32`, a float32 copy of the weight, and return it in
the weight's dtype.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any

import numpy as np

from lamina.core.tape import recording_suspended
from lamina.errors import ParameterError
from lamina.nd.arithmetic import maximum, minimum
from lamina.nd.elementwise import clip
from lamina.nd.lookup import where
from lamina.nd.ndarray import NDArray
from lamina.nd.operators import Operator, operator
from lamina.optimizer.adam import adam_step, adamw_step, lamb_step
from lamina.optimizer.adam import bias_correction as _correction
from lamina.optimizer.adaptive import centered_rmsprop_step, ftrl_step, rmsprop_step
from lamina.optimizer.momentum import momentum_step, nesterov_step, sgd_step, signsgd_step, signum_step
from lamina.optimizer.optimizer import State, Stepped
from lamina.optimizer.rare import ftml_step

__all__ = [
    "adam_update", "ftml_update", "ftrl_update", "lamb_update_phase1", "lamb_update_phase2", "mp_lamb_update_phase1",
    "mp_lamb_update_phase2", "mp_nag_mom_update", "mp_sgd_mom_update", "mp_sgd_update", "nag_mom_update",
    "rmsprop_update", "rmspropalex_update", "sgd_mom_update", "sgd_update", "signsgd_update", "signum_update",
]  # fmt: skip


def clipped(x: NDArray, bound: float) -> NDArray:
    """`x` clipped to [-bound, bound], or unchanged if `bound` is negative."""
    return x if bound < 0 else clip(x, -bound, bound)


def set_states(states: State, values: State) -> None:
    """Write an optimizer's states in place, without recording the writes on the tape."""
    with recording_suspended():
        for state, value in zip(states, values, strict=True):
            state[:] = value


def _written(states: State, stepped: Stepped) -> NDArray:
    """Write a step's new states in place, and return its new weight."""
    new, values = stepped
    set_states(states, values)
    return new


@operator
def sgd_update(
    weight: NDArray,
    grad: NDArray,
    lr: float,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
    lazy_update: bool = True,
) -> NDArray:
    """Apply `sgd_step` to (1 - lr · wd) · weight, i.e. with weight decay.

    >>> from lamina import nd
    >>> w = nd.ones(2)
    >>> nd.sgd_update(w, nd.ones(2), lr=0.5, out=w).asnumpy()
    array([0.5, 0.5], dtype=float32)
    """
    return sgd_step((1.0 - lr * wd) * weight, clipped(grad * rescale_grad, clip_gradient), rate=lr)[0]


@operator
def sgd_mom_update(
    weight: NDArray,
    grad: NDArray,
    mom: NDArray,
    lr: float,
    momentum: float = 0.0,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
    lazy_update: bool = True,
) -> NDArray:
    """Apply `momentum_step` with wd · weight added to the gradient."""
    g = clipped(grad * rescale_grad, clip_gradient) + wd * weight
    return _written((mom,), momentum_step(weight, g, (mom,), rate=lr, momentum=momentum))


@operator
def nag_mom_update(
    weight: NDArray,
    grad: NDArray,
    mom: NDArray,
    lr: float,
    momentum: float = 0.0,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
) -> NDArray:
    """Apply `nesterov_step` with wd · weight added to the gradient."""
    g = clipped(grad * rescale_grad, clip_gradient) + wd * weight
    return _written((mom,), nesterov_step(weight, g, (mom,), rate=lr, momentum=momentum))


@operator
def adam_update(
    weight: NDArray,
    grad: NDArray,
    mean: NDArray,
    var: NDArray,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
    lazy_update: bool = True,
) -> NDArray:
    """Apply `adam_step` without bias correction, with wd · weight added to the gradient."""
    g, state = clipped(grad * rescale_grad + wd * weight, clip_gradient), (mean, var)
    return _written(state, adam_step(weight, g, state, rate=lr, betas=(beta1, beta2), epsilon=epsilon))


@operator
def rmsprop_update(
    weight: NDArray,
    grad: NDArray,
    n: NDArray,
    lr: float,
    gamma1: float = 0.95,
    epsilon: float = 1e-8,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
    clip_weights: float = -1.0,
) -> NDArray:
    """Apply `rmsprop_step` with wd · weight added to the gradient."""
    g = clipped(grad * rescale_grad + wd * weight, clip_gradient)
    new = _written((n,), rmsprop_step(weight, g, (n,), rate=lr, beta=gamma1, epsilon=epsilon))
    return clipped(new, clip_weights)


@operator
def rmspropalex_update(
    weight: NDArray,
    grad: NDArray,
    n: NDArray,
    g: NDArray,
    delta: NDArray,
    lr: float,
    gamma1: float = 0.95,
    gamma2: float = 0.9,
    epsilon: float = 1e-8,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
    clip_weights: float = -1.0,
) -> NDArray:
    """Apply `centered_rmsprop_step` with wd · weight added to the gradient; the state is (n, g, delta)."""
    slope, state = clipped(grad * rescale_grad + wd * weight, clip_gradient), (n, g, delta)
    settings = {"beta": gamma1, "momentum": gamma2, "epsilon": epsilon}
    return clipped(
        _written(state, centered_rmsprop_step(weight, slope, state, rate=lr, **settings)), clip_weights
    )


@operator
def ftrl_update(
    weight: NDArray,
    grad: NDArray,
    z: NDArray,
    n: NDArray,
    lr: float,
    lamda1: float = 0.01,
    beta: float = 1.0,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
) -> NDArray:
    """Apply `ftrl_step` with weight decay `wd`."""
    g, state = clipped(grad * rescale_grad, clip_gradient), (z, n)
    return _written(state, ftrl_step(weight, g, state, rate=lr, l1=lamda1, beta=beta, decay=wd))


@operator
def ftml_update(
    weight: NDArray,
    grad: NDArray,
    d: NDArray,
    v: NDArray,
    z: NDArray,
    lr: float,
    beta1: float = 0.6,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    t: int = 0,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_grad: float = -1.0,
) -> NDArray:
    """Apply `ftml_step` with wd · weight added to the gradient; `t` counts the updates from 1."""
    if t < 1:
        raise ParameterError(f"ftml_update: t counts the updates from 1; got {t}")
    g, state = clipped(grad * rescale_grad + wd * weight, clip_grad), (d, v, z)
    corrections = {"correction": _correction(beta2, t), "scale": (1.0 - beta1**t) / lr}
    return _written(
        state, ftml_step(weight, g, state, beta1=beta1, beta2=beta2, epsilon=epsilon, **corrections)
    )


@operator
def signsgd_update(
    weight: NDArray,
    grad: NDArray,
    lr: float,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
) -> NDArray:
    """Apply `signsgd_step` with weight decay `wd`."""
    return signsgd_step(weight, grad * rescale_grad, rate=lr, decay=wd)[0]


@operator
def signum_update(
    weight: NDArray,
    grad: NDArray,
    mom: NDArray,
    lr: float,
    momentum: float = 0.0,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
    wd_lh: float = 0.0,
) -> NDArray:
    """Apply `signum_step` with wd · weight added to the gradient, and with decoupled weight decay `wd_lh`."""
    g = clipped(grad * rescale_grad, clip_gradient) + wd * weight
    return _written((mom,), signum_step(weight, g, (mom,), rate=lr, momentum=momentum, decay=wd_lh))


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
    """The direction of a LAMB step (You et al., 2020), Adam's step plus wd · weight; `t` counts updates from 1."""
    g, state, betas = clipped(grad * rescale_grad, clip_gradient), (mean, var), (beta1, beta2)
    correction = (_correction(beta1, t), _correction(beta2, t)) if bias_correction else None
    decayed = adam_step(wd * weight, g, state, rate=-1.0, betas=betas, epsilon=epsilon, correction=correction)
    return _written(state, decayed)


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
    """weight - lr · r1/r2 · g, where r1 and r2 are the norms of `weight` and `g`.

    r1 is limited to the bounds, and the ratio is 1 if a norm is 0.
    """
    if lower_bound > 0:
        r1 = maximum(r1, lower_bound)
    if upper_bound > 0:
        r1 = minimum(r1, upper_bound)
    ratio = where((r1 != 0) * (r2 != 0), r1 / r2, 1.0)
    return weight - lr * ratio.reshape((1,) * weight.ndim) * g


def lamb_update(
    weight: NDArray,
    grad: NDArray,
    mean: NDArray,
    var: NDArray,
    t: int,
    lr: float,
    wd: float = 0.0,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-6,
    lower_bound: float = -1.0,
    upper_bound: float = -1.0,
    bias_correction: bool = True,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
) -> NDArray:
    """Apply `lamb_step`, for `multi_lamb_update`; `t` counts the updates from 1."""
    g, state = clipped(grad * rescale_grad, clip_gradient), (mean, var)
    correction = (_correction(beta1, t), _correction(beta2, t)) if bias_correction else None
    settings: dict[str, Any] = {"betas": (beta1, beta2), "epsilon": epsilon, "correction": correction}
    bounds = lower_bound, upper_bound
    return _written(state, lamb_step(weight, g, state, rate=lr, decay=wd, bounds=bounds, **settings))


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
    """Apply `adamw_step` without bias correction, with learning rate eta · lr and weight decay eta · wd.

    If `rescale_grad` is 0 or not finite, nothing is updated, as loss scaling requires.
    """
    scale = float(rescale_grad)
    if scale == 0 or not math.isfinite(scale):
        return weight.copy()
    g, state = clipped(grad * scale, clip_gradient), (mean, var)
    settings: dict[str, Any] = {
        "rate": eta * lr,
        "decay": eta * wd,
        "betas": (beta1, beta2),
        "epsilon": epsilon,
    }
    return _written(state, adamw_step(weight, g, state, **settings))


def _in_float32(update: Callable[..., NDArray], is_step: bool = True) -> Operator[...]:
    """Make an operator that applies `update` to a float32 copy of the weight, the last array argument.

    If `update` computes a whole step (`is_step`), the new weight is written to the copy and returned in the weight's
    dtype. Otherwise the result of `update` is returned.
    """
    name, declared = f"mp_{update.__name__}", list(signature(update).parameters.values())
    count = sum(parameter.annotation == "NDArray" for parameter in declared)
    copy = Parameter("weight32", Parameter.POSITIONAL_OR_KEYWORD, annotation="NDArray")
    own = signature(update).replace(parameters=[*declared[:count], copy, *declared[count:]])

    def compute(*args: Any, **kwargs: Any) -> NDArray:
        given = own.bind(*args, **kwargs).arguments
        weight, weight32, gradient = given.pop("weight"), given.pop("weight32"), declared[1].name
        given[gradient] = given[gradient].astype(np.float32)
        result = update(weight32, **given)
        if not is_step:
            return result
        set_states((weight32,), (result,))
        return weight32.astype(weight.dtype)

    compute.__name__ = compute.__qualname__ = name
    compute.__doc__ = f"`{update.__name__}` of `weight32`, the weight's copy in float32."
    compute.__signature__ = own  # pyright: ignore[reportFunctionMemberAccess]
    return operator(compute)


mp_sgd_update = _in_float32(sgd_update)
mp_sgd_mom_update = _in_float32(sgd_mom_update)
mp_nag_mom_update = _in_float32(nag_mom_update)
mp_lamb_update_phase1 = _in_float32(lamb_update_phase1, is_step=False)
mp_lamb_update_phase2 = _in_float32(lamb_update_phase2)
mp_lamb_update = _in_float32(lamb_update)
mp_adamw_update = _in_float32(adamw_update)
