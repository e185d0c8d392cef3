"""Rarely used optimizers, such as FTML, LARS and SGLD."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from lamina.nd.arithmetic import maximum
from lamina.nd.elementwise import sqrt
from lamina.nd.lookup import where
from lamina.nd.ndarray import NDArray
from lamina.nd.random import normal
from lamina.nd.reduce import sum
from lamina.optimizer._settings import check_momenta, check_shares
from lamina.optimizer.momentum import SGD, momentum_step, sgd_step
from lamina.optimizer.optimizer import Optimizer, State, Stepped, optimizers, write
from lamina.support.argument_checks import check_numbers


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
            return (1.0 - self.beta1**t) / self._lr(index)

        return self._now(index, scale)


def lars_ratio(w: NDArray, g: NDArray, *, eta: float, decay: float, epsilon: float) -> NDArray:
    """The ratio η‖w‖/(‖g‖ + decay·‖w‖ + ε), or 1 if a norm is 0, of shape (1,) (You, Gitman and Ginsburg, 2017)."""
    shape = (1,) * len(w.shape)
    length, slope = sqrt(sum(w * w)).reshape(shape), sqrt(sum(g * g)).reshape(shape)
    ratio = eta * length / maximum(slope + decay * length + epsilon, 1e-38)
    return where((length > 0) * (slope > 0), ratio, 1.0)


@optimizers.register("lars")
class LARS(SGD):
    """SGD whose learning rate for each array is multiplied by `lars_ratio`.

    The rate of arrays whose names in `param_idx2name` end in gamma, beta or bias is not multiplied. As in MXNet, a
    `Trainer` gives no such names.

    Args:
        momentum: the factor on the velocity.
        lazy_update: as in `SGD`.
        eta, eps: η and ε of `lars_ratio`.
        momentum_correction: whether to multiply the momentum by the ratio of this step's rate to the previous step's
            rate.
    """

    def __init__(
        self,
        momentum: float = 0.0,
        lazy_update: bool = True,
        eta: float = 0.001,
        eps: float = 0,
        momentum_correction: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(momentum, lazy_update, **kwargs)
        check_numbers(eta=eta, eps=eps)
        self.eta, self.eps, self.momentum_correction = eta, eps, momentum_correction
        self._rates: dict[int, float] = {}

    def update(self, index: int, weight: NDArray, grad: NDArray, state: NDArray | None) -> None:
        rate = self._step_size(index)
        name = self._named(index)
        if not name.endswith(("gamma", "beta", "bias")):
            decay = self._get_wd(index)
            scaled = grad * self.rescale_grad
            rate = rate * lars_ratio(weight, scaled, eta=self.eta, decay=decay, epsilon=self.eps)
        g = self._prepared(index, weight, grad)
        if state is None:
            write(weight, (), sgd_step(weight, g, rate=rate))  # pyright: ignore[reportArgumentType]
            return
        momentum = self._each_step(index, lambda _: self._corrected(index))
        step = momentum_step(weight, g, (state,), rate=rate, momentum=momentum)  # pyright: ignore[reportArgumentType]
        write(weight, (state,), step)

    def _named(self, index: int) -> str:
        return self.idx2name.get(index, str(index))

    def _corrected(self, index: int) -> float:
        """This step's momentum, corrected for a change of the learning rate if `momentum_correction`."""
        now = self.learning_rate
        before = self._rates.get(index, now)
        self._rates[index] = now
        return self.momentum * (now / before if self.momentum_correction and before else 1.0)


@optimizers.register("sgld")
class SGLD(Optimizer):
    """Langevin dynamics (Welling and Teh, 2011), w = w - rate/2·g + √rate·n, where n is standard normal.

    g = clip(rescale_grad·∇) + wd·w.
    """

    def update(self, index: int, weight: NDArray, grad: NDArray, state: None) -> None:
        rate = self._step_size(index)
        noise = normal(0, 1, shape=weight.shape, dtype=weight.dtype, ctx=weight.context)
        g = self._prepared(index, weight, grad)
        root = self._each_step(index, lambda _: math.sqrt(self._lr(index)))
        write(weight, (), (weight - (0.5 * rate) * g + root * noise, ()))


def dcasgd_step(
    w: NDArray, g: NDArray, previous: NDArray, *, rate: float, lamda: float, decay: float
) -> NDArray:
    """The step -rate·(g + decay·w + λ·g²·(w - previous)), compensated for a delayed gradient (Zheng et al., 2017).

    `previous` is the weight before the previous step.
    """
    return -rate * (g + decay * w + lamda * (g * g) * (w - previous))


@optimizers.register("dcasgd")
class DCASGD(Optimizer):
    """SGD with delay compensation, which applies `dcasgd_step` with g = clip(rescale_grad·∇).

    Args:
        momentum: the factor on the velocity. (In MXNet 1.9 all values except 0 raise an error.)
        lamda: λ (MXNet's spelling).
    """

    def __init__(self, momentum: float = 0.0, lamda: float = 0.04, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_numbers(momentum=momentum, lamda=lamda)
        self.momentum, self.lamda = momentum, lamda

    def create_state(self, index: int, weight: NDArray) -> tuple[NDArray | None, NDArray]:
        """The initial state, a pair of the velocity (None without momentum) and the previous weight."""
        return (self._moments(weight, 1)[0] if self.momentum else None), weight.copy()

    def update(self, index: int, weight: NDArray, grad: NDArray, state: Any) -> None:
        rate, (velocity, previous) = self._step_size(index), state
        decay = self._get_wd(index)
        moved = dcasgd_step(weight, self._rescaled(grad), previous, rate=rate, lamda=self.lamda, decay=decay)
        if velocity is None:
            write(weight, (previous,), (weight + moved, (weight + 0.0,)))
        else:
            moved = self.momentum * velocity + moved
            write(weight, (velocity, previous), (weight + moved, (moved, weight + 0.0)))


@optimizers.register("test")
class Test(Optimizer):
    """MXNet's optimizer for tests, w = w + rescale_grad·∇, whose state is the new w."""

    __test__ = False  # to pytest

    def create_state(self, index: int, weight: NDArray) -> NDArray:
        """The initial state, an array of zeros."""
        return self._moments(weight, 1)[0]

    def update(self, index: int, weight: NDArray, grad: NDArray, state: NDArray) -> None:
        new = weight + grad * self.rescale_grad
        write(weight, (state,), (new, (new,)))


optimizers.register("ccsgd")(SGD)
