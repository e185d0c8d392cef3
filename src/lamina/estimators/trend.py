"""Wider limits of predictions if rows that are later than the training rows show that a trend goes on.

A regression's predictions are limited to the range of the training targets, so that a stray value in a row can't lead
to an absurd prediction. But a trend leaves this range as time goes on. If rows have a time, the validation rows are
later than the training rows, and show whether there is such a trend; docs/adr/dates.md has the measurements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lamina.estimators.data import Parts
from lamina.estimators.quantiles import pinball
from lamina.estimators.targets import Numbers

_TAIL = 0.02  # share of the training targets above, and below, the range that has to be too narrow
_LARGEST_RATIO = 0.9  # of the loss without limits to the loss within that range
_CENTRAL = 0.4  # maximum distance of a quantile's level from 0.5; others are near the limits anyway


def with_room_for_trends(
    target: Numbers, outputs: np.ndarray, train: Parts, held_out: Parts, levels: Sequence[float] = ()
) -> Numbers:
    """The target, with limits that are a whole range wider on each side if a trend goes on in the held-out rows.

    A trend goes on if, on these rows, the loss of predictions without limits is at most nine tenths of the loss of
    predictions limited to the middle 96 % of the training targets, and not greater than the loss of predictions limited
    to the full range of the training targets. Wider limits don't pass zero if no training target does.

    Args:
        target: the scale of the targets, or the quantiles.
        outputs: the outputs for the held-out rows, concatenated over the parts of `held_out`, (rows, outputs).
        train: each member's training rows.
        held_out: each member's later rows, or a single part for all.
        levels: for a quantile loss, its levels; the level nearest to 0.5 decides by its pinball loss, and without a
            level between 0.1 and 0.9 the limits stay. Otherwise the squared error decides.
    """
    level = min(levels, key=lambda one: abs(one - 0.5), default=None)
    if level is not None and abs(level - 0.5) > _CENTRAL:
        return target
    free, middle, full = (
        _loss_within(target, outputs, train, held_out, level, tail) for tail in (None, _TAIL, 0.0)
    )
    if not (free <= full and free <= _LARGEST_RATIO * middle):
        return target
    span = target.high - target.low
    low = np.where(target.low >= 0, np.maximum(target.low - span, 0), target.low - span)
    high = np.where(target.high <= 0, np.minimum(target.high + span, 0), target.high + span)
    return replace(target, low=low, high=high)


def _loss_within(
    target: Numbers, outputs: np.ndarray, train: Parts, later: Parts, level: float | None, tail: float | None
) -> float:
    """The mean loss of predictions on the later rows, if limited to quantiles of the member's training targets.

    The quantiles are at `tail` and 1 - `tail`; None: predictions have no limits. Targets are divided by their scale.
    """
    begin, sums, total = 0, 0.0, 0.0
    for seen, new in zip(train, later, strict=False):
        known, wanted = (
            target.decode(part.target[part.chosen()]).reshape(len(part), -1) for part in (seen, new)
        )
        ends = (-np.inf, np.inf) if tail is None else np.quantile(known, [tail, 1 - tail], axis=0)
        low, high = (np.broadcast_to(x, target.low.shape) for x in ends)
        found = replace(target, low=low, high=high).predictions(outputs[begin : begin + len(new)])
        if target.levels:
            found = found[:, [target.levels.index(level)]]
        found, scale = found.reshape(wanted.shape), target.scale[: wanted.shape[1]]
        if level is None:
            losses = np.square((found - wanted) / scale).mean(axis=1)
        else:
            losses = pinball(wanted[:, 0], found, [level]) / scale[0]
        weights = np.ones(len(new)) if new.weights is None else new.weights[new.chosen()]
        begin, sums, total = begin + len(new), sums + float(weights @ losses), total + float(weights.sum())
    return sums / total
