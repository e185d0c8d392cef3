"""`MLPRegressor`: RealMLP with scikit-learn's interface."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin

from lamina.estimators import losses
from lamina.estimators.base import BaseMLP
from lamina.estimators.inputs import require_target
from lamina.estimators.parameters import documented
from lamina.estimators.scoring import PredictedNumbers, is_scorer, scorer_score

__all__ = ["MLPRegressor"]


@documented
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
    quantile: float

    def __init__(
        self,
        hidden_layer_sizes: Any = None,
        activation: Any = None,
        *,
        preset: str = "default",
        members: int | None = None,
        loss: Any = None,
        solver: str | None = None,
        alpha: float | None = None,
        batch_size: int | str | None = None,
        learning_rate: str | None = None,
        learning_rate_init: float | None = None,
        max_iter: int | None = None,
        random_state: Any = None,
        tol: float | None = None,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool | None = None,
        validation_fraction: float | None = None,
        beta_1: float | None = None,
        beta_2: float | None = None,
        epsilon: float | None = None,
        n_iter_no_change: int | None = None,
        dropout: Any = None,
        normalization: str | None = None,
        weight_decay: float | None = None,
        regularization_schedule: str | None = None,
        number_embedding: bool | None = None,
        number_pieces: int | None = None,
        embedding_width: int | None = None,
        input_scale: bool | None = None,
        learned_activation: bool | None = None,
        ntk: bool | None = None,
        preprocess: bool | None = None,
        drop_last: bool | None = None,
        column_kinds: Mapping[Any, str] | None = None,
        scoring: Any = None,
        callbacks: Any = None,
        quantile: float = 0.5,
    ) -> None:
        self._keep(locals())

    def fit(self, X: Any, y: Any, sample_weight: Any = None, eval_set: Any = None) -> MLPRegressor:
        """Train. `eval_set`: a pair (X, y) to validate on, instead of a part of the training data."""
        return self._fit(X, y, sample_weight, eval_set)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """One epoch over this data, with a constant learning rate; the first call fixes the scale of the target."""
        from lamina.estimators.incremental import partial_fit

        return partial_fit(self, X, y, None, sample_weight)

    def predict(self, X: Any) -> np.ndarray:
        """The predicted target, (rows,) or (rows, outputs), float64."""
        return self._values(self._raw(X))

    def _values(self, raw: np.ndarray) -> np.ndarray:
        """The target, in its own units, that outputs stand for."""
        values = raw.astype(np.float64)
        if self.loss == "poisson":
            values = np.exp(values)
        values = np.clip(values * self._scale + self._center, self._low, self._high)
        return values[:, 0] if self._flat else values

    # --- what the base asks --------------------------------------------------------------------------------------

    def _encode_target(self, y: Any, *, first: bool) -> np.ndarray:
        require_target(np.asarray(y))
        y = np.asarray(y, np.float64)
        if not np.isfinite(y).all():
            row = int(np.argwhere(~np.isfinite(y))[0][0])
            raise ValueError(
                f"Input y contains NaN or infinity: the target of row {row} is not a finite number"
            )
        flat = y.ndim == 1
        columns = y.reshape(len(y), -1)
        if first:
            self._flat = flat
            self._low, self._high = columns.min(axis=0), columns.max(axis=0)
            self._center, self._scale = columns.mean(axis=0), columns.std(axis=0)
            self._scale[self._scale == 0] = 1.0
            if self.loss == "poisson":
                if self._low.min() < 0:
                    raise ValueError("loss='poisson' needs targets that are not negative")
                self._center, self._scale = np.zeros_like(self._center), np.ones_like(self._scale)
        return np.ascontiguousarray((columns - self._center) / self._scale, dtype=np.float32)

    def _loss_function(self, settings: Mapping[str, Any]) -> Any:
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

    def _outputs(self) -> int:
        return len(self._center)

    @property
    def out_activation_(self) -> str:
        """What turns outputs into predictions."""
        self._fitted_network()
        return "exp" if self.loss == "poisson" else "identity"

    def _score_outputs(self, outputs: np.ndarray, target: np.ndarray, weights: np.ndarray | None) -> float:
        scoring = self._chosen_scoring()
        if scoring not in (None, "loss"):
            y_true = target * self._scale + self._center
            y_true, predictions = y_true[:, 0] if self._flat else y_true, self._values(outputs)
            if not is_scorer(scoring):
                return float(scoring(y_true, predictions))
            return scorer_score(scoring, PredictedNumbers(predictions), y_true, weights)
        from lamina import nd

        values = self._loss_function({})(nd.array(self._clamped(outputs)), nd.array(target)).asnumpy()
        return -float(np.average(values, weights=weights))

    def _clamped(self, outputs: np.ndarray) -> np.ndarray:
        """Outputs within those of the training targets' range, as predictions are."""
        low, high = ((limit - self._center) / self._scale for limit in (self._low, self._high))
        if self.loss == "poisson":
            with np.errstate(divide="ignore"):
                low, high = np.log(low), np.log(high)
        return np.clip(outputs, low, high).astype(outputs.dtype)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
