"""Optimizers that follow the gradient, with or without momentum: SGD, NAG, Signum."""

from __future__ import annotations

from typing import Any

from lamina.nd.elementwise import sign
from lamina.nd.ndarray import NDArray
from lamina.optimizer.optimizer import Optimizer, optimizers

__all__ = ["NAG", "SGD", "Signum"]


class _Momentum(Optimizer):
    """Keeps a velocity for each parameter, unless `momentum` is 0."""

    def __init__(self, momentum: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.momentum = momentum

    def create_state(self, index: int, weight: NDArray) -> NDArray | None:
        """The velocity, zeros at first; None without momentum."""
        return self._moments(weight, 1)[0] if self.momentum else None

    def _descend(self, weight: NDArray, step_size: float, grad: NDArray) -> None:
        weight[:] = weight - step_size * grad


@optimizers.register("sgd")
class SGD(_Momentum):
    """Stochastic gradient descent, perhaps with momentum (Polyak, 1964).

    g = clip(rescale_grad·∇) + wd·w;  v = momentum·v - lr·g;  w = w + v.  `lazy_update` is for sparse gradients, which
    do not exist here.

    >>> from lamina import nd
    >>> w = nd.array([1.0])
    >>> SGD(learning_rate=0.5).update(0, w, nd.array([1.0]), None)
    >>> w.asnumpy()
    array([0.5], dtype=float32)
    """

    def __init__(self, momentum: float = 0.0, lazy_update: bool = True, **kwargs: Any) -> None:
        super().__init__(momentum, **kwargs)

    def update(self, index: int, weight: NDArray, grad: NDArray, state: NDArray | None) -> None:
        """One step."""
        step_size = self._step_size(index)
        if state is not None:
            state[:] = self.momentum * state - step_size * self._prepared(index, weight, grad)
            weight[:] = weight + state
        elif self.clip_gradient is None and self._get_wd(index) == 0.0:
            self._descend(weight, step_size * self.rescale_grad, grad)
        else:
            self._descend(weight, step_size, self._prepared(index, weight, grad))


@optimizers.register("nag")
class NAG(_Momentum):
    """Nesterov's accelerated gradient (Sutskever, Martens, Dahl and Hinton, 2013), in the form used by MXNet.

    g = clip(rescale_grad·∇) + wd·w;  v = momentum·v - lr·g;  w = w + momentum·v - lr·g.  Without `momentum`,
    which is 0 by default as in MXNet 1.x, this is plain gradient descent.
    """

    def update(self, index: int, weight: NDArray, grad: NDArray, state: NDArray | None) -> None:
        """One step."""
        step = self._step_size(index) * self._prepared(index, weight, grad)
        if state is None:
            weight[:] = weight - step
            return
        state[:] = self.momentum * state - step
        weight[:] = weight + (self.momentum * state - step)


@optimizers.register("signum", "signsgd")
class Signum(_Momentum):
    """Steps of one size along the sign of the averaged gradient (Bernstein et al., signSGD, 2018).

    g = clip(rescale_grad·∇) + wd·w;  v = momentum·v - (1 - momentum)·g;  w = (1 - lr·wd_lh)·w + lr·sign(v).  Without
    momentum: w = (1 - lr·(wd + wd_lh))·w - lr·sign(g), the decay `wd` outside the sign.

    Args:
        wd_lh: weight decay that acts on the weight and not through the gradient (Loshchilov and Hutter, 2019).
    """

    def __init__(
        self,
        learning_rate: float | None = None,
        momentum: float = 0.9,
        wd_lh: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(momentum, learning_rate=learning_rate, **kwargs)
        self.wd_lh = wd_lh

    def update(self, index: int, weight: NDArray, grad: NDArray, state: NDArray | None) -> None:
        """One step."""
        step_size = self._step_size(index)
        if state is None:
            kept = 1.0 - step_size * (self._get_wd(index) + self.wd_lh)
            weight[:] = kept * weight - step_size * sign(self._rescaled(grad))
            return
        prepared = self._prepared(index, weight, grad)
        state[:] = self.momentum * state - (1.0 - self.momentum) * prepared
        weight[:] = (1.0 - step_size * self.wd_lh) * weight + step_size * sign(state)
