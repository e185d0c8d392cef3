"""Methods of arrays that are functions of `lamina.nd` under the same name: ``x.sum(axis=0)`` is ``nd.sum(x, axis=0)``.

A function in a class body is a method, so each of them is one line here, with the signature and the documentation of
the function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamina.nd import (
    activation,
    creation,
    elementwise,
    join,
    lookup,
    ordering,
    probability,
    reduce,
    shape,
    slicing,
)

if TYPE_CHECKING:
    from lamina.nd.ndarray import NDArray

__all__ = ["Fluent"]


class Fluent:
    """The methods; `NDArray` inherits them."""

    __slots__ = ()

    # each element
    abs = elementwise.abs
    arccos = elementwise.arccos
    arccosh = elementwise.arccosh
    arcsin = elementwise.arcsin
    arcsinh = elementwise.arcsinh
    arctan = elementwise.arctan
    arctanh = elementwise.arctanh
    cbrt = elementwise.cbrt
    ceil = elementwise.ceil
    clip = elementwise.clip
    cos = elementwise.cos
    cosh = elementwise.cosh
    degrees = elementwise.degrees
    erf = elementwise.erf
    exp = elementwise.exp
    expm1 = elementwise.expm1
    fix = elementwise.fix
    floor = elementwise.floor
    log = elementwise.log
    log10 = elementwise.log10
    log1p = elementwise.log1p
    log2 = elementwise.log2
    radians = elementwise.radians
    rcbrt = elementwise.rcbrt
    reciprocal = elementwise.reciprocal
    relu = activation.relu
    rint = elementwise.rint
    round = elementwise.round
    rsqrt = elementwise.rsqrt
    sigmoid = activation.sigmoid
    sign = elementwise.sign
    sin = elementwise.sin
    sinh = elementwise.sinh
    sqrt = elementwise.sqrt
    square = elementwise.square
    tan = elementwise.tan
    tanh = elementwise.tanh
    trunc = elementwise.trunc

    # reductions
    argmax = reduce.argmax
    argmax_channel = reduce.argmax_channel
    argmin = reduce.argmin
    max = reduce.max
    mean = reduce.mean
    min = reduce.min
    nanprod = reduce.nanprod
    nansum = reduce.nansum
    norm = reduce.norm
    prod = reduce.prod
    sum = reduce.sum

    # probabilities
    log_softmax = probability.log_softmax
    softmax = probability.softmax
    softmin = probability.softmin

    # shapes
    broadcast_axes = shape.broadcast_axes
    broadcast_like = shape.broadcast_like
    broadcast_to = shape.broadcast_to
    expand_dims = shape.expand_dims
    flatten = shape.flatten
    reshape_like = shape.reshape_like
    shape_array = shape.shape_array
    size_array = shape.size_array
    squeeze = shape.squeeze
    swapaxes = shape.swapaxes
    ones_like = creation.ones_like
    zeros_like = creation.zeros_like

    # parts and repetitions
    flip = join.flip
    pad = join.pad
    repeat = join.repeat
    slice = slicing.slice
    slice_axis = slicing.slice_axis
    slice_like = slicing.slice_like
    split = join.split
    split_v2 = join.split_v2
    tile = join.tile

    # by position and by order
    argsort = ordering.argsort
    diag = lookup.diag
    one_hot = lookup.one_hot
    pick = lookup.pick
    sort = ordering.sort
    take = lookup.take
    topk = ordering.topk

    def reshape(self: Any, *sizes: Any, shape: Any = None, reverse: bool = False) -> NDArray:
        """See `nd.reshape`; the shape may be a tuple, or integers one by one."""
        given = sizes[0] if len(sizes) == 1 else sizes
        return _reshape(self, given if shape is None else shape, reverse=reverse)

    def transpose(self: Any, *order: Any, axes: Any = None) -> NDArray:
        """See `nd.transpose`; the order of the axes may be a tuple, or integers one by one."""
        given = order[0] if len(order) == 1 and not isinstance(order[0], int) else order
        return _transpose(self, given if axes is None else axes)


_reshape, _transpose = shape.reshape, shape.transpose
