"""The solvers available by name in the estimators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from lamina.nd.ndarray import NDArray
from lamina.optimizer.adam import adam_step, corrections
from lamina.optimizer.momentum import momentum_step, nesterov_step
from lamina.optimizer.muon import muon_step
from lamina.optimizer.optimizer import State, Stepped

if TYPE_CHECKING:
    from lamina.estimators.settings import Settings


@dataclass(frozen=True)
class Solver:
    """An optimizer that the estimators offer.

    `meaning` is the description in the documentation, and `arrays` the number of state arrays per parameter. `step`
    takes the settings, and a function that returns the current step's number. It returns a pure function (weight,
    gradient, state, rate=…) that computes an update. `matrix_step`, if not None, replaces `step` for the whole matrices
    of hidden layers.
    """

    meaning: str
    arrays: int
    step: Callable[[Settings, Callable[[], int]], Callable[..., Stepped]]
    matrix_step: Callable[[Settings], Callable[..., Stepped]] | None = None


def _adam(settings: Settings, steps: Callable[[], int]) -> Callable[..., Stepped]:
    betas = settings.beta_1, settings.beta_2
    return partial(adam_step, betas=betas, epsilon=settings.epsilon, correction=corrections(betas, steps))


def _sgd(settings: Settings, _steps: Callable[[], int]) -> Callable[..., Stepped]:
    step = nesterov_step if settings.nesterovs_momentum else momentum_step
    return partial(step, momentum=settings.momentum)


_MUON_MOMENTUM = 0.95
# Muon's factor on the learning rate, since Adam's steps are twice as long with the presets' small beta_2.
_MUON_RATE = 2.0
_MUON_ROUNDS = 3  # no worse than 5 in measurements, in three fifths of the time


def _muon(_settings: Settings) -> Callable[..., Stepped]:
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
"""The options for the estimators' `solver`."""
