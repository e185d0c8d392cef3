"""Gradient descent with or without momentum, as SGD, NAG and Signum."""

from __future__ import annotations

from functools import partial
from typing import Any

from lamina.nd.elementwise import sign
from lamina.nd.ndarray import NDArray
from lamina.optimizer.optimizer import Optimizer, State, Stepped, optimizers, write
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
