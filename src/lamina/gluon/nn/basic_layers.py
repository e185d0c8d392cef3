"""The basic layers of dense networks, such as `Dense` and `Dropout`."""

from __future__ import annotations

import math
from typing import Any

from lamina.errors import ParameterError
from lamina.gluon.block import HybridBlock
from lamina.gluon.nn.activations import Activation
from lamina.nd.ndarray import NDArray
from lamina.support.argument_checks import is_number
from lamina.support.messages import in_a_line

__all__ = ["Dense", "Dropout", "Embedding", "Flatten"]


class Dense(HybridBlock):
    """A fully connected layer: activation(x · weightᵀ + bias).

    Args:
        units: the number of outputs.
        activation: the name of an activation function (see `Activation`), or None for a linear layer.
        use_bias: whether the layer has a bias.
        flatten: whether an input of shape (batch, …) is flattened to (batch, in_units). Otherwise the layer transforms
            the last axis and keeps all others.
        dtype: the dtype of the parameters.
        weight_initializer, bias_initializer: initializers or their names; None uses the initializer passed to
            `initialize`.
        in_units: the number of inputs; 0 takes the number from the first input.

    `weight` has shape (units, in_units), `bias` (units,).

    >>> from lamina import nd
    >>> from lamina.gluon import nn
    >>> layer = nn.Dense(2, weight_initializer="ones")
    >>> layer
    Dense(None -> 2, linear)
    >>> layer.initialize()
    >>> layer(nd.ones((1, 3))).asnumpy()
    array([[3., 3.]], dtype=float32)
    >>> layer
    Dense(3 -> 2, linear)
    """

    _node = "fwd"

    def __init__(
        self,
        units: int,
        activation: str | None = None,
        use_bias: bool = True,
        flatten: bool = True,
        dtype: Any = "float32",
        weight_initializer: Any = None,
        bias_initializer: Any = "zeros",
        in_units: int = 0,
        **kwargs: Any,
    ) -> None:
        if activation is not None and not isinstance(activation, str):
            raise ParameterError(
                f"Dense: activation is the name of a function, as 'relu', not {activation!r}; "
                + (
                    f"inputs are counted by in_units: Dense(units, in_units={units})"
                    if isinstance(activation, int)
                    else "nn.Lambda(function) is a layer of its own"
                )
            )
        super().__init__(**kwargs)
        self._units, self._flatten = units, flatten
        with self.name_scope():
            kind = {"dtype": dtype, "allow_deferred_init": True}
            shape = (units, in_units)
            self.weight = self.params.get("weight", shape=shape, init=weight_initializer, **kind)
            self.bias = None
            if use_bias:
                self.bias = self.params.get("bias", shape=(units,), init=bias_initializer, **kind)
            self.act = None if activation is None else Activation(activation, prefix=f"{activation}_")

    def infer_shape(self, *args: Any) -> None:
        shape = args[0].shape
        self.weight.shape = (self._units, math.prod(shape[1:]) if self._flatten else shape[-1])

    def hybrid_forward(self, F: Any, x: NDArray, weight: NDArray, bias: NDArray | None = None) -> NDArray:
        """The outputs, of shape (batch, units), or (…, units) with ``flatten=False`` and an input (…, in_units)."""
        out = F.FullyConnected(
            x, weight, bias, num_hidden=self._units, no_bias=bias is None, flatten=self._flatten
        )
        return out if self.act is None else self.act(out)

    def __repr__(self) -> str:
        units, in_units = self.weight.shape or (self._units, 0)
        return f"Dense({in_units or None} -> {units}, {self.act or 'linear'})"


class Dropout(HybridBlock):
    """Dropout: in training mode, set elements to 0 with probability `rate` and divide the others by 1 − rate.

    Outside training mode the input is unchanged. Elements that differ only in their index along `axes` are dropped
    together. (Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014.)

    >>> from lamina import autograd, nd
    >>> from lamina.gluon import nn
    >>> layer, x = nn.Dropout(0.5), nd.ones(100)
    >>> with autograd.train_mode():
    ...     sorted(set(layer(x).asnumpy().tolist()))
    [0.0, 2.0]
    >>> layer(x).sum().asscalar().item()
    100.0
    """

    _node = "fwd"

    def __init__(self, rate: float, axes: int | tuple[int, ...] = (), **kwargs: Any) -> None:
        if not (isinstance(rate, bool) or is_number(rate)) or not 0 <= rate <= 1:
            raise ParameterError(f"Dropout: the rate must be between 0 and 1, not {in_a_line(rate)}")
        super().__init__(**kwargs)
        self._rate, self._axes = rate, axes

    def hybrid_forward(self, F: Any, x: NDArray) -> NDArray:
        """`x` with elements dropped in training mode, in the same shape."""
        return F.Dropout(x, p=self._rate, axes=self._axes) if self._rate > 0 else x

    def __repr__(self) -> str:
        return f"Dropout(p = {self._rate}, axes={self._axes})"


class Embedding(HybridBlock):
    """A learned vector for each of `input_dim` categories; row i of `weight` is the vector of category i.

    `weight` has shape (input_dim, output_dim). Indices of shape (…) and any numeric dtype give vectors of shape
    (…, output_dim). `sparse_grad` is accepted, but the gradient is dense.

    >>> from lamina import nd
    >>> from lamina.gluon import nn
    >>> layer = nn.Embedding(input_dim=10, output_dim=4)
    >>> layer.initialize()
    >>> layer(nd.array([[0, 3, 9]])).shape
    (1, 3, 4)
    """

    _node = "fwd"

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        dtype: Any = "float32",
        weight_initializer: Any = None,
        sparse_grad: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._input_dim, self._output_dim, self._dtype = input_dim, output_dim, dtype
        kind = {"dtype": dtype, "grad_stype": "row_sparse" if sparse_grad else "default"}
        shape = (input_dim, output_dim)
        self.weight = self.params.get("weight", shape=shape, init=weight_initializer, **kind)

    def hybrid_forward(self, F: Any, x: NDArray, weight: NDArray) -> NDArray:
        """The vectors at the indices `x`; as in MXNet, an index out of range is clipped to the first or last row."""
        return F.Embedding(x, weight, input_dim=self._input_dim, output_dim=self._output_dim)

    def __repr__(self) -> str:
        return f"Embedding({self._input_dim} -> {self._output_dim}, {self._dtype})"


class Flatten(HybridBlock):
    """Flatten all axes but the first: (batch, a, b, …) becomes (batch, a·b·…)."""

    def hybrid_forward(self, F: Any, x: NDArray) -> NDArray:
        return F.flatten(x)

    def __repr__(self) -> str:
        return "Flatten"
