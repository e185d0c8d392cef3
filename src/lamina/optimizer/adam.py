"""Adam and its family: running means of the gradient and of its square, corrected for starting from zero."""

from __future__ import annotations

import math
from typing import Any

from lamina.nd.arithmetic import maximum, minimum
from lamina.nd.elementwise import abs, sqrt
from lamina.nd.lookup import where
from lamina.nd.ndarray import NDArray
from lamina.nd.reduce import sum
from lamina.optimizer.optimizer import Optimizer, optimizers

__all__ = ["LAMB", "Adam", "AdamW", "Adamax", "Nadam"]

State = tuple[NDArray, NDArray]


class _Moments(Optimizer):
    """Keeps for each parameter m, the running mean of its gradient, and v, that of the square."""

    default_learning_rate = 0.001

    def __init__(
        self,
        learning_rate: float | None = None,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon

    def create_state(self, index: int, weight: NDArray) -> State:
        """(m, v), zeros at first."""
        m, v = self._moments(weight, 2)
        return m, v

    def _average(self, g: NDArray, state: State) -> State:
        """Add a gradient to both running means."""
        m, v = state
        m[:] = self.beta1 * m + (1.0 - self.beta1) * g
        v[:] = self.beta2 * v + (1.0 - self.beta2) * (g * g)
        return state

    def _unbias(self, t: int) -> float:
        """√(1 - β₂ᵗ) / (1 - β₁ᵗ): what m/√v must be multiplied by at update t."""
        return math.sqrt(1.0 - self.beta2**t) / (1.0 - self.beta1**t)


@optimizers.register("adam")
class Adam(_Moments):
    """Adam (Kingma and Ba, 2015), with the correction of both means in the step size, as at the end of its section 2.

    g = clip(rescale_grad·∇) + wd·w;  m = β₁m + (1-β₁)g;  v = β₂v + (1-β₂)g²;
    w = w - lr·√(1-β₂ᵗ)/(1-β₁ᵗ) · m/(√v + ε).
    """

    def __init__(
        self,
        learning_rate: float | None = None,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        lazy_update: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon, **kwargs)

    def update(self, index: int, weight: NDArray, grad: NDArray, state: State) -> None:
        """One step."""
        step_size = self._step_size(index, self._unbias)
        m, v = self._average(self._prepared(index, weight, grad), state)
        weight[:] = weight - step_size * (m / (sqrt(v) + self.epsilon))


@optimizers.register("adamw")
class AdamW(_Moments):
    """Adam with weight decay that bypasses the moments (Loshchilov and Hutter, Decoupled weight decay, 2019).

    g = clip(rescale_grad·∇);  m, v as in Adam;  w = w - lr·( m̂/(√v̂ + ε) + wd·w ), with m̂ = m/(1-β₁ᵗ), v̂ = v/(1-β₂ᵗ).

    Args:
        correct_bias: without, m and v are used as they are (as in BERT's original code).
    """

    def __init__(
        self,
        learning_rate: float | None = None,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        correct_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon, **kwargs)
        self.correct_bias = correct_bias

    def update(self, index: int, weight: NDArray, grad: NDArray, state: State) -> None:
        """One step."""
        lr, factor, epsilon = self._step_size(index), 1.0, self.epsilon
        if self.correct_bias:  # m̂/(√v̂ + ε) = factor·m/(√v + ε√(1-β₂ᵗ)): no array is divided for it
            factor = self._each_step(index, self._unbias)
            epsilon = self._each_step(index, lambda t: self.epsilon * math.sqrt(1.0 - self.beta2**t))
        m, v = self._average(self._rescaled(grad), state)
        wd = self._get_wd(index)
        decayed = (1.0 - lr * wd) * weight if wd else weight
        weight[:] = decayed - (lr * factor) * (m / (sqrt(v) + epsilon))


@optimizers.register("adamax")
class Adamax(_Moments):
    """Adam with the largest gradient, exponentially forgotten, in the place of √v (Kingma and Ba, 2015, section 7).

    g = clip(rescale_grad·∇) + wd·w;  m = β₁m + (1-β₁)g;  u = max(β₂u, |g|);  w = w - lr/(1-β₁ᵗ) · m/(u + ε).

    ε is not in the paper: it keeps a parameter whose gradient has been 0 so far from becoming 0/0.
    """

    default_learning_rate = 0.002

    def update(self, index: int, weight: NDArray, grad: NDArray, state: State) -> None:
        """One step."""
        step_size = self._step_size(index, lambda t: 1.0 / (1.0 - self.beta1**t))
        g = self._prepared(index, weight, grad)
        m, u = state
        m[:] = self.beta1 * m + (1.0 - self.beta1) * g
        u[:] = maximum(self.beta2 * u, abs(g))
        weight[:] = weight - step_size * (m / (u + self.epsilon))


@optimizers.register("nadam")
class Nadam(_Moments):
    """Adam with Nesterov's momentum (Dozat, 2016).

    With μₜ = β₁(1 - ½·0.96^(t·schedule_decay)) and Mₜ = μ₁…μₜ:  g as in Adam, m, v as in Adam;
    m̄ = (1-μₜ)/(1-Mₜ)·g + μₜ₊₁/(1-Mₜ₊₁)·m;  w = w - lr · m̄/(√(v/(1-β₂ᵗ)) + ε).

    Each parameter counts its own Mₜ. (MXNet multiplies one product for all parameters, which makes the result depend
    on how many there are.)
    """

    def __init__(
        self,
        learning_rate: float | None = None,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        schedule_decay: float = 0.004,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon, **kwargs)
        self.schedule_decay = schedule_decay
        self._products = [1.0]  # M₀, M₁, … as far as they were needed

    def _momentum(self, t: int) -> float:
        """μₜ."""
        return self.beta1 * (1.0 - 0.5 * 0.96 ** (t * self.schedule_decay))

    def _product(self, t: int) -> float:
        """Mₜ."""
        while len(self._products) <= t:
            self._products.append(self._products[-1] * self._momentum(len(self._products)))
        return self._products[t]

    def _share_of_gradient(self, t: int) -> float:
        return (1.0 - self._momentum(t)) / (1.0 - self._product(t))

    def _share_of_mean(self, t: int) -> float:
        return self._momentum(t + 1) / (1.0 - self._product(t + 1))

    def update(self, index: int, weight: NDArray, grad: NDArray, state: State) -> None:
        """One step."""
        lr = self._step_size(index)
        of_gradient = self._each_step(index, self._share_of_gradient)
        of_mean = self._each_step(index, self._share_of_mean)
        unbias_v = self._each_step(index, lambda t: 1.0 / math.sqrt(1.0 - self.beta2**t))
        g = self._prepared(index, weight, grad)
        m, v = self._average(g, state)
        weight[:] = weight - lr * ((of_gradient * g + of_mean * m) / (unbias_v * sqrt(v) + self.epsilon))


@optimizers.register("lamb")
class LAMB(_Moments):
    """Adam whose step has, in each parameter array, a length in proportion to the array's own (You et al., 2020).

    g = clip(rescale_grad·∇);  m, v as in Adam;  r = m̂/(√v̂ + ε) + wd·w;  w = w - lr·φ(‖w‖)/‖r‖·r, where φ limits ‖w‖
    to [lower_bound, upper_bound], and the ratio is 1 where ‖w‖ or ‖r‖ is 0.

    Args:
        bias_correction: without, m and v stand for m̂ and v̂.
    """

    def __init__(
        self,
        learning_rate: float | None = None,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-6,
        lower_bound: float | None = None,
        upper_bound: float | None = None,
        bias_correction: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon, **kwargs)
        self.lower_bound, self.upper_bound, self.bias_correction = lower_bound, upper_bound, bias_correction

    def update(self, index: int, weight: NDArray, grad: NDArray, state: State) -> None:
        """One step."""
        lr, unbias_m, unbias_v = self._step_size(index), 1.0, 1.0
        if self.bias_correction:
            unbias_m = self._each_step(index, lambda t: 1.0 / (1.0 - self.beta1**t))
            unbias_v = self._each_step(index, lambda t: 1.0 / math.sqrt(1.0 - self.beta2**t))
        m, v = self._average(self._rescaled(grad), state)
        direction = (unbias_m * m) / (unbias_v * sqrt(v) + self.epsilon) + self._get_wd(index) * weight
        weight[:] = weight - (lr * self._trust(weight, direction)) * direction

    def _trust(self, weight: NDArray, direction: NDArray) -> NDArray:
        """φ(‖w‖)/‖r‖, of shape (1,)."""
        length, step = _norm(weight), _norm(direction)
        bounded = length if self.lower_bound is None else maximum(length, self.lower_bound)
        bounded = bounded if self.upper_bound is None else minimum(bounded, self.upper_bound)
        defined = (bounded > 0) * (step > 0)
        return where(defined, bounded / maximum(step, 1e-38), 1.0)


def _norm(x: NDArray) -> NDArray:
    """‖x‖₂ over all elements, of shape (1,)."""
    return sqrt(sum(x * x)).reshape((1,) * len(x.shape))
