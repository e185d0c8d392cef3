"""Optimizers with per-element learning rates, such as AdaGrad, RMSProp and FTML."""

from __future__ import annotations

from functools import partial
from typing import Any

from lamina.nd import NDArray, abs, sign, sqrt
from lamina.optimizer._settings import check_momenta, check_shares
from lamina.optimizer.optimizer import Optimizer, State, Stepped, clipped, optimizers, write
from lamina.support.argument_checks import check_numbers


def adagrad_step(
    w: NDArray, g: NDArray, state: State, *, rate: float, epsilon: float, decay: float = 0.0
) -> Stepped:
    """AdaGrad, which divides g by the root of the sum of all squared gradients (Duchi, Hazan and Singer, 2011).

    h = h + g²; w = w - rate·( g/√(h + ε) + decay·w ).

    The state is (h,). As in MXNet, h does not include the decay.
    """
    (h,) = state
    h = h + g * g
    step = g / sqrt(h + epsilon)
    return w - rate * (step + decay * w if decay else step), (h,)


@optimizers.register("adagrad")
class AdaGrad(Optimizer):
    """AdaGrad, which applies `adagrad_step` with g = clip(rescale_grad·∇) and decay wd."""

    def __init__(self, eps: float = 1e-7, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_numbers(eps=eps)
        self.float_stable_eps = eps

    def create_state(self, index: int, weight: NDArray) -> NDArray:
        """The initial state h, an array of zeros."""
        return self._moments(weight, 1)[0]

    def update(self, index: int, weight: NDArray, grad: NDArray, state: NDArray) -> None:
        rate, wd = self._step_size(index), self._get_wd(index)
        g = self._rescaled(grad)
        stepped = adagrad_step(weight, g, (state,), rate=rate, epsilon=self.float_stable_eps, decay=wd)
        write(weight, (state,), stepped)


def adadelta_step(
    w: NDArray, g: NDArray, state: State, *, rho: float, epsilon: float, decay: float = 0.0
) -> Stepped:
    """AdaDelta, which scales gradients by the root mean square of past updates (Zeiler, 2012).

    h = ρh + (1-ρ)g²;  Δ = √(d + ε)/√(h + ε)·g;  d = ρd + (1-ρ)Δ²;  w = w - Δ - decay·w.

    The state is (h, d).
    """
    h, d = state
    h = rho * h + (1.0 - rho) * (g * g)
    step = sqrt((d + epsilon) / (h + epsilon)) * g
    d = rho * d + (1.0 - rho) * (step * step)
    return ((1.0 - decay) * w if decay else w) - step, (h, d)


@optimizers.register("adadelta")
class AdaDelta(Optimizer):
    """AdaDelta, which applies `adadelta_step` with g = clip(rescale_grad·∇) and no learning rate."""

    def __init__(self, rho: float = 0.90, epsilon: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_numbers(rho=rho, epsilon=epsilon)
        self.rho, self.epsilon = rho, epsilon

    def create_state(self, index: int, weight: NDArray) -> State:
        """The initial state (h, d), as arrays of zeros."""
        return self._moments(weight, 2)

    def update(self, index: int, weight: NDArray, grad: NDArray, state: State) -> None:
        self._step_size(index)  # for its side effect: it counts the update
        g, wd = self._rescaled(grad), self._get_wd(index)
        stepped = adadelta_step(weight, g, state, rho=self.rho, epsilon=self.epsilon, decay=wd)
        write(weight, state, stepped)


def rmsprop_step(
    w: NDArray, g: NDArray, state: State, *, rate: float, beta: float, epsilon: float
) -> Stepped:
    """RMSProp, which divides g by the root of a running mean of squared gradients (Tieleman and Hinton, 2012).

    n = βn + (1-β)g²; w = w - rate·g/√(n + ε). The state is (n,).
    """
    (n,) = state
    n = beta * n + (1.0 - beta) * (g * g)
    return w - rate * (g / sqrt(n + epsilon)), (n,)


def centered_rmsprop_step(
    w: NDArray, g: NDArray, state: State, *, rate: float, beta: float, momentum: float, epsilon: float
) -> Stepped:
    """RMSProp with the variance instead of the mean square, and with momentum (Graves, 2013, section 4.2).

    n = βn + (1-β)g²;  m = βm + (1-β)g;  Δ = momentum·Δ - rate·g/√(n - m² + ε);  w = w + Δ. The state is (n, m, Δ).
    """
    n, m, step = state
    n = beta * n + (1.0 - beta) * (g * g)
    m = beta * m + (1.0 - beta) * g
    step = momentum * step - rate * (g / sqrt(n - m * m + epsilon))
    return w + step, (n, m, step)


@optimizers.register("rmsprop")
class RMSProp(Optimizer):
    """RMSProp, which applies `rmsprop_step`, or `centered_rmsprop_step` if `centered`.

    g = clip(rescale_grad·∇ + wd·w).

    Args:
        gamma1: β of the running means.
        gamma2: the momentum, used only if `centered`.
        centered: whether to use `centered_rmsprop_step`.
        clip_weights: the limit on the absolute value of each weight after the step. None, 0 or a negative number means
            no limit.
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
        check_numbers(gamma1=gamma1, gamma2=gamma2, epsilon=epsilon)
        self.gamma1, self.gamma2, self.epsilon = gamma1, gamma2, epsilon
        if clip_weights is not None:
            check_numbers(clip_weights=clip_weights)
        self.centered, self.clip_weights = centered, clip_weights

    def create_state(self, index: int, weight: NDArray) -> State:
        """The initial state (n,), or (n, m, Δ) if `centered`, as arrays of zeros."""
        return self._moments(weight, 3 if self.centered else 1)

    def update(self, index: int, weight: NDArray, grad: NDArray, state: State) -> None:
        rate = self._step_size(index)
        g = self._decayed(index, weight, grad)
        step = partial(centered_rmsprop_step, momentum=self.gamma2) if self.centered else rmsprop_step
        new, state_after = step(weight, g, state, rate=rate, beta=self.gamma1, epsilon=self.epsilon)
        new = clipped(new, self.clip_weights)
        write(weight, state, (new, state_after))


def ftrl_step(
    w: NDArray, g: NDArray, state: State, *, rate: float, l1: float, beta: float, decay: float = 0.0
) -> Stepped:
    """FTRL (follow the regularized leader), with an L1 penalty for sparse weights (McMahan et al., 2013).

    z = z + g - (√(n + g²) - √n)/rate·w;  n = n + g²;  w = (sign(z)·l1 - z)/((β + √n)/rate + decay) where |z| > l1, else
    0. The state is (z, n).
    """
    z, n = state
    root, before = sqrt(n + g * g), sqrt(n)
    z = z + g - (root - before) / rate * w
    n = n + g * g
    kept = abs(z) > l1
    return kept * (sign(z) * l1 - z) / ((beta + root) / rate + decay), (z, n)


@optimizers.register("ftrl")
class Ftrl(Optimizer):
    """FTRL (follow the regularized leader), which applies `ftrl_step` with g = clip(rescale_grad·∇) and decay wd.

    Args:
        lamda1: λ₁ (MXNet's spelling).
        learning_rate: the rate without a scheduler; as in MXNet, a scheduler keeps its own `base_lr`.
        beta: β.
    """

    default_learning_rate = 0.1

    def __init__(
        self, lamda1: float = 0.01, learning_rate: float | None = None, beta: float = 1.0, **kwargs: Any
    ) -> None:
        rate = getattr(kwargs.get("lr_scheduler"), "base_lr", learning_rate)
        super().__init__(learning_rate=rate, **kwargs)
        check_numbers(lamda1=lamda1, beta=beta)
        self.lamda1, self.beta = lamda1, beta

    def create_state(self, index: int, weight: NDArray) -> State:
        """The initial state (z, n), as arrays of zeros."""
        return self._moments(weight, 2)

    def update(self, index: int, weight: NDArray, grad: NDArray, state: State) -> None:
        rate, wd = self._step_size(index), self._get_wd(index)
        g = self._rescaled(grad)
        stepped = ftrl_step(weight, g, state, rate=rate, l1=self.lamda1, beta=self.beta, decay=wd)
        write(weight, state, stepped)


def ftml_step(
    w: NDArray,
    g: NDArray,
    state: State,
    *,
    beta1: float,
    beta2: float,
    epsilon: float,
    correction: float,
    scale: float,
) -> Stepped:
    """FTML (follow the moving leader; Zheng and Kwok, 2017), with the state (d, v, z).

    v = β₂v + (1-β₂)g²;  δ = scale·(√(v·correction) + ε) with scale = (1-β₁ᵗ)/rate and correction = 1/(1-β₂ᵗ);
    z = β₁z + (1-β₁)g - (δ - β₁d)w;  d = δ;  w = -z/d.
    """
    d, v, z = state
    v = beta2 * v + (1.0 - beta2) * (g * g)
    delta = scale * (sqrt(v * correction) + epsilon)
    z = beta1 * z + (1.0 - beta1) * g - (delta - beta1 * d) * w
    return -(z / delta), (delta, v, z)


@optimizers.register("ftml")
class FTML(Optimizer):
    """FTML (follow the moving leader), which applies `ftml_step` with g = clip(rescale_grad·∇ + wd·w)."""

    def __init__(
        self, beta1: float = 0.6, beta2: float = 0.999, epsilon: float = 1e-8, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        check_momenta(beta1=beta1)
        check_shares(beta2=beta2)
        check_numbers(epsilon=epsilon)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon

    def create_state(self, index: int, weight: NDArray) -> State:
        """The initial state (d, v, z), as arrays of zeros."""
        return self._moments(weight, 3)

    def update(self, index: int, weight: NDArray, grad: NDArray, state: State) -> None:
        scale = self._each_rate(index)
        correction = self._each_step(index, lambda t: 1.0 / (1.0 - self.beta2**t))
        step = partial(ftml_step, beta1=self.beta1, beta2=self.beta2, epsilon=self.epsilon)
        g = self._decayed(index, weight, grad)
        write(weight, state, step(weight, g, state, correction=correction, scale=scale))

    def _each_rate(self, index: int) -> float:
        """Count an update t of this parameter and return its factor (1-β₁ᵗ)/rate."""

        def scale() -> float:
            t = self._count(index)
            return (1.0 - self.beta1**t) / self._rate(index)

        return self._now(index, scale)
