"""The steps of optimizers as operators: states are written in place, the new weight is returned (``out=weight``).

Where `clip_gradient` is 0 or more, gradients are cut to [-clip_gradient, clip_gradient]. `lamina.optimizer` has the
same steps, compiled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.core.tape import recording_suspended
from lamina.errors import ParameterError
from lamina.nd._operator import operator
from lamina.nd.elementwise import abs, clip, sign, sqrt

if TYPE_CHECKING:
    from lamina.nd.ndarray import NDArray

__all__ = [
    "adam_update", "ftml_update", "ftrl_update", "nag_mom_update", "rmsprop_update", "rmspropalex_update",
    "sgd_mom_update", "sgd_update", "signsgd_update", "signum_update",
]  # fmt: skip


def clipped(x: NDArray, bound: float) -> NDArray:
    """`x` cut to [-bound, bound]; as it is, if the bound is negative."""
    return x if bound < 0 else clip(x, -bound, bound)


def set_state(state: NDArray, value: NDArray) -> NDArray:
    """Write an optimizer's state in place, unrecorded; the state."""
    with recording_suspended():
        state[:] = value
    return state


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
    """weight - lr · (gradient + wd · weight).

    >>> from lamina import nd
    >>> w = nd.ones(2)
    >>> nd.sgd_update(w, nd.ones(2), lr=0.5, out=w).asnumpy()
    array([0.5, 0.5], dtype=float32)
    """
    return (1.0 - lr * wd) * weight - lr * clipped(grad * rescale_grad, clip_gradient)


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
    """mom = momentum · mom - lr · (gradient + wd · weight); weight + mom."""
    step = lr * (clipped(grad * rescale_grad, clip_gradient) + wd * weight)
    return weight + set_state(mom, momentum * mom - step)


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
    """mom = momentum · mom - lr · g; weight + momentum · mom - lr · g, with g = gradient + wd · weight."""
    step = lr * (clipped(grad * rescale_grad, clip_gradient) + wd * weight)
    return weight + momentum * set_state(mom, momentum * mom - step) - step


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
    """weight - lr · mean / (√var + epsilon), after both have moved (Kingma & Ba, 2015); no correction of the bias."""
    g = clipped(grad * rescale_grad + wd * weight, clip_gradient)
    set_state(mean, beta1 * mean + (1.0 - beta1) * g)
    set_state(var, beta2 * var + (1.0 - beta2) * g * g)
    return weight - lr * mean / (sqrt(var) + epsilon)


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
    """weight - lr · g / √(n + epsilon), where n follows g² (Tieleman & Hinton, 2012)."""
    g = clipped(grad * rescale_grad + wd * weight, clip_gradient)
    set_state(n, (1.0 - gamma1) * g * g + gamma1 * n)
    return clipped(weight - lr * g / sqrt(n + epsilon), clip_weights)


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
    """RMSProp with mean and momentum (Graves, 2013)."""
    slope = clipped(grad * rescale_grad + wd * weight, clip_gradient)
    set_state(n, (1.0 - gamma1) * slope * slope + gamma1 * n)
    set_state(g, (1.0 - gamma1) * slope + gamma1 * g)
    set_state(delta, gamma2 * delta - lr * slope / sqrt(n - g * g + epsilon))
    return clipped(weight + delta, clip_weights)


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
    """FTRL-Proximal (McMahan et al., 2013)."""
    g = clipped(grad * rescale_grad, clip_gradient)
    set_state(z, z + g - (sqrt(n + g * g) - sqrt(n)) * weight / lr)
    set_state(n, n + g * g)
    step = (sign(z) * lamda1 - z) / ((beta + sqrt(n)) / lr + wd)
    return step * (abs(z) > lamda1)


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
    """-z / d: follow the moving leader (Zheng & Kwok, 2017); `t` counts the updates, from 1."""
    if t < 1:
        raise ParameterError(f"ftml_update: t counts the updates, the first of which is 1; got {t}")
    g = clipped(grad * rescale_grad + wd * weight, clip_grad)
    set_state(v, beta2 * v + (1.0 - beta2) * g * g)
    before = d.copy()
    set_state(d, (1.0 - beta1**t) / lr * (sqrt(v / (1.0 - beta2**t)) + epsilon))
    set_state(z, beta1 * z + (1.0 - beta1) * g - (d - beta1 * before) * weight)
    return -z / d


@operator
def signsgd_update(
    weight: NDArray,
    grad: NDArray,
    lr: float,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
) -> NDArray:
    """weight - lr · (sign(gradient) + wd · weight)."""
    return (1.0 - lr * wd) * weight - lr * sign(grad * rescale_grad)


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
    """mom = momentum · mom - (1 - momentum) · (gradient + wd · weight); weight · (1 - lr · wd_lh) + lr · sign(mom)."""
    g = clipped(grad * rescale_grad, clip_gradient)
    set_state(mom, momentum * mom - (1.0 - momentum) * (g + wd * weight))
    return (1.0 - lr * wd_lh) * weight + lr * sign(mom)
