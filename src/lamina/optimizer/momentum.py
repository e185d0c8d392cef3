"""Gradient descent with or without momentum, as SGD, NAG and Signum, and its relatives LARS, SGLD and DCASGD."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from lamina.nd import NDArray, maximum, sign, sqrt, sum, where
from lamina.nd.random import normal
from lamina.optimizer.optimizer import Optimizer, State, Stepped, arrays_in, optimizers, write
from lamina.support.argument_checks import check_numbers


class _Momentum(Optimizer):
    """A base class of optimizers whose state is a velocity, or None if `momentum` is 0."""

    def __init__(self, momentum: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_numbers(momentum=momentum)
        self.momentum = momentum

    def create_state(self, index: int, weight: NDArray) -> NDArray | None:
        """The initial velocity, an array of zeros, or None if `momentum` is 0."""
        return self._moments(weight, 1)[0] if self.momentum else None


def sgd_step(w: NDArray, g: NDArray, state: State = (), *, rate: float) -> Stepped:
    """Gradient descent without state, w = w - rate·g (for random samples: Robbins and Monro, 1951).

    >>> from lamina import nd
    >>> w, _ = sgd_step(nd.array([1.0]), nd.array([1.0]), rate=0.5)
    >>> w.asnumpy()
    array([0.5], dtype=float32)
    """
    return w - rate * g, ()


def momentum_step(w: NDArray, g: NDArray, state: State, *, rate: float, momentum: float) -> Stepped:
    """Gradient descent with momentum (Polyak, 1964), with the state (v,).

    v = momentum·v - rate·g; w = w + v.
    """
    (v,) = state
    v = momentum * v - rate * g
    return w + v, (v,)


@optimizers.register("sgd")
class SGD(_Momentum):
    """Stochastic gradient descent, which applies `sgd_step`, or `momentum_step` if `momentum` is not 0.

    g = clip(rescale_grad·∇) + wd·w. `lazy_update`, for MXNet's sparse gradients, has no effect.

    >>> from lamina import nd
    >>> w = nd.array([1.0])
    >>> SGD(learning_rate=0.5).update(0, w, nd.array([1.0]), None)
    >>> w.asnumpy()
    array([0.5], dtype=float32)
    """

    def __init__(self, momentum: float = 0.0, lazy_update: bool = True, **kwargs: Any) -> None:
        super().__init__(momentum, **kwargs)

    def update(self, index: int, weight: NDArray, grad: NDArray, state: NDArray | None) -> None:
        rate = self._step_size(index)
        if state is not None:
            g, velocity = self._prepared(index, weight, grad), (state,)
            write(weight, velocity, momentum_step(weight, g, velocity, rate=rate, momentum=self.momentum))
        elif self.clip_gradient is None and self._get_wd(index) == 0.0:
            write(weight, (), sgd_step(weight, grad, rate=rate * self.rescale_grad))
        else:
            write(weight, (), sgd_step(weight, self._prepared(index, weight, grad), rate=rate))


def nesterov_step(
    w: NDArray, g: NDArray, state: State, *, rate: float, momentum: float, decay: float = 0.0
) -> Stepped:
    """Nesterov's accelerated gradient (Sutskever, Martens, Dahl and Hinton, 2013), with the state (v,).

    u = momentum·v - rate·(g + decay·w);  w = w + momentum·u - rate·(g + decay·w);  v = u, with decay·w of the new w.

    w is the paper's look-ahead point, at which the gradient g is computed (Bengio et al., 2013). That the velocity
    decays the new weight is MXNet's order of computation.
    """
    (v,) = state
    slowed = momentum * v
    if not decay:
        step = rate * g
        v = slowed - step
        return w + (momentum * v - step), (v,)
    step = rate * (g + decay * w)
    new = w + (momentum * (slowed - step) - step)
    return new, (slowed - rate * (g + decay * new),)


@optimizers.register("nag")
class NAG(_Momentum):
    """Nesterov's accelerated gradient, which applies `nesterov_step` with g = clip(rescale_grad·∇) and the decay wd.

    With ``momentum=0``, the default as in MXNet 1.x, this is plain gradient descent with g + wd·w.
    """

    def update(self, index: int, weight: NDArray, grad: NDArray, state: NDArray | None) -> None:
        rate = self._step_size(index)
        if state is None:
            write(weight, (), sgd_step(weight, self._prepared(index, weight, grad), rate=rate))
        else:
            settings = {"rate": rate, "momentum": self.momentum, "decay": self._get_wd(index)}
            write(weight, (state,), nesterov_step(weight, self._rescaled(grad), (state,), **settings))


def signsgd_step(w: NDArray, g: NDArray, state: State = (), *, rate: float, decay: float = 0.0) -> Stepped:
    """signSGD, w = (1 - rate·decay)·w - rate·sign(g), with steps of constant size (Bernstein et al., 2018)."""
    return (1.0 - rate * decay) * w - rate * sign(g), ()


def signum_step(
    w: NDArray, g: NDArray, state: State, *, rate: float, momentum: float, decay: float = 0.0
) -> Stepped:
    """Signum, signSGD with the averaged gradient (Bernstein et al., 2018), with the state (v,).

    v = momentum·v - (1 - momentum)·g;  w = (1 - rate·decay)·w + rate·sign(v).
    """
    (v,) = state
    v = momentum * v - (1.0 - momentum) * g
    return (1.0 - rate * decay) * w + rate * sign(v), (v,)


@optimizers.register("signum", "signsgd")
class Signum(_Momentum):
    """Signum, with steps of constant size, which applies `signum_step` with decay `wd_lh`.

    g = clip(rescale_grad·∇) + wd·w. With ``momentum=0`` the step is `signsgd_step` with decay wd + wd_lh and g =
    clip(rescale_grad·∇).

    Args:
        wd_lh: decoupled weight decay (Loshchilov and Hutter, 2019).
    """

    default_learning_rate = 0.01

    def __init__(
        self, learning_rate: float | None = None, momentum: float = 0.9, wd_lh: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(momentum, learning_rate=learning_rate, **kwargs)
        check_numbers(wd_lh=wd_lh)
        self.wd_lh = wd_lh

    def update(self, index: int, weight: NDArray, grad: NDArray, state: NDArray | None) -> None:
        rate = self._step_size(index)
        if state is None:
            decay = self._get_wd(index) + self.wd_lh
            write(weight, (), signsgd_step(weight, self._rescaled(grad), rate=rate, decay=decay))
        else:
            g, velocity = self._prepared(index, weight, grad), (state,)
            step = partial(signum_step, momentum=self.momentum, decay=self.wd_lh)
            write(weight, velocity, step(weight, g, velocity, rate=rate))


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
        root = self._each_step(index, lambda _: math.sqrt(self._rate(index)))
        write(weight, (), (weight - (0.5 * rate) * g + root * noise, ()))


def dcasgd_step(
    w: NDArray, g: NDArray, state: State, *, rate: float, lamda: float, decay: float, momentum: float = 0.0
) -> Stepped:
    """SGD compensated for a delayed gradient (Zheng et al., 2017), with the state (previous,) or (v, previous).

    v = momentum·v - rate·(g + decay·w + λ·g²·(w - previous));  w = w + v. `previous` is the weight before the previous
    step.
    """
    *velocity, previous = state
    moved = -rate * (g + decay * w + lamda * (g * g) * (w - previous))
    moved = momentum * velocity[0] + moved if velocity else moved
    return w + moved, (*[moved for _ in velocity], w + 0.0)


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
        rate, decay = self._step_size(index), self._get_wd(index)
        arrays: State = tuple(arrays_in(state))
        settings = {"rate": rate, "lamda": self.lamda, "decay": decay, "momentum": self.momentum}
        write(weight, arrays, dcasgd_step(weight, self._rescaled(grad), arrays, **settings))


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
