"""Methods of arrays that are functions of `lamina.nd` under the same name: ``x.sum(axis=0)`` is ``nd.sum(x, axis=0)``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamina.nd.ndarray import NDArray

__all__ = ["Fluent"]


class Fluent:
    """The methods; `NDArray` inherits them."""

    __slots__ = ()

    def reshape(self: Any, *shape: Any, reverse: bool = False) -> NDArray:
        """See `nd.reshape`; the shape may be a tuple, or integers one by one."""
        from lamina.nd.shape import reshape

        target = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        return reshape(self, target, reverse=reverse)

    def broadcast_to(self: Any, shape: tuple[int, ...]) -> NDArray:
        """See `nd.broadcast_to`."""
        from lamina.nd.shape import broadcast_to

        return broadcast_to(self, shape)

    def transpose(self: Any, *axes: Any) -> NDArray:
        """See `nd.transpose`."""
        from lamina.nd.shape import transpose

        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        return transpose(self, order)
