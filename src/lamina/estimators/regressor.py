"""`MLPRegressor`: RealMLP with scikit-learn's interface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, overload

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import d2_pinball_score, r2_score

from lamina import nd
from lamina.compiler.deferral import by_numpy, eager
from lamina.estimators import _losses as losses
from lamina.estimators._incremental import partial_fit
from lamina.estimators.base import BaseMLP
from lamina.estimators.conformal import checked_coverage, interval_of, members_spread, require_held_out
from lamina.estimators.data import Parts
from lamina.estimators.declaring import documented
from lamina.estimators.fitted import FittedModel, members_outputs
from lamina.estimators.inputs import require_target
from lamina.estimators.scoring import PredictedNumbers, is_scorer, scorer_score
from lamina.estimators.settings import RegressorSettings, Settings
from lamina.estimators.targets import Numbers, Quantiles, checked_levels, pinball
from lamina.support.argument_checks import answering
from lamina.support.foreign_names import ESTIMATORS_ARGUMENTS, telling

_NUMBERS_OF = {
    "M": "dates; a regression needs a numeric target, such as the days since one of the dates",
    "m": "durations; a regression needs a numeric target, such as the duration in seconds",
}
"""Error texts for non-numeric dtypes that NumPy would silently convert to numbers, by dtype kind."""


@telling
@documented
@answering(ESTIMATORS_ARGUMENTS)
@dataclass(eq=False, repr=False, kw_only=True)
class MLPRegressor(RegressorMixin, RegressorSettings, BaseMLP):
    """A multilayer perceptron for regression; a drop-in for `sklearn.neural_network.MLPRegressor`.

    A parameter that is None has the `preset`'s value. `X` has the same types as for `MLPClassifier`; `y` has one
    number per row (1-D), or several (2-D). Targets are standardized for training, and predictions are limited to the
    range of the training targets. If `fit` has the rows' `time`, and later validation rows show that a
    trend goes on, the limits are a whole range wider on each side.

    The losses are "squared_error" (the default), "absolute_error", "huber" (Huber, 1964; δ is one standard deviation),
    "quantile" and "poisson" (for counts, which are not standardized). "quantile" is the pinball loss at the level
    `quantile`, averaged if there are several levels; `predict` then returns all quantiles, in ascending order. The
    only score by name is "loss".

    >>> import numpy as np
    >>> from lamina import MLPRegressor
    >>> X = np.linspace(0, 1, 200, dtype=np.float32).reshape(-1, 1)
    >>> model = MLPRegressor(preset="fast", random_state=0).fit(X, 3 * X.ravel())
    >>> bool(abs(model.predict([[0.5]])[0] - 1.5) < 0.2)
    True
    """

    _task = "regression"
    _own_scores = ("loss",)
    _plain_score = "r2"
    fitted_: FittedModel[Numbers] = field(init=False)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """Train for an epoch on this data, at a constant learning rate.

        The first call determines the scale of the target.
        """
        self._warn_if_retired()
        return partial_fit(self, X, y, None, sample_weight)

    @overload
    def predict(self, X: Any, return_std: Literal[False] = False) -> np.ndarray: ...
    @overload
    def predict(self, X: Any, return_std: Literal[True]) -> tuple[np.ndarray, np.ndarray]: ...
    @overload
    def predict(self, X: Any, return_std: bool) -> np.ndarray | tuple[np.ndarray, np.ndarray]: ...
    def predict(self, X: Any, return_std: bool = False) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """The predicted target, (rows,) or (rows, outputs), float64; for several quantiles (rows, quantiles).

        Args:
            X: the table.
            return_std: whether to return a pair of arrays of the same shape: the predictions, and the standard
                deviation of the members' predictions, in the target's unit. The standard deviation measures how much
                the members disagree, e.g. where training had few rows, but not the target's noise; for intervals that
                contain the true target, use `predict_interval`.

        Raises:
            DataError: `return_std` needs several members.
        """
        found = self._fitted().target.predictions(self._outputs(X))
        if not return_std:
            return found
        members = self._computed(X, members_outputs)
        return found, members_spread(members, self.fitted_.network.shares, self.fitted_.target.predictions)

    def predict_interval(self, X: Any, coverage: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        """Prediction intervals, which contain the true target in the share `coverage` of rows.

        Returns the lower and the upper ends, each float64 (rows,), or (rows, targets) with an interval for each
        target. The intervals come from conformal prediction on members' held-out rows (see
        `lamina.estimators.conformal`). The coverage holds on average over all rows from the same source as the
        training rows, not for each group of rows. If the model predicts several quantiles, two of these are corrected
        and become the ends. With row weights, coverage is a share of the total weight.

        Args:
            X: the table.
            coverage: the share of rows whose interval contains the true target, between 0 and 1.

        Raises:
            ValueError: `coverage` is not between 0 and 1.
            DataError: there are no held-out rows, or too few for this coverage.

        >>> import numpy as np
        >>> from lamina import MLPRegressor
        >>> rng = np.random.default_rng(0)
        >>> X = rng.uniform(0, 1, (600, 1))
        >>> y = X[:, 0] + rng.normal(0, 0.1, 600)
        >>> model = MLPRegressor(preset="fast", random_state=0).fit(X[:400], y[:400])
        >>> low, high = model.predict_interval(X[400:], coverage=0.8)
        >>> bool(0.7 < np.mean((low <= y[400:]) & (y[400:] <= high)) < 0.9)
        True
        """
        checked_coverage(coverage)
        require_held_out(self._fitted(), "predict_interval")
        return interval_of(self.fitted_, self._outputs(X), coverage)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The R² of the predictions, or for several quantiles the mean of their D² (Koenker and Machado, 1999).

        D² is 1 − (pinball loss of the predictions) / (pinball loss of the best constant prediction). A perfect
        prediction has D² = 1, and the best constant has D² = 0.
        """
        return self._agreement(y, self.predict(X), sample_weight)

    def _agreement(self, y: Any, predicted: np.ndarray, weights: Any) -> float:
        target = self._fitted().target
        if not isinstance(target, Quantiles):
            y, predicted = _of_ordinary_size(y, predicted)
            return float(r2_score(y, predicted, sample_weight=weights))
        pairs = zip(target.levels, predicted.T, strict=True)
        return float(np.mean([d2_pinball_score(y, p, alpha=at, sample_weight=weights) for at, p in pairs]))

    # --- methods that BaseMLP needs ------------------------------------------------------------------------------

    def _resolved(self, recipe: str | None = None) -> Settings:
        levels = checked_levels(self.quantile, self.loss)
        if isinstance(levels, tuple) and is_scorer(self.scoring) and self.scoring != "loss":
            raise ValueError(
                f"scoring {self.scoring!r} needs one prediction per row, but there are {len(levels)} quantiles; "
                "leave it None for the loss, or give a function of (y_true, predictions)"
            )
        return super()._resolved(recipe)

    def _chosen_scoring(self) -> Any:
        several = isinstance(checked_levels(self.quantile, self.loss), tuple)
        return self.scoring if several else super()._chosen_scoring()

    def _checked_target(self, y: Any) -> np.ndarray:
        require_target(np.asarray(y))
        if (numbers := _NUMBERS_OF.get(np.asarray(y).dtype.kind)) is not None:
            raise ValueError(f"y has {numbers}")
        try:
            y = np.asarray(y, np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"y: {error}; a regression needs a numeric target; for classes, use MLPClassifier"
            ) from error
        if not np.isfinite(y).all():
            row = int(np.argwhere(~np.isfinite(y))[0][0])
            raise ValueError(
                f"Input y contains NaN or infinity: the target of row {row} is not a finite number"
            )
        return y

    def _target_of(self, y: np.ndarray, weights: np.ndarray | None, every: np.ndarray) -> Numbers:
        return self._completed(Numbers.of(y, weights, logarithmic=self.loss == "poisson"), y)

    def _completed(self, target: Numbers, y: Any) -> Numbers:
        levels = checked_levels(self.quantile, self.loss)
        if isinstance(levels, tuple) and not isinstance(target, Quantiles):
            target = Quantiles.of_numbers(target, levels)
        return target if y is None else target.widened(y)

    def _with_trend(self, target: Numbers, outputs: np.ndarray, train: Parts, held_out: Parts) -> Numbers:
        levels = checked_levels(self.quantile, self.loss) if self.loss == "quantile" else ()
        levels = levels if isinstance(levels, tuple) else (levels,)
        return with_room_for_trends(target, outputs, train, held_out, levels)

    def _loss_function(self, settings: Settings | None, target: Numbers) -> Any:
        if callable(self.loss):
            return self.loss
        level = checked_levels(self.quantile, self.loss)
        known = {
            None: losses.squared_error,
            "squared_error": losses.squared_error,
            "absolute_error": losses.absolute_error,
            "huber": losses.huber,
            "quantile": losses.quantiles(level) if isinstance(level, tuple) else losses.quantile(level),
            "poisson": losses.poisson,
        }
        if self.loss not in known:
            names = ", ".join(repr(k) for k in known if k)
            raise ValueError(f"loss {self.loss!r} is unknown; known: {names}, or a function of nd arrays")
        return known[self.loss]

    def _score_outputs(self, outputs: np.ndarray, target: np.ndarray, weights: np.ndarray | None) -> float:
        scoring, numbers = self._chosen_scoring(), self.fitted_.target
        if scoring not in (None, "loss"):
            y_true, predictions = numbers.decode(target), numbers.predictions(outputs)
            if not is_scorer(scoring):
                return float(scoring(y_true, predictions))
            return scorer_score(scoring, PredictedNumbers(predictions), y_true, weights)
        loss = self._loss_function(None, numbers)
        with eager() if callable(self.loss) else by_numpy():  # compiling would take longer than many epochs
            values = loss(nd.array(numbers.clamped(outputs)), nd.array(target)).asnumpy()
        return -float(np.average(values, weights=weights))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _of_ordinary_size(y: Any, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both arrays, divided by a power of two for each target whose squares may overflow float64.

    R² doesn't change.
    """
    y = np.asarray(y, np.float64)
    greatest = np.maximum(np.abs(y).max(axis=0), np.abs(predicted).max(axis=0))
    with np.errstate(divide="ignore"):
        exponent = np.where(greatest > 0, np.log2(greatest), 0)
    exponent = np.where(np.abs(exponent) < 400, 0, np.clip(exponent, -1000, 1000)).astype(int)
    return np.ldexp(y, -exponent), np.ldexp(predicted, -exponent)


# --- wider limits of predictions if a trend goes on -------------------------------------------------------------------
# A regression's predictions are limited to the range of the training targets, so that a stray value in a row can't lead
# to an absurd prediction. But a trend leaves this range as time goes on. If rows have a time, the validation rows are
# later than the training rows, and show whether there is such a trend; docs/adr/dates.md has the measurements.


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
