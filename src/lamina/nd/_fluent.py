"""Functions of `lamina.nd` as methods of arrays: ``x.sum(axis=0)`` is ``nd.sum(x, axis=0)``.

A function imported in a class body becomes a method, with the function's signature and docstring.
"""
# ruff: noqa: I001 - by subject

from __future__ import annotations

from typing import Any

from lamina.nd.operators import NDArray
from lamina.nd import _shape
from lamina.nd.facade import shown

_slice = slice


class Fluent:
    """Functions of `lamina.nd` as methods, a base class of `NDArray`."""

    __slots__ = ()

    # each element
    from lamina.nd.activation import relu, sigmoid
    from lamina.nd.elementwise import abs, ceil, clip, fix, floor, rint, round, sign, trunc
    from lamina.nd.elementwise import cbrt, rcbrt, reciprocal, rsqrt, sqrt, square
    from lamina.nd.elementwise import erf, exp, expm1, log, log1p, log2, log10
    from lamina.nd.elementwise import arccos, arcsin, arctan, cos, degrees, radians, sin, tan
    from lamina.nd.elementwise import arccosh, arcsinh, arctanh, cosh, sinh, tanh

    # along axes
    from lamina.nd._outputs import log_softmax, softmax, softmin
    from lamina.nd.reduce import argmax, argmax_channel, argmin, max, min
    from lamina.nd.reduce import mean, nanprod, nansum, norm, prod, sum

    # shapes
    from lamina.nd.creation import ones_like, zeros_like
    from lamina.nd._shape import broadcast_axes, broadcast_like, broadcast_to, expand_dims, squeeze
    from lamina.nd._shape import flatten, reshape_like, shape_array, size_array, swapaxes

    # parts and repetitions, by position and by order
    from lamina.nd.join import depth_to_space, flip, pad, repeat, space_to_depth, split, split_v2, tile
    from lamina.nd.lookup import diag, one_hot, pick, take
    from lamina.nd.reduce import argsort, sort, topk
    from lamina.nd.slicing import slice, slice_axis, slice_like

    def reshape(
        self: Any, *sizes: Any, shape: Any = None, reverse: bool = False, inplace: bool = False
    ) -> NDArray:
        """The array with another shape and the same memory; see `nd.reshape`.

        The shape is a tuple, or several integers. `inplace` has no effect.
        """
        given = sizes[0] if len(sizes) == 1 else sizes
        return _shape.as_shape(self, _shape.shape_of(self, given if shape is None else shape, reverse))

    def transpose(self: Any, *order: Any, axes: Any = None) -> NDArray:
        """A copy with permuted axes; see `nd.transpose`. The order is a tuple, or several integers."""
        given = order[0] if len(order) == 1 and not isinstance(order[0], int) else order
        return _shape.transpose(self, given if axes is None else axes)

    def slice_assign(self: Any, rhs: NDArray, begin: Any, end: Any, step: Any) -> NDArray:
        """Assign ``x[begin:end:step, …] = rhs`` and return `x`, as in MXNet."""
        self[_slices(begin, end, step)] = rhs
        return self

    def slice_assign_scalar(self: Any, value: float, begin: Any, end: Any, step: Any) -> NDArray:
        """Assign ``x[begin:end:step, …] = value`` and return `x`, as in MXNet."""
        self[_slices(begin, end, step)] = value
        return self

    def to_dlpack_for_read(self: Any) -> Any:
        """A DLPack capsule that shares the array's memory, for another library to read."""
        return self.__dlpack__()

    def to_dlpack_for_write(self: Any) -> Any:
        """A DLPack capsule that shares the array's memory, for another library to write."""
        return self.__dlpack__()

    @property
    def writable(self: Any) -> bool:
        """Always True, since every array can be written."""
        return True

    def as_nd_ndarray(self: Any) -> NDArray:
        """The array itself, which is already an `NDArray`."""
        return self

    def as_np_ndarray(self: Any) -> Any:
        """The array as an ``np.ndarray`` that shares its memory."""
        return shown(self)


def _slices(begin: Any, end: Any, step: Any) -> tuple[_slice, ...]:
    """Slices from MXNet's `begin`, `end` and optional `step`, each with an entry per axis."""
    steps = tuple(step or ()) + (None,) * (len(begin) - len(step or ()))
    return tuple([_slice(b, e, s) for b, e, s in zip(begin, end, steps, strict=True)])
