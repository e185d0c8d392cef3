"""The layers of dense networks: `Dense`, `Dropout`, containers, layers made of functions, and normalizations.

`BatchNorm` normalizes over the batch; `LayerNorm`, `GroupNorm` and `InstanceNorm` within each sample.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, Self, overload

import numpy as np

from lamina import nd
from lamina.errors import ParameterError, ShapeError
from lamina.gluon.block import Block, HybridBlock, with_children
from lamina.gluon.nn.activations import Activation
from lamina.gluon.parameter import Parameter
from lamina.gluon.parameter_dict import ParameterDict
from lamina.nd.facade import has_facade, mapped, plain, shown
from lamina.nd.ndarray import NDArray
from lamina.support.argument_checks import check_numbers, is_number, whole_number
from lamina.support.messages import in_a_line

__all__ = [
    "BatchNorm", "BatchNormReLU", "Dense", "Dropout", "Embedding", "Flatten", "GroupNorm", "HybridLambda",
    "HybridSequential", "InstanceNorm", "Lambda", "LayerNorm", "Sequential",
]  # fmt: skip


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


# --- containers, and layers made of functions -------------------------------------------------------------------------


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


# --- normalization over the batch, or within each sample --------------------------------------------------------------


class _Normalization(HybridBlock):
    """A base class of layers with parameters for each index along an axis."""

    def __init__(self, axis: int, in_channels: int, settings: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_numbers(epsilon=settings["eps"], momentum=settings.get("momentum", 0))
        self._axis, self._in_channels = whole_number("axis", axis), in_channels
        self._settings = {**settings, "axis": self._axis}

    def _vector(self, name: str, init: Any, differentiable: bool) -> Parameter:
        kind = {"grad_req": "write" if differentiable else "null", "differentiable": differentiable}
        shape = (self._in_channels,)
        return self.params.get(name, shape=shape, init=init, allow_deferred_init=True, **kind)

    def infer_shape(self, *args: Any) -> None:
        """Set the parameters' shapes from the first input's size along the normalized axis."""
        shape = args[0].shape
        if not -len(shape) <= self._axis < len(shape):
            raise ShapeError(f"{self.name}: axis {self._axis} does not exist in an input of shape {shape}")
        for parameter in self._reg_params.values():
            parameter.shape = (shape[self._axis],)

    def __repr__(self) -> str:
        (channels,) = next(iter(self._reg_params.values())).shape or (0,)
        listed = ", ".join(f"{k}={v!r}" for k, v in self._settings.items())
        return f"{type(self).__name__}({listed}, in_channels={channels or None})"


class BatchNorm(_Normalization):
    """(x − mean) / √(variance + epsilon) · gamma + beta for each index along `axis` (Ioffe & Szegedy, 2015).

    In training mode (`autograd.record`, `autograd.train_mode`) mean and variance are computed from the batch, over all
    other axes, and running statistics are updated: running ← momentum·running + (1 − momentum)·batch. Otherwise, or
    with `use_global_stats`, the running statistics are used.

    Args:
        axis: the axis of features.
        momentum: the weight of the old running statistics in an update.
        epsilon: a small number that avoids division by 0.
        center: whether beta is learned; otherwise it keeps its initial value.
        scale: whether gamma is learned; otherwise it is 1.
        use_global_stats: whether to use the running statistics in training mode, too.
        beta_initializer, gamma_initializer, running_mean_initializer, running_variance_initializer: initializers or
            their names.
        in_channels: the size of `axis`; 0 takes the size from the first input.

    >>> from lamina import autograd, nd
    >>> from lamina.gluon import nn
    >>> norm = nn.BatchNorm(in_channels=1)
    >>> norm.initialize()
    >>> with autograd.train_mode():
    ...     y = norm(nd.array([[1.0], [3.0]]))
    >>> y.asnumpy().round(2).ravel(), norm.running_mean.data().asnumpy()
    (array([-1.,  1.], dtype=float32), array([0.2], dtype=float32))
    """

    _node = "fwd"

    def __init__(
        self,
        axis: int = 1,
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        center: bool = True,
        scale: bool = True,
        use_global_stats: bool = False,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        running_mean_initializer: Any = "zeros",
        running_variance_initializer: Any = "ones",
        in_channels: int = 0,
        **kwargs: Any,
    ) -> None:
        settings = {"axis": axis, "eps": epsilon, "momentum": momentum, "fix_gamma": not scale}
        settings["use_global_stats"] = use_global_stats
        super().__init__(axis, in_channels, settings, **kwargs)
        self.gamma = self._vector("gamma", gamma_initializer, differentiable=scale)
        self.beta = self._vector("beta", beta_initializer, differentiable=center)
        self.running_mean = self._vector("running_mean", running_mean_initializer, differentiable=False)
        self.running_var = self._vector("running_var", running_variance_initializer, differentiable=False)

    def cast(self, dtype: Any) -> None:
        """Change the parameters' dtype; float16 becomes float32, since float16 is too coarse for statistics."""
        super().cast("float32" if np.dtype(dtype) == np.float16 else dtype)

    def hybrid_forward(
        self, F: Any, x: NDArray, gamma: NDArray, beta: NDArray, running_mean: NDArray, running_var: NDArray
    ) -> NDArray:
        return F.BatchNorm(x, gamma, beta, running_mean, running_var, **self._settings)


class BatchNormReLU(BatchNorm):
    """`BatchNorm` followed by relu, with the same arguments."""

    def hybrid_forward(self, F: Any, x: NDArray, *args: NDArray, **params: NDArray) -> NDArray:
        return F.relu(super().hybrid_forward(F, x, *args, **params))


class LayerNorm(_Normalization):
    """(x − mean) / √(variance + epsilon) · gamma + beta, with mean and variance along `axis` (Ba et al., 2016).

    Args:
        axis: the axis of features.
        epsilon: a small number that avoids division by 0.
        center, scale: whether beta and gamma are learned; else they keep their initial values, 0 and 1.
        beta_initializer, gamma_initializer: initializers.
        in_channels: the size of `axis`; 0 takes the size from the first input.

    >>> from lamina import nd
    >>> from lamina.gluon import nn
    >>> norm = nn.LayerNorm(in_channels=2)
    >>> norm.initialize()
    >>> norm(nd.array([[1.0, 3.0], [10.0, 30.0]])).asnumpy().round(2)
    array([[-1.,  1.],
           [-1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        axis: int = -1,
        epsilon: float = 1e-5,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        in_channels: int = 0,
        prefix: str | None = None,
        params: ParameterDict | None = None,
    ) -> None:
        settings = {"eps": epsilon, "axis": axis, "center": center, "scale": scale}
        super().__init__(axis, in_channels, settings, prefix=prefix, params=params)
        self.gamma = self._vector("gamma", gamma_initializer, differentiable=scale)
        self.beta = self._vector("beta", beta_initializer, differentiable=center)

    def hybrid_forward(self, F: Any, x: NDArray, gamma: NDArray, beta: NDArray) -> NDArray:
        return F.LayerNorm(x, gamma, beta, axis=self._axis, eps=self._settings["eps"])


class InstanceNorm(_Normalization):
    """(x − mean) / √(variance + epsilon) · gamma + beta, for each sample and each index along `axis`.

    Mean and variance are over all axes but the first and `axis` (Ulyanov, Vedaldi & Lempitsky, 2016).

    Args:
        axis: the axis of features.
        epsilon: a small number that avoids division by 0.
        center, scale: whether beta and gamma are learned; else they keep their initial values, 0 and 1.
        beta_initializer, gamma_initializer: initializers.
        in_channels: the size of `axis`; 0 takes the size from the first input.
    """

    _node = "fwd"

    def __init__(
        self,
        axis: int = 1,
        epsilon: float = 1e-5,
        center: bool = True,
        scale: bool = False,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        in_channels: int = 0,
        **kwargs: Any,
    ) -> None:
        settings = {"eps": epsilon, "axis": axis, "center": center, "scale": scale}
        super().__init__(axis, in_channels, settings, **kwargs)
        self.gamma = self._vector("gamma", gamma_initializer, differentiable=scale)
        self.beta = self._vector("beta", beta_initializer, differentiable=center)

    def hybrid_forward(self, F: Any, x: NDArray, gamma: NDArray, beta: NDArray) -> NDArray:
        """Normalize `x`, which has at least one axis besides the batch axis and `axis`."""
        if self._axis == 1:
            return F.InstanceNorm(x, gamma, beta, eps=self._settings["eps"])
        x = F.swapaxes(x, 1, self._axis)
        return F.swapaxes(F.InstanceNorm(x, gamma, beta, eps=self._settings["eps"]), 1, self._axis)


class GroupNorm(HybridBlock):
    """(x − mean) / √(variance + epsilon) · gamma + beta, for each sample and each group of channels.

    The channels are on axis 1; mean and variance are over a group's channels and all later axes (Wu & He, 2018). As in
    MXNet, gamma and beta have an element for each group.

    Args:
        num_groups: the number of groups into which axis 1 is divided.
        epsilon: a small number that avoids division by 0.
        center, scale: whether beta and gamma are learned; else they keep their initial values, 0 and 1.
        beta_initializer, gamma_initializer: initializers.
    """

    def __init__(
        self,
        num_groups: int = 1,
        epsilon: float = 1e-5,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        prefix: str | None = None,
        params: ParameterDict | None = None,
    ) -> None:
        check_numbers(epsilon=epsilon)
        super().__init__(prefix=prefix, params=params)
        self._settings = {"eps": epsilon, "num_groups": num_groups, "center": center, "scale": scale}

        def vector(name: str, init: Any, is_learned: bool) -> Parameter:
            req = "write" if is_learned else "null"
            return self.params.get(name, shape=(num_groups,), init=init, grad_req=req)

        self.gamma = vector("gamma", gamma_initializer, scale)
        self.beta = vector("beta", beta_initializer, center)

    def hybrid_forward(self, F: Any, x: NDArray, gamma: NDArray, beta: NDArray) -> NDArray:
        """Normalize `x`, of shape (samples, features, …); the result has the same shape."""
        groups, epsilon = self._settings["num_groups"], self._settings["eps"]
        return F.GroupNorm(x, gamma, beta, num_groups=groups, eps=epsilon)

    def __repr__(self) -> str:
        return f"GroupNorm({', '.join(f'{k}={v!r}' for k, v in self._settings.items())})"
