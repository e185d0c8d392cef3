"""How the estimators' network is optimized: the settings, and the solvers that they choose from by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from lamina.core.state import call_each_step
from lamina.optimizer.adam import adam_step, bias_correction
from lamina.optimizer.momentum import momentum_step, nesterov_step
from lamina.optimizer.optimizer import Stepped

__all__ = ["SOLVERS", "Optimization", "Solver"]


@dataclass(frozen=True)
class Optimization:
    """How the network is trained; the defaults are RealMLP-TD's for classification (arXiv 2407.04491).

    `rate` and `schedule` give the learning rate; `decay` is decoupled weight decay, `l2` a penalty ½·l2·‖W‖² divided
    by the batch size as in scikit-learn; both `decay` and dropout follow `regularization_schedule`. `patience`:
    epochs without improvement by `tolerance` before it stops (None: never).
    """

    epochs: int = 256
    batch_size: int = 256
    rate: float = 0.04
    schedule: str = "coslog4"
    betas: tuple[float, float] = (0.9, 0.95)
    epsilon: float = 1e-8
    decay: float = 0.02
    l2: float = 0.0
    regularization_schedule: str = "flat_cos"
    drop_last: bool = True
    patience: int | None = None
    tolerance: float = 0.0
    solver: str = "adam"
    momentum: float = 0.9
    nesterov: bool = True


@dataclass(frozen=True)
class Solver:
    """An optimizer that the estimators offer.

    `meaning` explains it in the estimators' documentation, `arrays` is the length of its state, and `step` makes its
    pure step: of the settings and of what counts the steps so far, a function (weight, gradient, state, rate=…).
    """

    meaning: str
    arrays: int
    step: Callable[[Optimization, Callable[[], int]], Callable[..., Stepped]]


def _adam(plan: Optimization, steps: Callable[[], int]) -> Callable[..., Stepped]:
    first, second = plan.betas
    correction = (
        call_each_step(lambda: bias_correction(first, steps())),
        call_each_step(lambda: bias_correction(second, steps())),
    )
    return partial(adam_step, betas=plan.betas, epsilon=plan.epsilon, correction=correction)


def _sgd(plan: Optimization, _steps: Callable[[], int]) -> Callable[..., Stepped]:
    return partial(nesterov_step if plan.nesterov else momentum_step, momentum=plan.momentum)


SOLVERS = {
    "adam": Solver("Kingma and Ba, 2015", 2, _adam),
    "sgd": Solver("with momentum", 1, _sgd),
}
"""What the estimators' `solver` may be."""
