"""Normalization layers: `BatchNorm` over the batch; `LayerNorm`, `GroupNorm` and `InstanceNorm` within each sample."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.errors import ShapeError
from lamina.gluon.block import HybridBlock
from lamina.gluon.parameter import Parameter
from lamina.gluon.parameter_dict import ParameterDict
from lamina.nd.ndarray import NDArray
from lamina.support.argument_checks import check_numbers, whole_number

__all__ = ["BatchNorm", "BatchNormReLU", "GroupNorm", "InstanceNorm", "LayerNorm"]


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
