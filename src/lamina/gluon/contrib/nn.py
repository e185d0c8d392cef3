"""Parallel blocks with concatenated outputs, and the identity block."""

from __future__ import annotations

from typing import Any

from lamina import nd
from lamina.gluon.block import Block, HybridBlock
from lamina.gluon.nn import HybridSequential, Sequential
from lamina.gluon.parameter_dict import ParameterDict
from lamina.nd.facade import has_facade, plain, shown
from lamina.nd.ndarray import NDArray
from lamina.support.unsupported import names_of_others

__all__ = ["Concurrent", "HybridConcurrent", "Identity"]


class _Concurrent(Block):
    def __init__(
        self, axis: int = -1, prefix: str | None = None, params: ParameterDict | None = None
    ) -> None:
        super().__init__(prefix=prefix, params=params)
        self.axis = axis

    def _joined(self, F: Any, x: Any) -> Any:
        parts = [block(x) for block in self._children.values()]
        if has_facade(parts):
            return shown(nd.concat(*map(plain, parts), dim=self.axis))
        return F.concat(*parts, dim=self.axis)


class Concurrent(_Concurrent, Sequential):
    """Apply every block to the same input and concatenate the results along `axis`.

    >>> from lamina import nd
    >>> both = Concurrent()
    >>> both.add(Identity(), Identity())
    >>> both(nd.ones((2, 3))).shape
    (2, 6)
    """

    def forward(self, x: Any, *args: Any, **_kwargs: Any) -> NDArray:
        return self._joined(nd, x)


class HybridConcurrent(_Concurrent, HybridSequential):
    """Apply every hybrid block to the same input and concatenate the results along `axis`."""

    def hybrid_forward(self, F: Any, x: Any, *args: Any) -> NDArray:
        return self._joined(F, x)


class Identity(HybridBlock):
    """A block whose output is its input."""

    def hybrid_forward(self, F: Any, x: NDArray) -> NDArray:
        return x


__getattr__ = names_of_others("lamina.gluon.contrib.nn")
