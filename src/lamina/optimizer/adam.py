"""Adam and its variants, with bias-corrected running means of the gradient and its square."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from lamina.core.state import call_each_step
from lamina.nd import NDArray, abs, maximum, minimum, sqrt, sum, where
from lamina.optimizer._settings import check_momenta, check_shares
from lamina.optimizer.optimizer import Optimizer, State, Stepped, optimizers, write
from lamina.support.argument_checks import check_numbers

Pair = tuple[float, float]


def bias_correction(beta: float, t: int) -> float:
    """1/(1 - βᵗ), the factor that corrects a running mean at step t for its start from zero.

    >>> bias_correction(0.5, 1)
    2.0
    """
    return 1.0 / (1.0 - beta**t)


def corrections(betas: Pair, steps: Callable[[], int]) -> Pair:
    """The `bias_correction` of both means at each step of a compiled function; `steps` returns the step's number."""
    first, second = (call_each_step(lambda beta=beta: bias_correction(beta, steps())) for beta in betas)
    return first, second


def _mean(mean: NDArray, x: NDArray, beta: float) -> NDArray:
    """The running mean after an update with x, beta·mean + (1 - beta)·x."""
    return beta * mean + (1.0 - beta) * x


def _moments(g: NDArray, state: State, betas: Pair) -> tuple[NDArray, NDArray]:
    """The state (m, v) after an update with g, with running means of gradients and of their squares."""
    m, v = state
    return _mean(m, g, betas[0]), _mean(v, g * g, betas[1])


def _direction(m: NDArray, v: NDArray, epsilon: float, correction: Pair | None = None) -> NDArray:
    """Adam's direction m̂/(√v̂ + ε), where m̂ and v̂ are m and v times their factors in `correction`."""
    if correction is not None:
        m, v = m * correction[0], v * correction[1]
    return m / (sqrt(v) + epsilon)


class _Moments(Optimizer):
    """A base class of Adam's family, whose state (m, v) has running means of the gradient and its square."""

    default_learning_rate = 0.001
    _v_is_mean = True
    """Whether v is a running mean; for a running maximum, β₂ = 1 is valid, too (a mean would stay 0)."""

    def __init__(
        self,
        learning_rate: float | None = None,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        check_momenta(beta1=beta1)
        if beta2 != 1 or self._v_is_mean:
            check_shares(beta2=beta2)
        check_numbers(epsilon=epsilon)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon

    def create_state(self, index: int, weight: NDArray) -> State:
        """The initial state (m, v), as arrays of zeros."""
        return self._moments(weight, 2)

    def _make(self, step: Any, weight: NDArray, g: NDArray, state: State, **settings: Any) -> None:
        """Apply the function `step` with betas, ε and `settings`, and write its results in place."""
        settings = {"betas": (self.beta1, self.beta2), "epsilon": self.epsilon, **settings}
        write(weight, state, step(weight, g, state, **settings))

    def _correction(self, index: int, beta: float) -> float:
        return self._each_step(index, lambda t: bias_correction(beta, t))

    def _unbias(self, t: int) -> float:
        """√(1 - β₂ᵗ) / (1 - β₁ᵗ), the combined bias correction of m/√v at update t."""
        return math.sqrt(1.0 - self.beta2**t) / (1.0 - self.beta1**t)


def adam_step(
    w: NDArray,
    g: NDArray,
    state: State,
    *,
    rate: float,
    betas: Pair,
    epsilon: float,
    correction: Pair | None = None,
) -> Stepped:
    """Adam (Kingma and Ba, 2015, algorithm 1); the state is (m, v).

    m = β₁m + (1-β₁)g;  v = β₂v + (1-β₂)g²;  w = w - rate·m̂/(√v̂ + ε), with m̂ = c₁m and v̂ = c₂v.

    Args:
        correction: (c₁, c₂), the `bias_correction` of each mean. With None m̂ = m and v̂ = v, for callers that include
            both corrections in the rate, which saves two multiplications per element (end of the paper's section 2).
    """
    m, v = _moments(g, state, betas)
    return w - rate * _direction(m, v, epsilon, correction), (m, v)


@optimizers.register("adam")
class Adam(_Moments):
    """Adam as in MXNet, with both bias corrections in the rate of `adam_step`; ε is added to √v, not √v̂.

    g = clip(rescale_grad·∇ + wd·w);  w = w - lr·√(1-β₂ᵗ)/(1-β₁ᵗ) · m/(√v + ε).

    >>> from lamina import autograd, gluon, nd
    >>> net = gluon.nn.Dense(1, in_units=2)
    >>> net.initialize()
    >>> trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.01})
    >>> before = net.weight.data().copy()
    >>> with autograd.record():
    ...     loss = net(nd.ones((4, 2))).sum()
    >>> loss.backward()
    >>> trainer.step(batch_size=4)
    >>> (net.weight.data() - before).asnumpy().round(4)
    array([[-0.01, -0.01]], dtype=float32)
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
        rate = self._step_size(index, self._unbias)
        self._make(adam_step, weight, self._decayed(index, weight, grad), state, rate=rate)


def adamw_step(w: NDArray, g: NDArray, state: State, *, decay: float, **adam: Any) -> Stepped:
    """Adam with decoupled weight decay (Loshchilov and Hutter, Decoupled weight decay regularization, 2019).

    The step is `adam_step` applied to (1 - decay)·w, where `decay` is the paper's ηₜλ, which includes the learning
    rate.
    """
    return adam_step((1.0 - decay) * w, g, state, **adam)


@optimizers.register("adamw")
class AdamW(_Moments):
    """Adam with decoupled weight decay, which applies `adamw_step` with g = clip(rescale_grad·∇).

    w = w - lr·( m̂/(√v̂ + ε) + wd·w ), with m̂ = m/(1-β₁ᵗ), v̂ = v/(1-β₂ᵗ).

    Args:
        correct_bias: whether m and v are corrected for their start from zero, which BERT's original code does not do.
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
        lr, factor, epsilon = self._step_size(index), 1.0, self.epsilon
        if self.correct_bias:  # m̂/(√v̂ + ε) = factor·m/(√v + ε√(1-β₂ᵗ)): no array is multiplied for it
            factor = self._each_step(index, self._unbias)
            epsilon = self._each_step(index, lambda t: self.epsilon * math.sqrt(1.0 - self.beta2**t))
        g, wd = self._rescaled(grad), self._get_wd(index)
        step = partial(adamw_step, decay=lr * wd) if wd else adam_step
        self._make(step, weight, g, state, rate=lr * factor, epsilon=epsilon)


def adamax_step(w: NDArray, g: NDArray, state: State, *, rate: float, betas: Pair, epsilon: float) -> Stepped:
    """Adam with a decaying maximum of |g| instead of √v (Kingma and Ba, 2015, section 7.1).

    m = β₁m + (1-β₁)g;  u = max(β₂u, |g|);  w = w - rate·m/(u + ε).

    The state is (m, u), and the rate includes m's bias correction. ε, which is not in the paper, avoids 0/0 while all
    gradients of an element have been 0.
    """
    m, u = state
    m, u = _mean(m, g, betas[0]), maximum(betas[1] * u, abs(g))
    return w - rate * (m / (u + epsilon)), (m, u)


@optimizers.register("adamax")
class Adamax(_Moments):
    """Adam with a decaying maximum of |g| instead of √v, by `adamax_step` with g = clip(rescale_grad·∇ + wd·w)."""

    default_learning_rate = 0.002
    _v_is_mean = False

    def update(self, index: int, weight: NDArray, grad: NDArray, state: State) -> None:
        rate = self._step_size(index, lambda t: bias_correction(self.beta1, t))
        self._make(adamax_step, weight, self._decayed(index, weight, grad), state, rate=rate)


def nadam_step(
    w: NDArray,
    g: NDArray,
    state: State,
    *,
    rate: float,
    betas: Pair,
    epsilon: float,
    shares: Pair,
    correction: float,
) -> Stepped:
    """Adam with Nesterov's momentum (Dozat, 2016), with the state (m, v).

    m, v as in Adam;  m̄ = shares[0]·g + shares[1]·m;  w = w - rate·m̄/(√v̂ + ε), with v̂ = correction·v.

    The paper's shares at step t are (1-μₜ)/(1-Mₜ) and μₜ₊₁/(1-Mₜ₊₁), where μₜ is the momentum of step t and
    Mₜ = μ₁…μₜ.
    """
    m, v = _moments(g, state, betas)
    return w - rate * _direction(shares[0] * g + shares[1] * m, v * correction, epsilon), (m, v)


_NEGLIGIBLE = 1e-17  # beside 1, in float64


@optimizers.register("nadam")
class Nadam(_Moments):
    """Adam with Nesterov's momentum, which applies `nadam_step` with g = clip(rescale_grad·∇ + wd·w).

    The momentum of step t is μₜ = β₁(1 - ½·0.96^(t·schedule_decay)). As in MXNet, Mₜ is the product of the momenta of
    all updates so far, also those of other parameters.
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
        check_numbers(schedule_decay=schedule_decay)
        self.schedule_decay = schedule_decay
        self._products = [1.0]  # of the momenta of one parameter's first n updates, by n; extended on demand

    def _momentum(self, t: int) -> float:
        """The momentum μₜ of step t."""
        return self.beta1 * (1.0 - 0.5 * 0.96 ** (t * self.schedule_decay))

    def _product(self) -> float:
        """The product of the momenta of all updates of all parameters so far."""
        begin, product = self.begin_num_update, 1.0
        for t in self._counts.values():
            number = max(0, t - begin)
            while len(self._products) <= number:
                self._products.append(self._products[-1] * self._momentum(begin + len(self._products)))
            product *= self._products[number]
            if product < _NEGLIGIBLE:
                break
        return product

    def _share_of_gradient(self, t: int) -> float:
        return (1.0 - self._momentum(t)) / (1.0 - self._product())

    def _share_of_mean(self, t: int) -> float:
        return self._momentum(t + 1) / (1.0 - self._product() * self._momentum(t + 1))

    def update(self, index: int, weight: NDArray, grad: NDArray, state: State) -> None:
        rate = self._step_size(index)
        of_gradient = self._each_step(index, self._share_of_gradient)
        shares = of_gradient, self._each_step(index, self._share_of_mean)
        step = partial(nadam_step, shares=shares, correction=self._correction(index, self.beta2))
        self._make(step, weight, self._decayed(index, weight, grad), state, rate=rate)


def lamb_step(
    w: NDArray,
    g: NDArray,
    state: State,
    *,
    rate: float,
    decay: float,
    betas: Pair,
    epsilon: float,
    correction: Pair | None = None,
    bounds: tuple[float | None, float | None] = (None, None),
) -> Stepped:
    """Adam with step sizes in proportion to each array's norm (You et al., LAMB, 2020).

    m̂, v̂ and the state as in `adam_step`;  r = m̂/(√v̂ + ε) + decay·w;  w = w - rate·φ(‖w‖)/‖r‖·r.

    φ limits ‖w‖ to `bounds`. The ratio φ(‖w‖)/‖r‖ is 1 if ‖w‖ or ‖r‖ is 0.
    """
    m, v = _moments(g, state, betas)
    r = _direction(m, v, epsilon, correction) + decay * w
    return w - (rate * _trust(w, r, *bounds)) * r, (m, v)


def _trust(w: NDArray, r: NDArray, lower: float | None, upper: float | None) -> NDArray:
    """The trust ratio φ(‖w‖)/‖r‖, of shape (1,)."""
    length, step = _norm(w), _norm(r)
    bounded = maximum(length, lower) if lower is not None and lower > 0 else length
    bounded = minimum(bounded, upper) if upper is not None and upper > 0 else bounded
    defined = (bounded > 0) * (step > 0)
    return where(defined, bounded / maximum(step, 1e-38), 1.0)


def _norm(x: NDArray) -> NDArray:
    """‖x‖₂ over all elements, of shape (1,)."""
    return sqrt(sum(x * x)).reshape((1,) * len(x.shape))


@optimizers.register("lamb")
class LAMB(_Moments):
    """Adam with step sizes in proportion to each array's norm, which applies `lamb_step` with g = clip(rescale_grad·∇).

    Args:
        lower_bound, upper_bound: bounds of the norm. None, 0 or a negative number means no bound.
        bias_correction: whether m and v are corrected for their start from zero.
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
        bounds = {"lower_bound": lower_bound, "upper_bound": upper_bound}
        check_numbers(**{name: bound for name, bound in bounds.items() if bound is not None})
        self.lower_bound, self.upper_bound, self.bias_correction = lower_bound, upper_bound, bias_correction

    def update(self, index: int, weight: NDArray, grad: NDArray, state: State) -> None:
        rate, wd, correction = self._step_size(index), self._get_wd(index), None
        if self.bias_correction:
            correction = self._correction(index, self.beta1), self._correction(index, self.beta2)
        step = partial(lamb_step, correction=correction, bounds=(self.lower_bound, self.upper_bound))
        self._make(step, weight, self._rescaled(grad), state, rate=rate, decay=wd)
