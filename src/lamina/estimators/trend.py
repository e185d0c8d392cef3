"""Wider limits of predictions if rows that are later than the training rows show that a trend goes on.

A regression's predictions are limited to the range of the training targets, so that a stray value in a row can't lead
to an absurd prediction. But a trend leaves this range as time goes on. If rows have a time, the validation rows are
later than the training rows, and show whether there is such a trend; docs/adr/dates.md has the measurements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lamina.estimators._outputs import own_outputs
from lamina.estimators.data import Data
from lamina.estimators.fitted import FittedModel
from lamina.estimators.targets import Numbers

_TAIL = 0.02  # share of the training targets above, and below, the range that has to be too narrow
_LARGEST_RATIO = 0.9  # of the loss without limits to the loss within that range


def with_room_for_trends(
    fitted: FittedModel[Any], train: Sequence[Data], held_out: Sequence[Data]
) -> FittedModel[Any]:
    """The model, with limits that are a whole range wider on each side if a trend goes on in the held-out rows.

    A trend goes on if, on these rows, the loss of predictions without limits is at most nine tenths of the loss of
    predictions limited to the middle 96 % of the training targets, and not greater than the loss of predictions limited
    to the full range of the training targets. Wider limits don't pass zero if no training target does.

    Args:
        fitted: the trained model; classifiers and quantiles stay as they are.
        train: each member's training rows.
        held_out: each member's later rows, or a single part for all.
    """
    target = fitted.target
    if not isinstance(target, Numbers) or target.levels:
        return fitted
    free, middle, full = (_loss_within(fitted, train, held_out, tail) for tail in (None, _TAIL, 0.0))
    if not (free <= full and free <= _LARGEST_RATIO * middle):
        return fitted
    span = target.high - target.low
    low = np.where(target.low >= 0, np.maximum(target.low - span, 0), target.low - span)
    high = np.where(target.high <= 0, np.minimum(target.high + span, 0), target.high + span)
    return replace(fitted, target=replace(target, low=low, high=high))


def _loss_within(
    fitted: FittedModel[Numbers], train: Sequence[Data], held_out: Sequence[Data], tail: float | None
) -> float:
    """The predictions' mean squared error on held-out rows, if limited to quantiles of the member's training targets.

    The quantiles are at `tail` and 1 - `tail`; None: predictions have no limits. Targets are divided by their scale.
    """
    target, begin, sums, total = fitted.target, 0, 0.0, 0.0
    outputs = own_outputs(fitted.network, held_out)
    for seen, later in zip(train, held_out, strict=False):
        known, wanted = (
            target.decode(part.target[part.chosen()]).reshape(len(part), -1) for part in (seen, later)
        )
        low, high = (-np.inf, np.inf) if tail is None else np.quantile(known, [tail, 1 - tail], axis=0)
        limited = replace(
            target, low=np.broadcast_to(low, target.low.shape), high=np.broadcast_to(high, target.low.shape)
        )
        found = limited.predictions(outputs[begin : begin + len(later)]).reshape(wanted.shape)
        squares = np.square((found - wanted) / target.scale).mean(axis=1)
        weights = np.ones(len(later)) if later.weights is None else later.weights[later.chosen()]
        begin, sums, total = begin + len(later), sums + float(weights @ squares), total + float(weights.sum())
    return sums / total
