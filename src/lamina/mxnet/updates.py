"""MXNet's update operators, which apply a step of `lamina.optimizer` and return the new weight.

States are written in place. Gradients are multiplied by `rescale_grad`, and clipped to [-clip_gradient, clip_gradient]
unless `clip_gradient` is negative. ``mp_`` operators update `weight32`, a float32 copy of the weight, and return it in
the weight's dtype. MXNet uses the operators of several weights to save calls; lamina compiles a loop of single updates
to one program anyway.
"""

from __future__ import annotations

import math
from ast import literal_eval
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from inspect import Parameter, Signature, signature
from types import SimpleNamespace
from typing import Any

import numpy as np

from lamina.core.array import Array
from lamina.core.tape import recording_suspended
from lamina.errors import ParameterError, ShapeError
from lamina.nd import NDArray, clip, maximum, minimum, sqrt, where, zeros_like
from lamina.nd.operators import Operator, named, operator, write_into
from lamina.optimizer.adam import adam_step, adamw_step, bias_correction, lamb_step
from lamina.optimizer.adaptive import centered_rmsprop_step, ftml_step, ftrl_step, rmsprop_step
from lamina.optimizer.momentum import momentum_step, nesterov_step, sgd_step, signsgd_step, signum_step
from lamina.optimizer.optimizer import State, Stepped


def _clipped(x: NDArray, bound: float) -> NDArray:
    """`x` clipped to [-bound, bound], or unchanged if `bound` is negative."""
    return x if bound < 0 else clip(x, -bound, bound)


def _set_states(states: State, values: State) -> None:
    """Write an optimizer's states in place, without recording the writes on the tape."""
    with recording_suspended():
        for state, value in zip(states, values, strict=True):
            state[:] = value


def _written(states: State, stepped: Stepped) -> NDArray:
    """Write a step's new states in place, and return its new weight."""
    new, values = stepped
    _set_states(states, values)
    return new


_USUAL = "wd=0.0 rescale_grad=1.0 clip_gradient=-1.0"


def _declared(
    arguments: str, **annotations: str
) -> Callable[[Callable[[SimpleNamespace], NDArray]], Operator[...]]:
    """Make an operator of a function of its arguments, which are the attributes of one object.

    `arguments` lists the arrays, the numbers without a default, and the numbers with one, separated by commas:
    ``weight grad, lr, wd=0.0``; an ellipsis stands for `_USUAL`. An argument is annotated as an array or a float, or by
    the type of its default.
    """
    arrays, needed, optional = (part.split() for part in arguments.replace("…", _USUAL).split(","))
    defaults = {name: literal_eval(text) for name, _, text in (each.partition("=") for each in optional)}
    kinds = dict.fromkeys(arrays, "NDArray") | dict.fromkeys(needed, "float")
    kinds |= {name: type(value).__name__ for name, value in defaults.items()} | annotations
    parameters = [
        Parameter(name, _BOTH, default=defaults.get(name, Parameter.empty), annotation=kind)
        for name, kind in kinds.items()
    ]
    own = Signature(parameters, return_annotation="NDArray")

    def decorate(function: Callable[[SimpleNamespace], NDArray]) -> Operator[...]:
        @wraps(function)
        def compute(*args: Any, **kwargs: Any) -> NDArray:
            given = {**defaults, **dict(zip(kinds, args, strict=False)), **kwargs}
            if given.keys() != kinds.keys() or len(args) + len(kwargs) > len(kinds):
                own.bind(*args, **kwargs)  # raises an error
            return function(SimpleNamespace(**given))

        compute.__signature__ = own  # pyright: ignore[reportAttributeAccessIssue]
        return operator(compute)

    return decorate


_BOTH = Parameter.POSITIONAL_OR_KEYWORD


@_declared("weight grad, lr, … lazy_update=True")
def sgd_update(x: SimpleNamespace) -> NDArray:
    """Apply `sgd_step` to (1 - lr · wd) · weight, i.e. with weight decay.

    >>> from lamina import nd
    >>> w = nd.ones(2)
    >>> nd.sgd_update(w, nd.ones(2), lr=0.5, out=w).asnumpy()
    array([0.5, 0.5], dtype=float32)
    """
    g = _clipped(x.grad * x.rescale_grad, x.clip_gradient)
    return sgd_step((1.0 - x.lr * x.wd) * x.weight, g, rate=x.lr)[0]


@_declared("weight grad mom, lr, momentum=0.0 … lazy_update=True")
def sgd_mom_update(x: SimpleNamespace) -> NDArray:
    """Apply `momentum_step` with wd · weight added to the gradient."""
    g = _clipped(x.grad * x.rescale_grad, x.clip_gradient) + x.wd * x.weight
    return _written((x.mom,), momentum_step(x.weight, g, (x.mom,), rate=x.lr, momentum=x.momentum))


@_declared("weight grad mom, lr, momentum=0.0 …")
def nag_mom_update(x: SimpleNamespace) -> NDArray:
    """Apply `nesterov_step` with the decay wd."""
    g = _clipped(x.grad * x.rescale_grad, x.clip_gradient)
    settings = {"rate": x.lr, "momentum": x.momentum, "decay": x.wd}
    return _written((x.mom,), nesterov_step(x.weight, g, (x.mom,), **settings))


@_declared("weight grad mean var, lr, beta1=0.9 beta2=0.999 epsilon=1e-8 … lazy_update=True")
def adam_update(x: SimpleNamespace) -> NDArray:
    """Apply `adam_step` without bias correction, with wd · weight added to the gradient."""
    g, state = _clipped(x.grad * x.rescale_grad + x.wd * x.weight, x.clip_gradient), (x.mean, x.var)
    stepped = adam_step(x.weight, g, state, rate=x.lr, betas=(x.beta1, x.beta2), epsilon=x.epsilon)
    return _written(state, stepped)


@_declared("weight grad n, lr, gamma1=0.95 epsilon=1e-8 … clip_weights=-1.0")
def rmsprop_update(x: SimpleNamespace) -> NDArray:
    """Apply `rmsprop_step` with wd · weight added to the gradient."""
    g = _clipped(x.grad * x.rescale_grad + x.wd * x.weight, x.clip_gradient)
    new = _written((x.n,), rmsprop_step(x.weight, g, (x.n,), rate=x.lr, beta=x.gamma1, epsilon=x.epsilon))
    return _clipped(new, x.clip_weights)


@_declared("weight grad n g delta, lr, gamma1=0.95 gamma2=0.9 epsilon=1e-8 … clip_weights=-1.0")
def rmspropalex_update(x: SimpleNamespace) -> NDArray:
    """Apply `centered_rmsprop_step` with wd · weight added to the gradient; the state is (n, g, delta)."""
    slope, state = _clipped(x.grad * x.rescale_grad + x.wd * x.weight, x.clip_gradient), (x.n, x.g, x.delta)
    settings = {"beta": x.gamma1, "momentum": x.gamma2, "epsilon": x.epsilon}
    stepped = centered_rmsprop_step(x.weight, slope, state, rate=x.lr, **settings)
    return _clipped(_written(state, stepped), x.clip_weights)


@_declared("weight grad z n, lr, lamda1=0.01 beta=1.0 …")
def ftrl_update(x: SimpleNamespace) -> NDArray:
    """Apply `ftrl_step` with weight decay `wd`."""
    g, state = _clipped(x.grad * x.rescale_grad, x.clip_gradient), (x.z, x.n)
    return _written(state, ftrl_step(x.weight, g, state, rate=x.lr, l1=x.lamda1, beta=x.beta, decay=x.wd))


@_declared(
    "weight grad d v z, lr, beta1=0.6 beta2=0.999 epsilon=1e-8 t=0 wd=0.0 rescale_grad=1.0 clip_grad=-1.0"
)
def ftml_update(x: SimpleNamespace) -> NDArray:
    """Apply `ftml_step` with wd · weight added to the gradient; `t` counts the updates from 1."""
    if x.t < 1:
        raise ParameterError(f"ftml_update: t counts the updates from 1; got {x.t}")
    g, state = _clipped(x.grad * x.rescale_grad + x.wd * x.weight, x.clip_grad), (x.d, x.v, x.z)
    settings = {"beta1": x.beta1, "beta2": x.beta2, "epsilon": x.epsilon}
    settings |= {"correction": bias_correction(x.beta2, x.t), "scale": (1.0 - x.beta1**x.t) / x.lr}
    return _written(state, ftml_step(x.weight, g, state, **settings))


@_declared("weight grad, lr, …")
def signsgd_update(x: SimpleNamespace) -> NDArray:
    """Apply `signsgd_step` with weight decay `wd`."""
    return signsgd_step(x.weight, x.grad * x.rescale_grad, rate=x.lr, decay=x.wd)[0]


@_declared("weight grad mom, lr, momentum=0.0 … wd_lh=0.0")
def signum_update(x: SimpleNamespace) -> NDArray:
    """Apply `signum_step` with wd · weight added to the gradient, and with decoupled weight decay `wd_lh`."""
    g = _clipped(x.grad * x.rescale_grad, x.clip_gradient) + x.wd * x.weight
    stepped = signum_step(x.weight, g, (x.mom,), rate=x.lr, momentum=x.momentum, decay=x.wd_lh)
    return _written((x.mom,), stepped)


@_declared("weight grad mean var,, beta1=0.9 beta2=0.999 epsilon=1e-6 t=1 bias_correction=True …")
def lamb_update_phase1(x: SimpleNamespace) -> NDArray:
    """The direction of a LAMB step (You et al., 2020), Adam's step plus wd · weight; `t` counts updates from 1."""
    g, state = _clipped(x.grad * x.rescale_grad, x.clip_gradient), (x.mean, x.var)
    return _written(state, adam_step(x.wd * x.weight, g, state, rate=-1.0, **_of_lamb(x)))


def _of_lamb(x: SimpleNamespace) -> dict[str, Any]:
    correction = (bias_correction(x.beta1, x.t), bias_correction(x.beta2, x.t)) if x.bias_correction else None
    return {"betas": (x.beta1, x.beta2), "epsilon": x.epsilon, "correction": correction}


@_declared("weight g r1 r2, lr, lower_bound=-1.0 upper_bound=-1.0")
def lamb_update_phase2(x: SimpleNamespace) -> NDArray:
    """weight - lr · r1/r2 · g, where r1 and r2 are the norms of `weight` and `g`.

    r1 is limited to the bounds, and the ratio is 1 if a norm is 0.
    """
    r1 = maximum(x.r1, x.lower_bound) if x.lower_bound > 0 else x.r1
    r1 = minimum(r1, x.upper_bound) if x.upper_bound > 0 else r1
    ratio = where((r1 != 0) * (x.r2 != 0), r1 / x.r2, 1.0)
    return x.weight - x.lr * ratio.reshape((1,) * x.weight.ndim) * x.g


@_declared(
    "weight grad mean var, t lr, wd=0.0 beta1=0.9 beta2=0.999 epsilon=1e-6 lower_bound=-1.0 "
    "upper_bound=-1.0 bias_correction=True rescale_grad=1.0 clip_gradient=-1.0",
    t="int",
)
def lamb_update(x: SimpleNamespace) -> NDArray:
    """Apply `lamb_step`, for `multi_lamb_update`; `t` counts the updates from 1."""
    g, state = _clipped(x.grad * x.rescale_grad, x.clip_gradient), (x.mean, x.var)
    bounds = x.lower_bound, x.upper_bound
    stepped = lamb_step(x.weight, g, state, rate=x.lr, decay=x.wd, bounds=bounds, **_of_lamb(x))
    return _written(state, stepped)


@_declared(
    "weight grad mean var, rescale_grad lr eta, beta1=0.9 beta2=0.999 epsilon=1e-8 wd=0.0 clip_gradient=-1.0",
    rescale_grad="NDArray | float",
)
def adamw_update(x: SimpleNamespace) -> NDArray:
    """Apply `adamw_step` without bias correction, with learning rate eta · lr and weight decay eta · wd.

    If `rescale_grad` is 0 or not finite, nothing is updated, as loss scaling requires.
    """
    scale = float(x.rescale_grad)
    if scale == 0 or not math.isfinite(scale):
        return x.weight.copy()
    g, state = _clipped(x.grad * scale, x.clip_gradient), (x.mean, x.var)
    settings: dict[str, Any] = {"betas": (x.beta1, x.beta2), "epsilon": x.epsilon}
    stepped = adamw_step(x.weight, g, state, rate=x.eta * x.lr, decay=x.eta * x.wd, **settings)
    return _written(state, stepped)


def _in_float32(update: Callable[..., NDArray], is_step: bool = True) -> Operator[...]:
    """Make an operator that applies `update` to a float32 copy of the weight, the last array argument.

    If `update` computes a whole step (`is_step`), the new weight is written to the copy and returned in the weight's
    dtype. Otherwise the result of `update` is returned.
    """
    declared = list(signature(update).parameters.values())
    count = sum(parameter.annotation == "NDArray" for parameter in declared)
    copy = Parameter("weight32", _BOTH, annotation="NDArray")
    own = signature(update).replace(parameters=[*declared[:count], copy, *declared[count:]])

    def compute(*args: Any, **kwargs: Any) -> NDArray:
        given = own.bind(*args, **kwargs).arguments
        weight, weight32, gradient = given.pop("weight"), given.pop("weight32"), declared[1].name
        given[gradient] = given[gradient].astype(np.float32)
        result = update(weight32, **given)
        if not is_step:
            return result
        _set_states((weight32,), (result,))
        return weight32.astype(weight.dtype)

    compute.__signature__ = own  # pyright: ignore[reportFunctionMemberAccess]
    doc = f"`{update.__name__}` of `weight32`, the weight's copy in float32."
    return operator(named(compute, f"mp_{update.__name__}", doc))


mp_sgd_update = _in_float32(sgd_update)
mp_sgd_mom_update = _in_float32(sgd_mom_update)
mp_nag_mom_update = _in_float32(nag_mom_update)
mp_lamb_update_phase1 = _in_float32(lamb_update_phase1, is_step=False)
mp_lamb_update_phase2 = _in_float32(lamb_update_phase2)
mp_lamb_update = _in_float32(lamb_update)
mp_adamw_update = _in_float32(adamw_update)

# --- several weights ----------------------------------------------------------------------------------------------


def _each(
    name: str,
    update: Callable[..., NDArray],
    groups: Sequence[Sequence[NDArray]],
    out: NDArray | Sequence[NDArray] | None,
    **settings: Any,
) -> list[NDArray] | NDArray:
    """Apply `update` to each group of arrays, and return a list of the results, or a single result itself.

    A setting that is a list has a value for each group.
    """
    for key, values in settings.items():
        if isinstance(values, list | tuple) and len(values) != len(groups):
            raise ShapeError(
                f"{name}: {len(values)} values of {key} for {len(groups)} weights; pass one for each"
            )
    outs = [None] * len(groups) if out is None else [out] if isinstance(out, Array) else list(out)
    if len(outs) != len(groups):
        raise ShapeError(f"{name}: {len(outs)} arrays in out= for {len(groups)} weights; pass one for each")
    results: list[NDArray] = []
    for i, (group, into) in enumerate(zip(groups, outs, strict=True)):
        own = {key: v[i] if isinstance(v, list | tuple) else v for key, v in settings.items()}
        result = update(*group, **own)
        results.append(result if into is None else write_into(into, result))
    return results if len(results) > 1 else results[0]


def _groups(name: str, data: Sequence[NDArray], count: int, width: int) -> list[Sequence[NDArray]]:
    """Split `data` into `count` groups of `width` arrays, one group for each weight."""
    if len(data) != count * width:
        raise ShapeError(
            f"{name}: num_weights={count} takes {count * width} arrays ({width} for each weight), got {len(data)}"
        )
    return [data[i * width : (i + 1) * width] for i in range(count)]


_ABOUT_MANY = """`nd.{}` of `num_weights` weights{}.

The arrays of the first weight come first, then those of the second; `out` is a list."""


def _of_many(name: str, update: Callable[..., NDArray], width: int) -> Callable[..., Any]:
    """Make the operator `name`, which applies `update` to several weights, with `width` arrays per weight."""

    def many(
        *data: NDArray,
        lrs: Sequence[float],
        wds: Sequence[float],
        num_weights: int = 1,
        out: Any = None,
        **settings: Any,
    ) -> list[NDArray] | NDArray:
        groups = _groups(name, data, num_weights, width)
        return _each(name, update, groups, out, lr=list(lrs), wd=list(wds), **settings)

    return named(many, name, _ABOUT_MANY.format(update.__name__, ", with rates `lrs` and decays `wds`"))


def _preloaded(name: str, update: Callable[..., NDArray], width: int) -> Callable[..., Any]:
    """Make an operator like `_of_many`, whose last two arrays are learning rates and weight decays."""
    of_many = _of_many(name, update, width)

    def many(*data: NDArray, num_weights: int = 1, **others: Any) -> list[NDArray] | NDArray:
        *arrays, lrs, wds = data
        for x in (lrs, wds):
            if x.shape != (num_weights,):
                raise ShapeError(f"{name}: needs rates and decays of shape ({num_weights},), got {x.shape}")
        rates, decays = ([x[i] for i in range(num_weights)] for x in (lrs, wds))
        return of_many(*arrays, lrs=rates, wds=decays, num_weights=num_weights, **others)

    return named(
        many, name, _ABOUT_MANY.format(update.__name__, "; the last two arrays hold rates and decays")
    )


multi_sgd_update = _of_many("multi_sgd_update", sgd_update, 2)
multi_sgd_mom_update = _of_many("multi_sgd_mom_update", sgd_mom_update, 3)
multi_mp_sgd_update = _of_many("multi_mp_sgd_update", mp_sgd_update, 3)
multi_mp_sgd_mom_update = _of_many("multi_mp_sgd_mom_update", mp_sgd_mom_update, 4)
preloaded_multi_sgd_update = _preloaded("preloaded_multi_sgd_update", sgd_update, 2)
preloaded_multi_sgd_mom_update = _preloaded("preloaded_multi_sgd_mom_update", sgd_mom_update, 3)
preloaded_multi_mp_sgd_update = _preloaded("preloaded_multi_mp_sgd_update", mp_sgd_update, 3)
preloaded_multi_mp_sgd_mom_update = _preloaded("preloaded_multi_mp_sgd_mom_update", mp_sgd_mom_update, 4)


@operator
def multi_lars(
    lrs: NDArray,
    weights_sum_sq: NDArray,
    grads_sum_sq: NDArray,
    wds: NDArray,
    eta: float,
    eps: float,
    rescale_grad: float = 1.0,
) -> NDArray:
    """The learning rates of LARS (You, Gitman and Ginsburg, 2017), from the results of `nd.multi_sum_sq`.

    A rate is lr · eta · ‖w‖ / (rescale_grad · ‖g‖ + wd · ‖w‖ + eps), or lr where a norm is 0.
    """
    length, slope = sqrt(weights_sum_sq), sqrt(grads_sum_sq)
    ratio = eta * length / (rescale_grad * slope + wds * length + eps)
    return lrs * where((length > 0) * (slope > 0), ratio, 1.0)


def reset_arrays(*data: NDArray, num_arrays: int | None = None) -> None:
    """Fill all arrays with zeros.

    >>> from lamina import nd
    >>> x = nd.ones(2)
    >>> nd.reset_arrays(x, num_arrays=1)
    >>> x.asnumpy()
    array([0., 0.], dtype=float32)
    """
    if num_arrays is not None and num_arrays != len(data):
        raise ShapeError(f"reset_arrays: num_arrays={num_arrays}, but {len(data)} arrays")
    for x in data:
        _set_states((x,), (zeros_like(x),))


# --- operators of nd.contrib, which take lists of arrays -----------------------------------------------------------


def _of_lists(
    name: str, update: Callable[..., NDArray], arrays: str, values: str, unused: Mapping[str, Any], doc: str
) -> Callable[..., Any]:
    """Make the operator `name`, which applies `update` to several weights.

    `arrays` names the arguments that are lists of arrays, and `values` those after them, each with the argument of
    `update` if that has another name; such an argument has a value for each weight. `unused` has the defaults of
    arguments without effect.
    """
    lists = arrays.split()
    pairs = (x.partition("=") for x in values.split())
    targets = {argument: target or argument for argument, _, target in pairs}
    parameters = [Parameter(argument, _BOTH) for argument in (*lists, *targets)]
    parameters += [Parameter(argument, _BOTH, default=x) for argument, x in {"out": None, **unused}.items()]
    own = Signature([*parameters, Parameter("settings", Parameter.VAR_KEYWORD)])

    def many(*args: Any, **kwargs: Any) -> list[NDArray] | NDArray:
        given = own.bind(*args, **kwargs).arguments
        groups = list(zip(*(given[argument] for argument in lists), strict=True))
        each = {
            target: given[argument] if target == argument else list(given[argument])
            for argument, target in targets.items()
        }
        return _each(name, update, groups, given.get("out"), **given.get("settings", {}), **each)

    many.__signature__ = own  # pyright: ignore[reportFunctionMemberAccess]
    return named(many, name, doc)


_OF_ADAM = "weights grads mean var"
_OF_ADAMW, _OF_LAMB = "rescale_grad lrs=lr wds=wd etas=eta", "step_count=t lrs=lr wds=wd"
multi_adamw_update = _of_lists(
    "multi_adamw_update", adamw_update, _OF_ADAM, _OF_ADAMW, {"name": None, "size": 0},
    "Apply `nd.contrib.adamw_update` to several weights.",
)  # fmt: skip
multi_mp_adamw_update = _of_lists(
    "multi_mp_adamw_update", mp_adamw_update, f"{_OF_ADAM} weights32", _OF_ADAMW, {"name": None, "size": 0},
    "Apply `nd.contrib.mp_adamw_update` to several weights.",
)  # fmt: skip
multi_lamb_update = _of_lists(
    "multi_lamb_update", lamb_update, _OF_ADAM, _OF_LAMB, {"num_tensors": 0},
    "The complete LAMB step (You et al., 2020) for several weights; `step_count` has update numbers from 1.",
)  # fmt: skip
multi_mp_lamb_update = _of_lists(
    "multi_mp_lamb_update", mp_lamb_update, f"{_OF_ADAM} weights32", _OF_LAMB, {"num_tensors": 0},
    "Apply `nd.contrib.multi_lamb_update` to weights with float32 copies.",
)  # fmt: skip
