"""How the estimators' network is optimized: the settings, and the solvers that they choose from by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from lamina.core.precision import Precision
from lamina.core.state import call_each_step
from lamina.nd.ndarray import NDArray
from lamina.optimizer.adam import adam_step, bias_correction
from lamina.optimizer.momentum import momentum_step, nesterov_step
from lamina.optimizer.muon import muon_step
from lamina.optimizer.optimizer import State, Stepped

__all__ = ["SOLVERS", "Optimization", "Solver"]


@dataclass(frozen=True)
class Optimization:
    """How the network is trained, by the names of the estimators' parameters (see `lamina.estimators._parameters`).

    The defaults are RealMLP-TD's for classification (arXiv 2407.04491). Both `weight_decay`, which is decoupled, and
    dropout follow `regularization_schedule`; `alpha` is a penalty ½·alpha·‖W‖² divided by the batch size as in
    scikit-learn. `n_iter_no_change`: epochs without improvement by `tol` before it stops (None: never). `shards`: into
    how many parts each batch is cut, which processes may share (None: not at all). `precision`: of a step's products.
    """

    max_iter: int = 256
    batch_size: int = 256
    learning_rate_init: float = 0.04
    learning_rate: str = "coslog4"
    beta_1: float = 0.9
    beta_2: float = 0.95
    epsilon: float = 1e-8
    weight_decay: float = 0.02
    alpha: float = 0.0
    regularization_schedule: str = "flat_cos"
    drop_last: bool = True
    n_iter_no_change: int | None = None
    tol: float = 0.0
    solver: str = "adam"
    momentum: float = 0.9
    nesterovs_momentum: bool = True
    shards: int | None = None
    precision: Precision = "float32"


@dataclass(frozen=True)
class Solver:
    """An optimizer that the estimators offer.

    `meaning` explains it in the estimators' documentation, `arrays` is the length of its state, and `step` makes its
    pure step: of the settings and of what counts the steps so far, a function (weight, gradient, state, rate=…).
    `matrix_step` likewise, where the matrices of hidden layers have a step of their own, for which they must be whole.
    """

    meaning: str
    arrays: int
    step: Callable[[Optimization, Callable[[], int]], Callable[..., Stepped]]
    matrix_step: Callable[[Optimization], Callable[..., Stepped]] | None = None


def _adam(plan: Optimization, steps: Callable[[], int]) -> Callable[..., Stepped]:
    betas = first, second = plan.beta_1, plan.beta_2
    correction = (
        call_each_step(lambda: bias_correction(first, steps())),
        call_each_step(lambda: bias_correction(second, steps())),
    )
    return partial(adam_step, betas=betas, epsilon=plan.epsilon, correction=correction)


def _sgd(plan: Optimization, _steps: Callable[[], int]) -> Callable[..., Stepped]:
    return partial(nesterov_step if plan.nesterovs_momentum else momentum_step, momentum=plan.momentum)


_MUON_MOMENTUM = 0.95
# Times the learning rate: Adam's steps are that much longer with the presets' short second moment.
_MUON_RATE = 2.0
_MUON_ROUNDS = 3  # measured to be no worse than five, in three fifths of the time


def _muon(_plan: Optimization) -> Callable[..., Stepped]:
    def step(w: NDArray, g: NDArray, state: State, *, rate: float) -> Stepped:
        first, second = state
        new, moments = muon_step(
            w, g, (first,), rate=rate * _MUON_RATE, momentum=_MUON_MOMENTUM, rounds=_MUON_ROUNDS
        )
        return new, (*moments, second)

    return step


SOLVERS = {
    "adam": Solver("Kingma and Ba, 2015", 2, _adam),
    "sgd": Solver("with momentum", 1, _sgd),
    "muon": Solver(
        "Jordan et al., 2024: for hidden layers' matrices, and Adam for the rest", 2, _adam, _muon
    ),
}
"""What the estimators' `solver` may be."""
