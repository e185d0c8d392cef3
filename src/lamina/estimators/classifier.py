"""`MLPClassifier`: RealMLP with scikit-learn's interface."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal, overload

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets

from lamina.estimators import _losses as losses
from lamina.estimators._calibration import MeanLikelihood, best_factor, class_map, map_rows
from lamina.estimators._incremental import partial_fit
from lamina.estimators.base import BaseMLP
from lamina.estimators.conformal import checked_coverage, likely, members_spread, require_held_out
from lamina.estimators.data import Parts, targets_of
from lamina.estimators.declaring import declared, documented
from lamina.estimators.fitted import FittedModel, members_outputs
from lamina.estimators.inputs import require_target
from lamina.estimators.meaning import best_threshold
from lamina.estimators.scoring import PredictedClasses, is_scorer, scorer_score
from lamina.estimators.settings import ClassifierSettings, Settings
from lamina.estimators.targets import Classes
from lamina.support import messages
from lamina.support.argument_checks import answering, lacking
from lamina.support.foreign_names import ESTIMATORS_ARGUMENTS, telling


@telling
@documented
@answering(ESTIMATORS_ARGUMENTS)
@dataclass(eq=False, repr=False, kw_only=True)
class MLPClassifier(ClassifierMixin, ClassifierSettings, BaseMLP):
    """A multilayer perceptron for classification; a drop-in for `sklearn.neural_network.MLPClassifier`.

    A parameter that is None has the `preset`'s value. `X` may be an array of numbers (float32 is used
    without a copy if `preprocess` is off), a sparse matrix, or a data frame of pandas, polars or pyarrow with
    categories and missing values. `y` is 1-D with classes of any type, or 2-D with 0 and 1 for several labels per row.

    The only loss by name is "log_loss", after a softmax, or after a logistic function for several labels. The scores
    by name are "log_loss" and "accuracy".

    >>> import numpy as np
    >>> from lamina import MLPClassifier
    >>> X = np.array([[0.0], [0.2], [0.8], [1.0]] * 10)
    >>> y = np.array(["low", "low", "high", "high"] * 10)
    >>> model = MLPClassifier(preset="fast", random_state=0).fit(X, y)
    >>> model.predict([[0.1], [0.9]]).tolist()
    ['low', 'high']
    """

    _task = "classification"
    _own_scores = ("accuracy", "log_loss")
    _plain_score = "accuracy"
    fitted_: FittedModel[Classes] = field(init=False)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> MLPClassifier:
        """Train for an epoch on this data, at a constant learning rate.

        The first call needs all `classes`, unless its `y` has all of them.
        """
        self._warn_if_retired()
        return partial_fit(self, X, y, classes, sample_weight)

    @lacking(return_std="Classes have none; predict_proba(X, return_std=True) says how far members differ")
    def predict(self, X: Any) -> np.ndarray:
        """The predicted class of each row: the likeliest class, or the class that `threshold` determines.

        Multi-label predictions are 0 or 1 per label.
        """
        outputs = self._outputs(X)
        return self.fitted_.target.predictions(outputs)

    @overload
    def predict_proba(self, X: Any, return_std: Literal[False] = False) -> np.ndarray: ...
    @overload
    def predict_proba(self, X: Any, return_std: Literal[True]) -> tuple[np.ndarray, np.ndarray]: ...
    @overload
    def predict_proba(self, X: Any, return_std: bool) -> np.ndarray | tuple[np.ndarray, np.ndarray]: ...
    def predict_proba(self, X: Any, return_std: bool = False) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """The probability of each class (or of each label, if multi-label), float64.

        Args:
            X: the table.
            return_std: whether to return a pair of arrays of the same shape: the probabilities, and the standard
                deviation of the members' probabilities.

        Raises:
            DataError: `return_std` needs several members.
        """
        found = self._probabilities(X)
        if not return_std:
            return found
        members = self._computed(X, members_outputs)
        return found, members_spread(members, self.fitted_.network.shares, self.fitted_.target.probabilities)

    def predict_set(self, X: Any, coverage: float = 0.9) -> np.ndarray:
        """Prediction sets: for each row, a set of classes that contains the true class with probability `coverage`.

        Returns a bool array (rows, classes), in the order of `classes_`, that is true where a row's set has the class.
        The sets come from conformal prediction on members' held-out rows, and are as small as possible on average (see
        `lamina.estimators.conformal.likely`); each set contains at least the likeliest class. The coverage holds on
        average over all rows from the same source as the training rows, not for each class.

        Args:
            X: the table.
            coverage: the share of rows whose set contains the true class, between 0 and 1.

        Raises:
            ValueError: `coverage` is not between 0 and 1, or rows have several labels.
            DataError: there are no held-out rows, or too few for this coverage.

        >>> from sklearn.datasets import load_iris
        >>> from lamina import MLPClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> sets = MLPClassifier(preset="fast", random_state=0).fit(X, y).predict_set(X[:2], coverage=0.9)
        >>> sets.tolist()
        [[True, False, False], [True, False, False]]
        """
        coverage, fitted = checked_coverage(coverage), self._fitted()
        if fitted.target.multilabel:
            raise ValueError("predict_set needs one class per row, but this model predicts several labels")
        held_out = require_held_out(fitted, "predict_set")
        return likely(held_out, fitted.target.probabilities(self._outputs(X)), coverage)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """The logarithm of `predict_proba`, computed without underflow."""
        outputs = self._outputs(X)
        return self.fitted_.target.log_probabilities(outputs)

    @property
    def classes_(self) -> np.ndarray:
        """The classes in order, or the label positions if multi-label."""
        return self._fitted().target.values

    @property
    def threshold_(self) -> float | None:
        """The minimum probability for predicting the positive class; None: the likelier class is predicted."""
        return self._fitted().target.threshold

    @property
    def positive_class_(self) -> Any:
        """The class whose probability is compared with `threshold`; None if there are not two classes.

        It is the second of the two, or the rarer if they are texts.
        """
        target = self._fitted().target
        return target.values[target.positive] if target.is_binary else None

    # --- methods that BaseMLP needs ------------------------------------------------------------------------------

    def _checked_target(self, y: Any) -> np.ndarray:
        y = np.asarray(y)
        require_target(y)
        _require_classes(y)
        check_classification_targets(y)
        return y

    def _target_of(self, y: np.ndarray, weights: np.ndarray | None, every: np.ndarray) -> Classes:
        return self._completed(Classes.of(every), y)

    def _completed(self, target: Classes, y: np.ndarray) -> Classes:
        """The classes with the training rows' class weights, and with the estimator's threshold if it is a number."""
        if self.threshold is not None and not target.is_binary:
            what = "several labels a row" if target.multilabel else f"{target.outputs} classes"
            raise ValueError(
                f"threshold={self.threshold!r} decides between two classes, but the target has {what}"
            )
        chosen = None if self.threshold is None or isinstance(self.threshold, str) else float(self.threshold)
        weights = None
        if self.class_weight is not None and not target.multilabel:
            present, weights = np.unique(y), np.zeros(target.outputs)
            by_class = compute_class_weight(self.class_weight, classes=present, y=y)
            weights[target.encode(present).astype(int)] = by_class
        return replace(target, threshold=chosen, weights=weights)

    def _loss_function(self, settings: Settings, target: Classes) -> Any:
        if callable(self.loss):
            return self.loss
        if self.loss not in (None, "log_loss"):
            raise ValueError(f"loss {self.loss!r} is unknown; known: 'log_loss', or a function of nd arrays")
        return losses.multilabel if target.multilabel else losses.cross_entropy(settings.label_smoothing)

    def _weights(self, weights: np.ndarray | None, y: np.ndarray) -> np.ndarray | None:
        if self.class_weight is not None:
            by_class = compute_sample_weight(self.class_weight, y)
            weights = by_class if weights is None else by_class * weights
        return super()._weights(weights, y)

    def _evaluation_weights(self, target: Classes, wanted: np.ndarray) -> np.ndarray | None:
        return None if target.weights is None else target.weights[wanted.astype(int)].astype(np.float32)

    def _score_outputs(self, outputs: np.ndarray, target: np.ndarray, weights: np.ndarray | None) -> float:
        scoring, classes = self._chosen_scoring(), self.fitted_.target
        likelihood = _mean_likelihood(classes, outputs, target, weights)
        factor = best_factor(likelihood) if self._calibrates() else 1.0
        if scoring in (None, "log_loss", "neg_log_loss"):
            return likelihood.value(factor)
        outputs = outputs * np.float32(factor)
        y_true, probabilities = classes.decode(target), classes.probabilities(outputs)
        if not is_scorer(scoring):
            return float(scoring(y_true, probabilities))
        deciding = self._decided_by(classes, outputs, target, weights)
        values, predictions = classes.values, deciding.predictions(outputs)
        if isinstance(scoring, str) and classes.is_binary and 1 not in values.tolist():
            # scikit-learn's named scorers, such as "f1", expect the positive class to be 1.
            values, positive = np.arange(2), classes.values[classes.positive]
            y_true, predictions = ((x == positive).astype(int) for x in (y_true, predictions))
            probabilities = probabilities[:, [1 - classes.positive, classes.positive]]
        predicted = PredictedClasses(values, predictions, probabilities)
        return scorer_score(scoring, predicted, y_true, classes.rows_own(weights, target))

    def _decided_by(
        self, classes: Classes, outputs: np.ndarray, target: np.ndarray, weights: np.ndarray | None
    ) -> Classes:
        if not isinstance(self.threshold, str):
            return classes
        probability = classes.probabilities(outputs)[:, classes.positive]
        weights = classes.rows_own(weights, target)
        found = best_threshold(self.threshold, target == classes.positive, probability, weights)
        return classes if found is None else replace(classes, threshold=found[0])

    def _decide(
        self, target: Classes, outputs: np.ndarray | None, wanted: np.ndarray, weights: Any
    ) -> Classes:
        if not isinstance(self.threshold, str) or outputs is None:
            return target
        chosen = self._decided_by(target, outputs, wanted, weights)
        if chosen.threshold is None:
            messages.warn(
                f"threshold={self.threshold!r}: the validation rows are all of one class, or all have probability "
                "0 of the positive class, so no threshold could be chosen; the likelier class is predicted"
            )
        return chosen

    def _require_held_out(self, held_out: Parts) -> None:
        if isinstance(self.threshold, str) and not held_out:
            raise ValueError(
                f"threshold={self.threshold!r} is chosen on validation rows, but there are none: hold some out "
                "(early_stopping), give fit an eval_set, or give a number between 0 and 1"
            )

    def _calibrates(self) -> bool:
        """Whether outputs are calibrated; a user's function as the loss prevents this."""
        chosen = declared(Settings)["calibrate"].value(self.preset, self._task)
        return bool(chosen if self.calibrate is None else self.calibrate) and not callable(self.loss)

    def _calibrate(self, outputs: np.ndarray, held_out: Parts) -> np.ndarray:
        if not self._calibrates():
            return outputs
        factor = self._factor(outputs, *targets_of(held_out))
        self.fitted_.network.scale_outputs(factor)
        return np.multiply(outputs, np.float32(factor), out=outputs)

    def _calibrate_classes(self, outputs: np.ndarray, held_out: Parts) -> bool:
        fitted = self.fitted_
        if not self._calibrates() or fitted.target.multilabel or fitted.target.outputs < 3:
            return True
        target, weights = targets_of(held_out)
        found = class_map(outputs, target, weights)
        if found is None:
            return True
        map_rows(outputs, *found)  # in place: a copy for many classes takes as much memory as the table
        score = self._score_outputs(outputs, target, weights)
        assert self.best_validation_score_ is not None
        if score < self.best_validation_score_:
            return False
        fitted.network.map_outputs(*found)
        self.best_validation_score_ = score
        return True

    def _factor(self, outputs: np.ndarray, target: np.ndarray, weights: np.ndarray | None) -> float:
        if not self._calibrates():
            return 1.0
        return best_factor(_mean_likelihood(self.fitted_.target, outputs, target, weights))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _require_classes(y: np.ndarray) -> None:
    """Raise `ValueError` for classes that are objects but no texts, about which scikit-learn says "unknown" alone."""
    if y.dtype != object:
        return
    for i, value in enumerate(y.flat):
        if not isinstance(value, str | bytes | list | tuple | np.ndarray):
            raise ValueError(
                f"Unknown label type: {type(value).__name__}, as {messages.in_a_line(value)} in row {i} of an array of "
                "objects. Classes are texts, whole numbers or truth values, all of one type: convert them, as by "
                "y.astype(str)"
            )


def _mean_likelihood(
    classes: Classes, outputs: np.ndarray, target: np.ndarray, weights: np.ndarray | None
) -> MeanLikelihood:
    """The target's mean log-likelihood as a function of a factor on the outputs."""
    return MeanLikelihood(lambda part: classes.likelihood(outputs[part], target[part]), len(target), weights)
