"""The steps of optimizers for many arrays in one call, and for float16 weights that are kept in float32 besides.

MXNet has them to spare calls; here each is the step of `lamina.nd._updates` for one array after the other, and a loop
of them is compiled as one program. As there, states are written in place and the new weights are returned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.core.array import Array
from lamina.errors import ShapeError
from lamina.nd._operator import operator, write_into
from lamina.nd._updates import nag_mom_update, set_state, sgd_mom_update, sgd_update
from lamina.nd.creation import zeros_like
from lamina.nd.elementwise import sqrt
from lamina.nd.lookup import where

if TYPE_CHECKING:
    from lamina.nd.ndarray import NDArray

__all__ = [
    "mp_nag_mom_update", "mp_sgd_mom_update", "mp_sgd_update", "multi_lars", "multi_mp_sgd_mom_update",
    "multi_mp_sgd_update", "multi_sgd_mom_update", "multi_sgd_update", "preloaded_multi_mp_sgd_mom_update",
    "preloaded_multi_mp_sgd_update", "preloaded_multi_sgd_mom_update", "preloaded_multi_sgd_update", "reset_arrays",
]  # fmt: skip


# --- with a copy in float32 --------------------------------------------------------------------------------------


def in_float32(
    update: Callable[..., NDArray], weight: NDArray, grad: NDArray, *states: NDArray, **settings: Any
) -> NDArray:
    """`update` of the weight's float32 copy, which comes last; the result in the weight's own dtype."""
    *others, weight32 = states
    set_state(weight32, update(weight32, grad.astype(np.float32), *others, **settings))
    return weight32.astype(weight.dtype)


@operator
def mp_sgd_update(
    weight: NDArray,
    grad: NDArray,
    weight32: NDArray,
    lr: float,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
    lazy_update: bool = True,
) -> NDArray:
    """`nd.sgd_update` of `weight32`, the weight's copy in float32.

    >>> from lamina import nd
    >>> w, w32 = nd.ones(2, dtype="float16"), nd.ones(2)
    >>> nd.mp_sgd_update(w, nd.ones(2, dtype="float16"), w32, lr=0.5, out=w).dtype.__name__
    'float16'
    """
    settings = {"lr": lr, "wd": wd, "rescale_grad": rescale_grad, "clip_gradient": clip_gradient}
    return in_float32(sgd_update, weight, grad, weight32, **settings)


@operator
def mp_sgd_mom_update(
    weight: NDArray,
    grad: NDArray,
    mom: NDArray,
    weight32: NDArray,
    lr: float,
    momentum: float = 0.0,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
    lazy_update: bool = True,
) -> NDArray:
    """`nd.sgd_mom_update` of `weight32`, the weight's copy in float32."""
    settings = {"wd": wd, "rescale_grad": rescale_grad, "clip_gradient": clip_gradient}
    return in_float32(sgd_mom_update, weight, grad, mom, weight32, lr=lr, momentum=momentum, **settings)


@operator
def mp_nag_mom_update(
    weight: NDArray,
    grad: NDArray,
    mom: NDArray,
    weight32: NDArray,
    lr: float,
    momentum: float = 0.0,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
) -> NDArray:
    """`nd.nag_mom_update` of `weight32`, the weight's copy in float32."""
    settings = {"wd": wd, "rescale_grad": rescale_grad, "clip_gradient": clip_gradient}
    return in_float32(nag_mom_update, weight, grad, mom, weight32, lr=lr, momentum=momentum, **settings)


# --- many arrays in one call -------------------------------------------------------------------------------------


def each(
    name: str,
    update: Callable[..., NDArray],
    groups: Sequence[Sequence[NDArray]],
    out: NDArray | Sequence[NDArray] | None,
    **settings: Any,
) -> list[NDArray] | NDArray:
    """`update` of each group of arrays; settings that are sequences hold one for each. One result is no list."""
    for key, values in settings.items():
        if isinstance(values, list | tuple) and len(values) != len(groups):
            raise ShapeError(f"{name}: {len(values)} {key} for {len(groups)} weights")
    outs = [None] * len(groups) if out is None else [out] if isinstance(out, Array) else list(out)
    if len(outs) != len(groups):
        raise ShapeError(f"{name}: {len(outs)} arrays in out= for {len(groups)} weights")
    results: list[NDArray] = []
    for i, (group, into) in enumerate(zip(groups, outs, strict=True)):
        own = {key: v[i] if isinstance(v, list | tuple) else v for key, v in settings.items()}
        result = update(*group, **own)
        results.append(result if into is None else write_into(into, result))
    return results if len(results) > 1 else results[0]


def _groups(name: str, data: Sequence[NDArray], count: int, width: int) -> list[Sequence[NDArray]]:
    """The arrays of one weight after the other's."""
    if len(data) != count * width:
        raise ShapeError(
            f"{name}: num_weights={count} takes {count * width} arrays ({width} for each weight), got {len(data)}"
        )
    return [data[i * width : (i + 1) * width] for i in range(count)]


def _of_many(name: str, update: Callable[..., NDArray], width: int) -> Callable[..., Any]:
    """`update` for `num_weights` weights, each with the arrays that `update` takes."""

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
    """As `_of_many`, but the rates and decays are arrays, which come last."""

    def many(
        *data: NDArray, num_weights: int = 1, out: Any = None, **settings: Any
    ) -> list[NDArray] | NDArray:
        *arrays, lrs, wds = data
        groups = _groups(name, arrays, num_weights, width)
        for x in (lrs, wds):
            if x.shape != (num_weights,):
                raise ShapeError(f"{name}: num_weights={num_weights}, but rates or decays of shape {x.shape}")
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
    """The rates of LARS (You, Gitman and Ginsburg, 2017), of sums of squares from `nd.multi_sum_sq`.

    lr · eta · ‖w‖ / (rescale_grad · ‖g‖ + wd · ‖w‖ + eps), and lr where a norm is 0.
    """
    length, slope = sqrt(weights_sum_sq), sqrt(grads_sum_sq)
    ratio = eta * length / (rescale_grad * slope + wds * length + eps)
    return lrs * where((length > 0) * (slope > 0), ratio, 1.0)


def reset_arrays(*data: NDArray, num_arrays: int | None = None) -> None:
    """Write zeros into all arrays.

    >>> from lamina import nd
    >>> x = nd.ones(2)
    >>> nd.reset_arrays(x, num_arrays=1)
    >>> x.asnumpy()
    array([0., 0.], dtype=float32)
    """
    if num_arrays is not None and num_arrays != len(data):
        raise ShapeError(f"reset_arrays: num_arrays={num_arrays}, but {len(data)} arrays")
    for x in data:
        set_state(x, zeros_like(x))
