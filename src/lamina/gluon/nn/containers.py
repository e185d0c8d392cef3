"""Containers of layers, `Sequential` and `HybridSequential`, and layers from functions, `Lambda` and `HybridLambda`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Self, overload

from lamina import nd
from lamina.errors import ParameterError
from lamina.gluon.block import Block, HybridBlock, with_children
from lamina.gluon.parameter_dict import ParameterDict
from lamina.nd.facade import has_facade, mapped, plain, shown

__all__ = ["HybridLambda", "HybridSequential", "Lambda", "Sequential"]


class _Stack(Block):
    """The common implementation of `Sequential` and `HybridSequential`."""

    _has_row = False

    def __init__(
        self, *blocks: Any, prefix: str | None = None, params: ParameterDict | None = None, **unknown: Any
    ) -> None:
        if 0 < len(blocks) <= 2 and (blocks[0] is None or isinstance(blocks[0], str)):
            prefix, *rest = blocks  # MXNet's order
            params, blocks = rest[0] if rest else params, ()
        super().__init__(prefix, params, **unknown)
        self.add(*(blocks[0] if len(blocks) == 1 and isinstance(blocks[0], list | tuple) else blocks))

    def add(self, *blocks: Block) -> None:
        """Append blocks to the container."""
        for block in blocks:
            self.register_child(block)

    def forward(self, x: Any, *args: Any, **_kwargs: Any) -> Any:
        for block in self._children.values():
            x = block(x, *args)
            args = ()
            if isinstance(x, tuple | list):
                x, *rest = x
                args = tuple(rest)
        return (x, *args) if args else x

    def __len__(self) -> int:
        return len(self._children)

    def __iter__(self) -> Iterator[Block]:
        return iter(self._children.values())

    @overload
    def __getitem__(self, key: int) -> Block: ...
    @overload
    def __getitem__(self, key: slice) -> Self: ...
    def __getitem__(self, key: int | slice) -> Block:
        """The block at an index, or for a slice a container that shares the blocks."""
        blocks = list(self._children.values())[key]
        if isinstance(blocks, Block):
            return blocks
        part = type(self)(prefix=self.prefix)
        part.add(*blocks)
        return part

    def __repr__(self) -> str:
        return with_children(self, self._children)


class Sequential(_Stack):
    """A container that runs blocks in sequence.

    Args:
        blocks: the first blocks, as arguments or in a list; `add` appends more. For names that begin with the
            container's prefix, create blocks inside its `name_scope`. As in MXNet, a string here is the `prefix`.
        prefix, params: see `Block`.

    >>> from lamina import nd
    >>> from lamina.gluon import nn
    >>> net = nn.Sequential(nn.Dense(4, activation="relu", in_units=3))
    >>> net.add(nn.Dense(2, in_units=4))
    >>> net
    Sequential(
      (0): Dense(3 -> 4, Activation(relu))
      (1): Dense(4 -> 2, linear)
    )
    >>> net.initialize()
    >>> net(nd.ones((5, 3))).shape
    (5, 2)
    """


class HybridSequential(_Stack, HybridBlock):
    """A container that runs hybrid blocks in sequence, and that `hybridize` compiles as a whole.

    >>> from lamina import nd
    >>> from lamina.gluon import nn
    >>> net = nn.HybridSequential(nn.Dense(4, activation="relu"), nn.Dense(2))
    >>> net.initialize()
    >>> net.hybridize()
    >>> net(nd.ones((5, 3))).shape
    (5, 2)
    """

    _hands_on = True

    def forward(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        return HybridBlock.forward(self, x, *args, **kwargs)

    def hybrid_forward(self, F: Any, x: Any, *args: Any) -> Any:
        return _Stack.forward(self, x, *args)


class Lambda(Block):
    """A layer that applies a function of arrays, or a function of `lamina.nd` by name.

    >>> from lamina import nd
    >>> from lamina.gluon import nn
    >>> nn.Lambda("tanh")(nd.zeros(2)).asnumpy()
    array([0., 0.], dtype=float32)
    """

    def __init__(self, function: str | Callable[..., Any], prefix: str | None = None) -> None:
        super().__init__(prefix=prefix)
        self._is_of_nd = isinstance(function, str)
        self._function = _named(function) if isinstance(function, str) else function
        self._label = _label(function)

    def forward(self, *args: Any) -> Any:
        if self._is_of_nd and has_facade(args):
            return mapped(self._function(*mapped(args, plain)), shown)
        return self._function(*args)

    def __repr__(self) -> str:
        return f"Lambda({self._label})"


class HybridLambda(HybridBlock):
    """A hybrid layer from ``function(F, x, …)`` with ``F = lamina.nd``, or from a function's name in `lamina.nd`."""

    _hands_on = True

    def __init__(self, function: str | Callable[..., Any], prefix: str | None = None) -> None:
        super().__init__(prefix=prefix)
        if isinstance(function, str):
            _named(function)  # raises for an unknown name
            self._hands_on = False
            self._function: Callable[..., Any] = lambda F, *args: getattr(F, function)(*args)
        else:
            self._function = function
        self._label = _label(function)

    def hybrid_forward(self, F: Any, *args: Any) -> Any:
        return self._function(F, *args)

    def __repr__(self) -> str:
        return f"HybridLambda({self._label})"


def _named(name: str) -> Callable[..., Any]:
    function = getattr(nd, name, None)
    if not callable(function):
        raise ParameterError(f"there is no function lamina.nd.{name}")
    return function


def _label(function: str | Callable[..., Any]) -> str:
    return function if isinstance(function, str) else getattr(function, "__name__", type(function).__name__)
