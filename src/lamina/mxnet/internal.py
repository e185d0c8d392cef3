"""MXNet's operators under their names in symbol files, such as `_rminus_scalar`, as `mx.nd._internal`.

Programs with custom operators call these names. Each is a function of `nd`; the argument `scalar` is a number.

>>> from lamina import nd
>>> nd._internal._rminus_scalar(nd.array([1, 2]), scalar=5).asnumpy()
array([4., 3.], dtype=float32)
"""
# pyright: reportUnusedFunction=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamina import nd
from lamina.errors import ShapeError
from lamina.nd import NDArray, arithmetic, creation, scatter_nd
from lamina.nd.operators import named, operator, write_into
from lamina.support.unsupported import names_of_others

__all__: list[str] = []

_OF_TWO = {**arithmetic.OF_TWO, "plus": arithmetic.add, "minus": arithmetic.subtract}
_REFLECTED = ("minus", "div", "mod", "power")
_MADE = ("arange", "eye", "full", "linspace", "ones", "zeros")


def _of_arrays(function: Callable[..., NDArray], name: str) -> Callable[..., NDArray]:
    def compute(lhs: NDArray, rhs: NDArray) -> NDArray:
        if lhs.shape != rhs.shape:
            raise ShapeError(f"{name}: shapes {lhs.shape} and {rhs.shape} differ; use nd.broadcast_*")
        return function(lhs, rhs)

    return compute


def _of_number(function: Callable[..., NDArray], is_reflected: bool) -> Callable[..., NDArray]:
    def compute(data: NDArray, scalar: float = 1.0, is_int: bool = True) -> NDArray:
        del is_int  # MXNet's own arithmetic passes it
        return function(scalar, data) if is_reflected else function(data, scalar)

    return compute


def _enter(name: str, compute: Callable[..., NDArray], doc: str) -> None:
    globals()[name] = operator(named(compute, name, doc))


for _name, _function in _OF_TWO.items():
    _enter(f"_{_name}", _of_arrays(_function, f"_{_name}"), f"MXNet's `{_name}` of arrays of one shape.")
    if _name in ("add", "sub"):
        continue
    _said = f"MXNet's `{_name}` of an array and a number"
    _enter(f"_{_name}_scalar", _of_number(_function, False), f"{_said}.")
    if _name in _REFLECTED:
        _enter(f"_r{_name}_scalar", _of_number(_function, True), f"{_said}, the number first.")
for _name in _MADE:
    globals()[f"_{_name}"] = getattr(creation, _name)
for _name in nd.__all__:
    if _name.startswith(("random_", "sample_", "shuffle")):
        globals()[f"_{_name}"] = getattr(nd, _name)


@operator
def _slice_assign(lhs: NDArray, rhs: NDArray, begin: Any, end: Any, step: Any = None) -> NDArray:
    """A copy of `lhs` with the slice from `begin` to `end` replaced by `rhs`."""
    return lhs.copy().slice_assign(rhs, begin, end, step)


@operator
def _slice_assign_scalar(data: NDArray, scalar: float, begin: Any, end: Any, step: Any = None) -> NDArray:
    """A copy of `data` with the slice from `begin` to `end` set to the number `scalar`."""
    return data.copy().slice_assign_scalar(scalar, begin, end, step)


_crop_assign, _crop_assign_scalar = _slice_assign, _slice_assign_scalar
_backward_gather_nd = scatter_nd


@operator
def _copy(data: NDArray) -> NDArray:
    """A copy of `data`, through which gradients flow."""
    return data.copy()


def _copyto(data: NDArray, out: NDArray) -> NDArray:
    """Copy `data` into `out` and return `out`."""
    return write_into(out, data.as_in_context(out.context))


def _set_value(src: float, out: NDArray) -> NDArray:
    """Fill `out` with the number `src` and return `out`."""
    out[:] = src
    return out


__getattr__ = names_of_others("lamina.nd._internal")
