"""`MLPRegressor`: RealMLP with scikit-learn's interface."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin

from lamina import nd
from lamina.estimators import _losses as losses
from lamina.estimators._incremental import partial_fit
from lamina.estimators._inputs import require_target
from lamina.estimators._parameters import documented
from lamina.estimators._scoring import PredictedNumbers, is_scorer, scorer_score
from lamina.estimators.base import BaseMLP
from lamina.estimators.fitted import FittedModel
from lamina.estimators.targets import Numbers

__all__ = ["MLPRegressor"]


@documented
@dataclass(eq=False, repr=False, kw_only=True)
class MLPRegressor(RegressorMixin, BaseMLP):
    """A multilayer perceptron for regression; a drop-in for `sklearn.neural_network.MLPRegressor`.

    Every parameter that is None has the value of the `preset`. `X` is as for `MLPClassifier`; `y` has one number a row,
    or several (2-D). The target is standardized for training, and predictions are clamped to the range of the training
    targets.

    Losses: "squared_error" (the default), "absolute_error", "huber" (Huber, 1964; with δ of one standard deviation),
    "quantile" (the pinball loss at `quantile`), "poisson" (of counts, which are not standardized). Scores: "loss".

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
    quantile: float = 0.5
    fitted_: FittedModel[Numbers] = field(init=False)

    def fit(self, X: Any, y: Any, sample_weight: Any = None, eval_set: Any = None) -> MLPRegressor:
        """Train. `eval_set`: a pair (X, y) to validate on, instead of a part of the training data.

        `X` may be a table larger than memory: a pyarrow dataset, a lazy frame of polars, an object with ``__len__`` and
        ``__getitem__`` of slices of rows; then `y` is the name of its target, or has a value for each row.
        """
        self._warn_if_retired()
        return self._fit(X, y, sample_weight, eval_set)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """One epoch over this data, with a constant learning rate; the first call fixes the scale of the target."""
        self._warn_if_retired()
        return partial_fit(self, X, y, None, sample_weight)

    def predict(self, X: Any) -> np.ndarray:
        """The predicted target, (rows,) or (rows, outputs), float64."""
        outputs = self._outputs(X)
        return self.fitted_.target.predictions(outputs)

    # --- what the base asks --------------------------------------------------------------------------------------

    def _checked_target(self, y: Any) -> np.ndarray:
        require_target(np.asarray(y))
        y = np.asarray(y, np.float64)
        if not np.isfinite(y).all():
            row = int(np.argwhere(~np.isfinite(y))[0][0])
            raise ValueError(
                f"Input y contains NaN or infinity: the target of row {row} is not a finite number"
            )
        return y

    def _target_of(self, y: np.ndarray) -> Numbers:
        return Numbers.of(y, logarithmic=self.loss == "poisson")

    def _loss_function(self, settings: Mapping[str, Any], target: Numbers) -> Any:
        if callable(self.loss):
            return self.loss
        known = {
            None: losses.squared_error,
            "squared_error": losses.squared_error,
            "absolute_error": losses.absolute_error,
            "huber": losses.huber(),
            "quantile": losses.quantile(self.quantile),
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
        loss = self._loss_function({}, numbers)
        values = loss(nd.array(numbers.clamped(outputs)), nd.array(target)).asnumpy()
        return -float(np.average(values, weights=weights))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
