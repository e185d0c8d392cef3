"""`partial_fit`: each call trains for an epoch; the first call determines the network and the encoding."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from lamina.compiler.deferral import eager
from lamina.estimators._sharded import training_of
from lamina.estimators.base import encoder_of
from lamina.estimators.data import Data
from lamina.estimators.inputs import check_inputs, with_weight
from lamina.estimators.presets import fewest_members
from lamina.estimators.settings import Settings
from lamina.estimators.training import EnsembleTraining
from lamina.table.kinds import infer


@eager()
def partial_fit(estimator: Any, X: Any, y: Any, classes: Any, sample_weight: Any) -> Any:
    """Train the estimator for an epoch; the optimizer's moments persist between calls."""
    estimator._require_target_given(y)
    if (search := estimator._search(None)) is not None:
        search.refuse("partial_fit")
    resolved = estimator._resolved()
    settings = resolved.replace(
        max_iter=1, n_iter_no_change=None, learning_rate="constant", regularization_schedule="constant"
    )
    estimator._require_held_out(())
    members = int(settings.members or fewest_members(estimator.preset))
    first = not hasattr(estimator, "fitted_")
    X, y = check_inputs(estimator, X, y, reset=first)  # pyright: ignore[reportConstantRedefinition]
    random = check_random_state(estimator.random_state)
    rng = np.random.default_rng(random.randint(2**31))
    X, y, weights = with_weight(X, estimator._checked_target(y), sample_weight)  # pyright: ignore[reportConstantRedefinition]
    if first:
        known = y if classes is None else estimator._checked_target(np.unique(classes))
        target = estimator._target_of(known, weights if classes is None else None, known)
        schema = infer(X, kinds=estimator.column_kinds, dates=estimator.date_format)
        encoder = encoder_of(schema, settings).fit(X)
    else:
        encoder, target = estimator.fitted_.encoder, estimator.fitted_.target
        if classes is not None and not np.array_equal(np.unique(classes), target.values):
            raise ValueError(
                f"`classes={list(classes)}` is not the same as on last call to partial_fit, was: {target.values!r}"
            )
        target = estimator._completed(target, y)
    encoded = encoder.transform(X)
    data = Data(encoded.numeric, encoded.codes, target.encode(y), estimator._weights(weights, y))
    if first:
        estimator._begin(encoder, target, [data] * members, settings, rng, complete=False)
        estimator._after_fit = False
    elif (
        estimator.learning_rate_init is None
        and resolved.learning_rate != "constant"
        and _is_after_fit(estimator)
    ):
        settings = settings.replace(learning_rate_init=_RATE_AFTER_FIT * settings.learning_rate_init)
    # These rows may include rows that an earlier fit held out.
    estimator.fitted_ = replace(estimator.fitted_, target=target, held_out=None)
    for epoch in _training_on(estimator, data, settings, rng, random).run(epochs=1):
        estimator._note(epoch, len(data))
    return estimator


_RATE_AFTER_FIT = 0.1
"""The share of the learning rate for a network that `fit` trained with a schedule, at whose end the rate was near 0.

Steps of the whole rate, before Adam's moments are known, would undo what `fit` learned.
"""


def _is_after_fit(estimator: Any) -> bool:
    """Whether `fit` trained the network before `partial_fit`; noted at the first call after it, and pickled."""
    if not hasattr(estimator, "_after_fit"):
        training = getattr(estimator, "_training", None)
        begun = hasattr(estimator, "_position") or (
            training and training.network is estimator.fitted_.network
        )
        estimator._after_fit = not begun
    return estimator._after_fit


def _training_on(
    estimator: Any, data: Data, settings: Settings, rng: np.random.Generator, random: np.random.RandomState
) -> EnsembleTraining:
    """The training of earlier calls, or else a new training, with `data` as its rows."""
    network, target = estimator.fitted_.network, estimator.fitted_.target
    training = getattr(estimator, "_training", None)
    parts = [data] * len(network.members)
    if training is None or training.network is not network:  # a later fit has replaced the network
        loss = estimator._loss_function(settings, target)
        seed = int(random.randint(2**31))
        training = estimator._training = training_of(network, loss, settings, rng, parts, seed=seed, n_jobs=1)
        if "_position" in vars(estimator):  # the training's state, from the estimator's pickle
            arrays, position = estimator.__dict__.pop("_position")
            training.restore({**training.own_state()[0], **arrays}, position)
    training.data = parts
    return training
