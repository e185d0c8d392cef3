"""`partial_fit`: one epoch at a time, with a network and an encoding that the first call fixes."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from lamina.estimators.engine import Data, Trainer
from lamina.estimators.presets import FEWEST_MEMBERS

__all__ = ["partial_fit"]


def partial_fit(estimator: Any, X: Any, y: Any, classes: Any, sample_weight: Any) -> Any:
    """Train one epoch; the optimizer's moments go on from call to call."""
    settings = {
        **estimator._resolved(),
        "max_iter": 1,
        "n_iter_no_change": None,
        "learning_rate": "constant",
        "regularization_schedule": "constant",
    }
    members = int(settings["members"] or FEWEST_MEMBERS[estimator.preset])
    first = not hasattr(estimator, "_network")
    X, y = estimator._checked(X, y, reset=first)  # pyright: ignore[reportConstantRedefinition]
    rng = np.random.default_rng(check_random_state(estimator.random_state).randint(2**31))
    if first:
        estimator._encode_target(np.unique(classes) if classes is not None else y, first=True)
        estimator._fit_encoder(X, np.arange(len(y)), settings)
    elif classes is not None and not np.array_equal(np.unique(classes), estimator.classes_):
        raise ValueError(
            f"`classes={list(classes)}` is not the same as on last call to partial_fit, was: {estimator.classes_!r}"
        )
    target = estimator._encode_target(y, first=False)
    encoded = estimator._encoder.transform(X)
    data = Data(encoded.numeric, encoded.codes, target, estimator._weights(sample_weight, y, X))
    if first:
        estimator._build([data] * members, settings, rng)
    trainer = getattr(estimator, "_trainer", None)
    if (
        trainer is None or trainer.network is not estimator._network
    ):  # a fit since then has made another network
        plan = estimator._optimization(settings)
        estimator._trainer = Trainer(estimator._network, estimator._loss_function(settings), plan, rng)
    for epoch in estimator._trainer.run([data] * len(estimator._network.members), epochs=1):
        estimator._note(epoch, len(data))
    return estimator
