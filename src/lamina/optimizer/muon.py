"""Muon, with orthogonalized momentum for matrices and Adam for all other parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

from lamina.errors import ParameterError
from lamina.nd import NDArray, dot, maximum, sqrt, sum
from lamina.optimizer._settings import check_counts, check_momenta, check_shares
from lamina.optimizer.adam import adamw_step, bias_correction
from lamina.optimizer.optimizer import Optimizer, State, Stepped, optimizers, write
from lamina.support.argument_checks import check_numbers

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Jordan's coefficients, with which five rounds map singular values in [0.01, 1] to about [0.7, 1.2], not to 1."""
_SMALLEST_NORM = 1e-7
_OF_ADAM = 0.2
"""The typical RMS of an Adam step, divided by the learning rate (Liu et al., 2025)."""


def orthogonalized(x: NDArray, rounds: int = 5) -> NDArray:
    """An approximation of UVᵀ by Newton–Schulz iteration, where x = USVᵀ is the singular value decomposition.

    x ← x/‖x‖; then, `rounds` times, x ← ax + (bA + cA²)x with A = xxᵀ (Jordan et al., 2024). A matrix of zeros gives
    zeros. Matrices with more rows than columns are transposed first, which makes A smaller.
    """
    rows, columns = x.shape
    if rows > columns:
        return orthogonalized(x.T, rounds).T
    a, b, c = _COEFFICIENTS
    x = x / maximum(sqrt(sum(x * x)).reshape((1, 1)), _SMALLEST_NORM)
    for _ in range(rounds):
        gram = dot(x, x, transpose_b=True)
        x = a * x + dot(b * gram + c * dot(gram, gram), x)
    return x


def muon_step(
    w: NDArray,
    g: NDArray,
    state: State,
    *,
    rate: float,
    momentum: float,
    decay: float = 0.0,
    nesterov: bool = True,
    rounds: int = 5,
) -> Stepped:
    """Muon for a matrix (Jordan et al., 2024), with steps scaled to Adam's RMS (Liu et al., 2025).

    m = μm + (1-μ)g;  u = μm + (1-μ)g, or u = m without `nesterov`;
    w = (1 - decay)·w - rate·0.2·√max(rows, columns)·O(u), where O is `orthogonalized`.

    The state is (m,), and `decay` includes the learning rate.
    """
    (m,) = state
    m = momentum * m + (1.0 - momentum) * g
    u = momentum * m + (1.0 - momentum) * g if nesterov else m
    length = rate * (_OF_ADAM * math.sqrt(max(w.shape)))
    return (1.0 - decay) * w - length * orthogonalized(u, rounds), (m,)


@optimizers.register("muon")
class Muon(Optimizer):
    """Muon for the matrices of hidden layers, and Adam with decoupled weight decay for all other parameters.

    The update of a matrix is its momentum with all singular values set to about 1; rare directions change as much as
    common directions (Jordan et al., Muon: An optimizer for hidden layers in neural networks, 2024). Steps are scaled
    to the root mean square of Adam's steps (Liu et al., Muon is scalable for LLM training, 2025, arXiv 2502.16982).
    Therefore all parameters can share a learning rate and a weight decay, and good values for AdamW are good for Muon,
    too. The gradient of a step is g = clip(rescale_grad·∇).

    With a `Trainer`, Adam updates the matrices of the first and last layer, as Jordan advises. Without a trainer, Muon
    updates all matrices.

    Args:
        momentum: Muon's μ.
        nesterov: whether to use Nesterov's momentum.
        rounds: the number of Newton–Schulz iterations, each with three matrix products. For an n × n matrix and a batch
            of n rows, five iterations take five times the operations of the layer's forward and backward pass.
        beta1, beta2, epsilon: Adam's settings.
        adam_for: the names or indices of matrices that Adam updates; None selects the first and the last.

    >>> from lamina import nd
    >>> w, muon = nd.zeros((2, 2)), Muon(learning_rate=1.0)
    >>> muon.update(0, w, nd.array([[3.0, 0.0], [0.0, -1.0]]), muon.create_state(0, w))
    >>> (w / (0.2 * 2**0.5)).asnumpy().round(1)  # not in the proportion 3 : 1
    array([[-0.8,  0. ],
           [ 0. ,  1.1]], dtype=float32)
    """

    default_learning_rate = 0.001

    def __init__(
        self,
        learning_rate: float | None = None,
        momentum: float = 0.95,
        nesterov: bool = True,
        rounds: int = 5,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        adam_for: Collection[int | str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        check_momenta(beta1=beta1)
        check_shares(momentum=momentum, beta2=beta2)
        check_numbers(epsilon=epsilon)
        check_counts(rounds=rounds)
        if isinstance(adam_for, str):
            raise ParameterError(
                f"adam_for must be a list of names or indices, such as [{adam_for!r}], not a single one"
            )
        self.momentum, self.nesterov, self.rounds = momentum, nesterov, rounds
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self.adam_for = None if adam_for is None else frozenset(adam_for)

    def create_state(self, index: int, weight: NDArray) -> State:
        """The initial state of zeros, (m,) for a matrix that Muon updates, else Adam's (m, v)."""
        return self._moments(weight, 1 if self._is_hidden(index, weight) else 2)

    def update(self, index: int, weight: NDArray, grad: NDArray, state: State) -> None:
        rate = self._step_size(index)
        g, decay = self._rescaled(grad), rate * self._get_wd(index)
        step = self._muon_step() if len(state) == 1 else self._adam_step(index)
        write(weight, state, step(weight, g, state, rate=rate, decay=decay))

    def _muon_step(self) -> Callable[..., Stepped]:
        return partial(muon_step, momentum=self.momentum, nesterov=self.nesterov, rounds=self.rounds)

    def _adam_step(self, index: int) -> Callable[..., Stepped]:
        betas = self.beta1, self.beta2
        first, second = (self._each_step(index, partial(bias_correction, beta)) for beta in betas)
        return partial(adamw_step, betas=betas, epsilon=self.epsilon, correction=(first, second))

    def _is_hidden(self, index: int, weight: NDArray) -> bool:
        """Whether Muon, not Adam, updates the parameter."""
        if len(weight.shape) != 2:
            return False
        if self.adam_for is not None:
            return self.adam_for.isdisjoint({index, self._names().get(index, index)})
        matrices = [i for i, one in self.param_dict.items() if len(one.shape or ()) == 2]
        return index not in matrices or index not in (matrices[0], matrices[-1])

    def _names(self) -> dict[int, str]:
        """The parameters' names by index; raises an error if `adam_for` has an unknown name or index."""
        names = {**{i: one.name for i, one in self.param_dict.items()}, **self.idx2name}
        for asked in self.adam_for or ():
            if asked not in (names.values() if isinstance(asked, str) else names or (asked,)):
                known = ", ".join(f"{i}: {name}" for i, name in names.items()) or "unnamed"
                raise ParameterError(f"Muon's adam_for has {asked!r}, but the parameters are {known}")
        return names
