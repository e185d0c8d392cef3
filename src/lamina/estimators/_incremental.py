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
    settings = estimator._resolved().replace(
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
    # These rows may include rows that an earlier fit held out.
    estimator.fitted_ = replace(estimator.fitted_, target=target, held_out=None)
    for epoch in _training_on(estimator, data, settings, rng, random).run(epochs=1):
        estimator._note(epoch, len(data))
    return estimator


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
