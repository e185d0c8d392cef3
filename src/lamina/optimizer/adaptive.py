"""Optimizers with a learning rate for each element: AdaGrad, AdaDelta, RMSProp, Ftrl."""

from __future__ import annotations

from typing import Any

from lamina.nd.elementwise import abs, clip, sign, sqrt
from lamina.nd.ndarray import NDArray
from lamina.optimizer.optimizer import Optimizer, optimizers

__all__ = ["AdaDelta", "AdaGrad", "Ftrl", "RMSProp"]


@optimizers.register("adagrad")
class AdaGrad(Optimizer):
    """Divides by the root of the sum of all squared gradients (Duchi, Hazan and Singer, 2011).

    g = clip(rescale_grad·∇);  h = h + g²;  w = w - lr·( g/√(h + eps) + wd·w ).  As in MXNet, the weight decay does not
    enter h.
    """

    def __init__(self, eps: float = 1e-7, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.float_stable_eps = eps

    def create_state(self, index: int, weight: NDArray) -> NDArray:
        """h, zeros at first."""
        return self._moments(weight, 1)[0]

    def update(self, index: int, weight: NDArray, grad: NDArray, state: NDArray) -> None:
        """One step."""
        lr, wd = self._step_size(index), self._get_wd(index)
        g = self._rescaled(grad)
        state[:] = state + g * g
        step = g / sqrt(state + self.float_stable_eps)
        weight[:] = weight - lr * (step + wd * weight if wd else step)


@optimizers.register("adadelta")
class AdaDelta(Optimizer):
    """Steps as large as the steps before, in the gradient's units (Zeiler, 2012). Has no learning rate.

    g = clip(rescale_grad·∇);  h = ρh + (1-ρ)g²;  Δ = √(d + ε)/√(h + ε)·g;  d = ρd + (1-ρ)Δ²;  w = w - Δ - wd·w.
    """

    def __init__(self, rho: float = 0.90, epsilon: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rho, self.epsilon = rho, epsilon

    def create_state(self, index: int, weight: NDArray) -> tuple[NDArray, ...]:
        """(h, d), zeros at first."""
        return self._moments(weight, 2)

    def update(self, index: int, weight: NDArray, grad: NDArray, state: tuple[NDArray, NDArray]) -> None:
        """One step."""
        self._step_size(index)  # counts the update
        h, d = state
        wd, rho = self._get_wd(index), self.rho
        g = self._rescaled(grad)
        h[:] = rho * h + (1.0 - rho) * (g * g)
        delta = sqrt((d + self.epsilon) / (h + self.epsilon)) * g
        d[:] = rho * d + (1.0 - rho) * (delta * delta)
        weight[:] = ((1.0 - wd) * weight if wd else weight) - delta


@optimizers.register("rmsprop")
class RMSProp(Optimizer):
    """Divides by the root of a running mean of squared gradients (Tieleman and Hinton, 2012; Graves, 2013).

    g = clip(rescale_grad·∇) + wd·w;  n = γ₁n + (1-γ₁)g².  Plain:  w = w - lr·g/√(n + ε).  Centered, by an estimate of
    the variance and with momentum:  m = γ₁m + (1-γ₁)g;  Δ = γ₂Δ - lr·g/√(n - m² + ε);  w = w + Δ.

    Args:
        gamma1: γ₁.
        gamma2: γ₂, the momentum; only if centered.
        centered: Graves' variant.
        clip_weights: bound of each element of the weights after the step, or None.
    """

    default_learning_rate = 0.001

    def __init__(
        self,
        learning_rate: float | None = None,
        gamma1: float = 0.9,
        gamma2: float = 0.9,
        epsilon: float = 1e-8,
        centered: bool = False,
        clip_weights: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.gamma1, self.gamma2, self.epsilon = gamma1, gamma2, epsilon
        self.centered, self.clip_weights = centered, clip_weights

    def create_state(self, index: int, weight: NDArray) -> tuple[NDArray, ...]:
        """(n,), or centered (n, m, Δ), zeros at first."""
        return self._moments(weight, 3 if self.centered else 1)

    def update(self, index: int, weight: NDArray, grad: NDArray, state: tuple[NDArray, ...]) -> None:
        """One step."""
        lr, decay = self._step_size(index), self.gamma1
        g = self._prepared(index, weight, grad)
        n = state[0]
        n[:] = decay * n + (1.0 - decay) * (g * g)
        if self.centered:
            _, m, delta = state
            m[:] = decay * m + (1.0 - decay) * g
            delta[:] = self.gamma2 * delta - lr * (g / sqrt(n - m * m + self.epsilon))
            new = weight + delta
        else:
            new = weight - lr * (g / sqrt(n + self.epsilon))
        weight[:] = new if self.clip_weights is None else clip(new, -self.clip_weights, self.clip_weights)


@optimizers.register("ftrl")
class Ftrl(Optimizer):
    """Follow the regularized leader: sparse weights through an L1 penalty (McMahan et al., Ad click prediction, 2013).

    g = clip(rescale_grad·∇);  z = z + g - (√(n + g²) - √n)/lr·w;  n = n + g²;
    w = (sign(z)·λ₁ - z)/((β + √n)/lr + wd) where |z| > λ₁, else 0.

    Args:
        lamda1: λ₁ (MXNet's spelling).
        beta: β.
    """

    default_learning_rate = 0.1

    def __init__(
        self, lamda1: float = 0.01, learning_rate: float | None = None, beta: float = 1.0, **kwargs: Any
    ) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.lamda1, self.beta = lamda1, beta

    def create_state(self, index: int, weight: NDArray) -> tuple[NDArray, ...]:
        """(z, n), zeros at first."""
        return self._moments(weight, 2)

    def update(self, index: int, weight: NDArray, grad: NDArray, state: tuple[NDArray, NDArray]) -> None:
        """One step."""
        lr, wd = self._step_size(index), self._get_wd(index)
        z, n = state
        g = self._rescaled(grad)
        root, before = sqrt(n + g * g), sqrt(n)
        z[:] = z + g - (root - before) / lr * weight
        n[:] = n + g * g
        kept = abs(z) > self.lamda1
        weight[:] = kept * (sign(z) * self.lamda1 - z) / ((self.beta + root) / lr + wd)
