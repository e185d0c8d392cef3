"""MXNet's update operators for several weights, which apply an operator of `lamina.mxnet.updates` to each weight.

MXNet uses these operators to save calls; lamina compiles a loop of single updates to one program anyway. States are
written in place, and the new weights are returned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lamina.core.array import Array
from lamina.errors import ShapeError
from lamina.mxnet.updates import (
    adamw_update,
    lamb_update,
    mp_adamw_update,
    mp_lamb_update,
    mp_nag_mom_update,  # noqa: F401  # pyright: ignore[reportUnusedImport] - for pickles that name it here
    mp_sgd_mom_update,
    mp_sgd_update,
    set_states,
    sgd_mom_update,
    sgd_update,
)
from lamina.nd.creation import zeros_like
from lamina.nd.elementwise import sqrt
from lamina.nd.lookup import where
from lamina.nd.ndarray import NDArray
from lamina.nd.operators import operator, write_into

__all__ = [
    "multi_lars", "multi_mp_sgd_mom_update", "multi_mp_sgd_update", "multi_sgd_mom_update", "multi_sgd_update",
    "preloaded_multi_mp_sgd_mom_update", "preloaded_multi_mp_sgd_update", "preloaded_multi_sgd_mom_update",
    "preloaded_multi_sgd_update", "reset_arrays",
]  # fmt: skip


def each(
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
        return each(name, update, groups, out, lr=list(lrs), wd=list(wds), **settings)

    many.__name__ = many.__qualname__ = name
    many.__doc__ = (
        f"`nd.{update.__name__}` of `num_weights` weights, with rates `lrs` and decays `wds`.\n\n"  # pyright: ignore
        "The arrays of the first weight come first, then those of the second; `out` is a list."
    )
    return many


def _of_many_with_rates(name: str, update: Callable[..., NDArray], width: int) -> Callable[..., Any]:
    """Make an operator like `_of_many`, whose last two arrays are learning rates and weight decays."""

    def many(
        *data: NDArray, num_weights: int = 1, out: Any = None, **settings: Any
    ) -> list[NDArray] | NDArray:
        *arrays, lrs, wds = data
        groups = _groups(name, arrays, num_weights, width)
        for x in (lrs, wds):
            if x.shape != (num_weights,):
                raise ShapeError(f"{name}: needs rates and decays of shape ({num_weights},), got {x.shape}")
        rates, decays = ([x[i] for i in range(num_weights)] for x in (lrs, wds))
        return each(name, update, groups, out, lr=rates, wd=decays, **settings)

    many.__name__ = many.__qualname__ = name
    many.__doc__ = (
        f"`nd.{update.__name__}` of `num_weights` weights; the last two arrays hold rates and decays.\n\n"  # pyright: ignore
        "The arrays of the first weight come first, then those of the second; `out` is a list."
    )
    return many


multi_sgd_update = _of_many("multi_sgd_update", sgd_update, 2)
multi_sgd_mom_update = _of_many("multi_sgd_mom_update", sgd_mom_update, 3)
multi_mp_sgd_update = _of_many("multi_mp_sgd_update", mp_sgd_update, 3)
multi_mp_sgd_mom_update = _of_many("multi_mp_sgd_mom_update", mp_sgd_mom_update, 4)
preloaded_multi_sgd_update = _of_many_with_rates("preloaded_multi_sgd_update", sgd_update, 2)
preloaded_multi_sgd_mom_update = _of_many_with_rates("preloaded_multi_sgd_mom_update", sgd_mom_update, 3)
preloaded_multi_mp_sgd_update = _of_many_with_rates("preloaded_multi_mp_sgd_update", mp_sgd_update, 3)
preloaded_multi_mp_sgd_mom_update = _of_many_with_rates(
    "preloaded_multi_mp_sgd_mom_update", mp_sgd_mom_update, 4
)


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
        set_states((x,), (zeros_like(x),))


# --- operators of nd.contrib, which take lists of arrays -----------------------------------------------------------


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
    """Apply `nd.contrib.adamw_update` to several weights."""
    groups = list(zip(weights, grads, mean, var, strict=True))
    settings |= {"rescale_grad": rescale_grad, "lr": list(lrs), "wd": list(wds), "eta": list(etas)}
    return each("multi_adamw_update", adamw_update, groups, out, **settings)


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
    """Apply `nd.contrib.mp_adamw_update` to several weights."""
    groups = list(zip(weights, grads, mean, var, weights32, strict=True))
    settings |= {"rescale_grad": rescale_grad, "lr": list(lrs), "wd": list(wds), "eta": list(etas)}
    return each("multi_mp_adamw_update", mp_adamw_update, groups, out, **settings)


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
    """The complete LAMB step (You et al., 2020) for several weights; `step_count` has update numbers from 1."""
    groups = list(zip(weights, grads, mean, var, strict=True))
    settings |= {"t": list(step_count), "lr": list(lrs), "wd": list(wds)}
    return each("multi_lamb_update", lamb_update, groups, out, **settings)


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
    """Apply `nd.contrib.multi_lamb_update` to weights with float32 copies."""
    groups = list(zip(weights, grads, mean, var, weights32, strict=True))
    settings |= {"t": list(step_count), "lr": list(lrs), "wd": list(wds)}
    return each("multi_mp_lamb_update", mp_lamb_update, groups, out, **settings)
