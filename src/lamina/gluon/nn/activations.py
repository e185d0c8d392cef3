"""Activation functions as layers."""

from __future__ import annotations

from typing import Any

from lamina.errors import ParameterError
from lamina.gluon.block import HybridBlock
from lamina.gluon.initializer import Constant
from lamina.nd.activation import activation_by_name
from lamina.nd.ndarray import NDArray
from lamina.support.argument_checks import check_numbers

__all__ = ["ELU", "GELU", "SELU", "Activation", "LeakyReLU", "Mish", "PReLU", "SiLU", "Swish"]


_QUARTER = Constant(0.25)


class Activation(HybridBlock):
    """An activation function by name, such as ``"relu"``, ``"sigmoid"`` or ``"tanh"`` (see `nd.Activation`).

    >>> from lamina import nd
    >>> from lamina.gluon import nn
    >>> nn.Activation("relu")(nd.array([-1, 2])).asnumpy()
    array([0., 2.], dtype=float32)
    """

    _node = "fwd"

    def __init__(self, activation: str, **kwargs: Any) -> None:
        activation_by_name(activation)  # raises for an unknown name
        self._act_type = activation
        super().__init__(**kwargs)

    def _alias(self) -> str:
        return self._act_type

    def hybrid_forward(self, F: Any, x: NDArray) -> NDArray:
        return F.Activation(x, act_type=self._act_type)

    def __repr__(self) -> str:
        return f"Activation({self._act_type})"


class LeakyReLU(HybridBlock):
    """x where x > 0, else alpha·x.

    The function is from Maas, Hannun & Ng, "Rectifier nonlinearities improve neural network acoustic models", 2013.
    """

    _node = "fwd"

    def __init__(self, alpha: float, **kwargs: Any) -> None:
        check_numbers(alpha=alpha)
        if alpha < 0:
            raise ParameterError(f"LeakyReLU: the slope alpha must be at least 0, not {alpha}")
        super().__init__(**kwargs)
        self._alpha = alpha

    def hybrid_forward(self, F: Any, x: NDArray) -> NDArray:
        return F.LeakyReLU(x, act_type="leaky", slope=self._alpha)

    def __repr__(self) -> str:
        return f"LeakyReLU({self._alpha})"


class PReLU(HybridBlock):
    """x where x > 0, else alpha·x, with a learned alpha.

    alpha has `in_channels` elements, one for all channels or one for each index along axis 1. Its initial value is
    0.25, as in He, Zhang, Ren & Sun, "Delving deep into rectifiers", 2015.
    """

    _node = "fwd"

    def __init__(self, alpha_initializer: Any = _QUARTER, in_channels: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        with self.name_scope():
            self.alpha = self.params.get("alpha", shape=(in_channels,), init=alpha_initializer)

    def hybrid_forward(self, F: Any, x: NDArray, alpha: NDArray) -> NDArray:
        return F.LeakyReLU(x, gamma=alpha, act_type="prelu")

    def __repr__(self) -> str:
        return "PReLU"


class ELU(HybridBlock):
    """x where x > 0, else alpha·(exp(x) − 1) (Clevert, Unterthiner & Hochreiter, 2016)."""

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        check_numbers(alpha=alpha)
        super().__init__(**kwargs)
        self._alpha = alpha

    def hybrid_forward(self, F: Any, x: NDArray) -> NDArray:
        return F.LeakyReLU(x, act_type="elu", slope=self._alpha)


class SELU(HybridBlock):
    """λ·x where x > 0, else λ·α·(exp(x) − 1).

    The constants λ ≈ 1.0507 and α ≈ 1.6733 keep mean 0 and variance 1 (Klambauer, Unterthiner, Mayr & Hochreiter,
    "Self-normalizing neural networks", 2017).
    """

    _node = "fwd"

    def hybrid_forward(self, F: Any, x: NDArray) -> NDArray:
        return F.LeakyReLU(x, act_type="selu")


class GELU(HybridBlock):
    """x·Φ(x) = x/2·(1 + erf(x/√2)), with the normal distribution function Φ (Hendrycks & Gimpel, 2016)."""

    _node = "fwd"

    def hybrid_forward(self, F: Any, x: NDArray) -> NDArray:
        return F.LeakyReLU(x, act_type="gelu")


class Swish(HybridBlock):
    """x·sigmoid(beta·x) (Ramachandran, Zoph & Le, "Searching for activation functions", 2017)."""

    def __init__(self, beta: float = 1.0, **kwargs: Any) -> None:
        check_numbers(beta=beta)
        super().__init__(**kwargs)
        self._beta = beta

    def hybrid_forward(self, F: Any, x: NDArray) -> NDArray:
        return x * F.sigmoid(x if self._beta == 1 else self._beta * x)


class SiLU(HybridBlock):
    """x·sigmoid(x), which is `Swish` with beta = 1 (Elfwing, Uchibe & Doya, 2018)."""

    def hybrid_forward(self, F: Any, x: NDArray) -> NDArray:
        return F.Activation(x, act_type="silu")


class Mish(HybridBlock):
    """x·tanh(log(1 + exp(x))) (Misra, "Mish: a self regularized non-monotonic activation function", 2019)."""

    def hybrid_forward(self, F: Any, x: NDArray) -> NDArray:
        return F.Activation(x, act_type="mish")
