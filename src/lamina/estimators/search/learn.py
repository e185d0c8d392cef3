"""Fitting an estimator with the result of a search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.estimators.fitted import FittedModel
from lamina.estimators.search.average import Best
from lamina.estimators.search.training import Shared
from lamina.estimators.search.trial import Trial
from lamina.support import messages

__all__ = ["learn"]


def learn(estimator: Any, shared: Shared, best: Best, trials: Sequence[Trial], device: str) -> None:
    """Put the best average into the estimator; training facts are the best trial's.

    Args:
        estimator: the user's.
        shared: the common data.
        best: the best average.
        trials: all trials.
        device: the device of the training.
    """
    if best.score is None:
        messages.warn(
            UserWarning(
                "the time was over before an epoch of the first network was complete, so that it has hardly "
                f"learned anything; give more than time_limit={estimator.time_limit!r}"
            )
        )
    target = estimator._decide(shared.target, best.outputs(), shared.y, shared.weights)
    estimator.fitted_ = FittedModel(shared.encoder, best.network(), target, best.held_out(shared))
    vars(estimator).pop("_position", None)
    main = max(best.trials, key=lambda trial: trial.score)
    main = next((trial for trial in trials if trial.number == main.number), main)
    estimator.loss_curve_ = list(main.losses)
    estimator.loss_ = main.losses[-1] if main.losses else float("nan")
    estimator.validation_scores_ = list(main.scores)
    estimator.best_validation_score_ = best.score
    estimator.best_epoch_, estimator.best_loss_ = main.best_epoch, None
    estimator.n_iter_ = len(main.losses)
    estimator.t_ = len(main.losses) * main.settings["rows"]
    estimator.device_ = device
    shares = best.by_number()
    estimator.trials_ = [
        {
            "number": trial.number,
            "settings": dict(trial.settings),
            "score": trial.score,
            "seconds": trial.seconds,
            "epochs": len(trial.losses),
            "complete": trial.complete,
            "share": shares.get(trial.number, 0.0),
        }
        for trial in trials
    ]
    estimator._keep_held_out(shared.held_out)
