"""Methods of ``np.ndarray`` that are functions of `lamina.np` under the same name: ``x.sum(axis=0)``.

A function imported in a class body becomes a method, so this file lists names only.
"""
# ruff: noqa: I001 - by subject

from __future__ import annotations

from typing import Any

from lamina.mxnet.np import _binary, _select, _shape

__all__ = ["Methods"]


class Methods:
    """The methods; `ndarray` inherits them."""

    __slots__ = ()

    # each element
    from lamina.mxnet.np._unary import abs
    from lamina.mxnet.np._binary import round

    # along axes
    from lamina.mxnet.np._reduce import all, any, argmax, argmin, cumsum, max, mean, min, prod, std, sum, var

    # shapes, parts and order
    from lamina.mxnet.np._shape import broadcast_to, expand_dims, ravel, repeat, squeeze, swapaxes, tile
    from lamina.mxnet.np._select import diag, diagonal, nonzero, take, trace, argsort
    from lamina.mxnet.np._products import dot

    def clip(self: Any, min: Any = None, max: Any = None) -> Any:
        """See `np.clip`."""
        return _binary.clip(self, min, max)

    def reshape(self: Any, *newshape: Any, order: str = "C") -> Any:
        """See `np.reshape`; the shape may be a tuple, or integers one by one."""
        return _shape.reshape(self, newshape[0] if len(newshape) == 1 else newshape, order)

    def transpose(self: Any, *axes: Any) -> Any:
        """See `np.transpose`; the axes may be a tuple, or integers one by one."""
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        return _shape.transpose(self, order or None)

    def flatten(self: Any, order: str = "C") -> Any:
        """A flattened copy."""
        return _shape.ravel(self)

    def sort(self: Any, axis: int | None = -1, kind: str | None = None, order: None = None) -> Any:
        """A sorted copy, along `axis`, as in MXNet (NumPy's method sorts in place)."""
        return _select.sort(self, axis)
