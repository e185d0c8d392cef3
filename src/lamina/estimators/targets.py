"""Targets (classes, labels or numbers): their encoding for networks, and the decoding of outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Self, TypeVar

import numpy as np

from lamina.estimators._calibration import OfClasses, OfLabels, RowsLikelihood
from lamina.estimators.declaring import is_number
from lamina.estimators.meaning import Decision, computed_probabilities, holds, numbers, probabilities
from lamina.nd.conversion import array
from lamina.nd.ndarray import NDArray
from lamina.support.messages import counted
from lamina.table.columns import value_name
from lamina.table.schema import Schema, Target

ArrayT = TypeVar("ArrayT", np.ndarray, NDArray)

_SQUARE_IS_EXACT = 1e-140
"""Between this number and its inverse, squares are not denormal, and their sums don't overflow."""


@dataclass(frozen=True)
class Classes(Decision):
    """The classes of a classification, and the decision between them.

    Attributes:
        values: the classes in order; for several labels per row, the labels' positions.
        multilabel: whether a row has any number of labels, instead of one class.
        weights: class weights in training, (classes,); None: equal. Files don't store them.
    """

    values: np.ndarray
    multilabel: bool = False
    weights: np.ndarray | None = None

    @classmethod
    def of(cls, y: np.ndarray) -> Self:
        """The classes in the target of the training rows, `y`.

        Raises:
            ValueError: there is only one class.
        """
        from sklearn.utils.multiclass import type_of_target
        from sklearn.utils.validation import column_or_1d

        if type_of_target(y) == "multilabel-indicator":
            return cls(np.arange(int(y.shape[1])), True)
        values, counts = np.unique(column_or_1d(y, warn=True), return_counts=True)
        if len(values) < 2:
            only = values[:1].tolist()[0]
            raise ValueError(
                f"Classifier can't train when only one class is present: the target is {only!r} in every row"
            )
        return cls(values, positive=positive_class(values, counts))

    @property
    def outputs(self) -> int:
        """The network's number of outputs."""
        return len(self.values)

    @property
    def labels(self) -> tuple[str | int | float | bool, ...]:
        """The classes as Python values; dates are texts."""
        return tuple((self.values.astype(str) if self.values.dtype.kind in "mM" else self.values).tolist())

    @property
    def is_binary(self) -> bool:
        """Whether there are exactly two classes, and each row has a single class."""
        return len(self.values) == 2 and not self.multilabel

    @property
    def activation(self) -> str:
        """The name of the function from outputs to probabilities."""
        return "logistic" if self.multilabel else "softmax"

    def encode(self, y: np.ndarray) -> np.ndarray:
        """The target encoded for the loss, float32: class numbers (rows,), or labels (rows, labels).

        Raises:
            ValueError: a class is unknown.
        """
        if self.multilabel:
            return np.ascontiguousarray(y, dtype=np.float32)
        from sklearn.utils.validation import column_or_1d

        y = column_or_1d(y)
        codes = np.searchsorted(self.values, y).astype(np.int32)
        known = self.values[np.minimum(codes, len(self.values) - 1, out=codes)] == y
        if not np.all(known):
            unknown = np.unique(y[~known])[:5].tolist()
            raise ValueError(f"the target has classes that training did not have: {unknown}")
        return codes.astype(np.float32)

    def decode(self, target: np.ndarray) -> np.ndarray:
        """The classes of an encoded target, (rows,), or 0 or 1 for each label."""
        return target.astype(int) if self.multilabel else self.values[target.astype(int)]

    def strata(self, target: np.ndarray) -> np.ndarray | None:
        """The labels for a stratified split of encoded rows, (rows,); None for several labels per row."""
        return None if self.multilabel else target

    def rows_own(self, weights: np.ndarray | None, target: np.ndarray) -> np.ndarray | None:
        """The rows' weights without the class weights, which affect the loss but not the metrics."""
        if weights is None or self.weights is None:
            return weights
        by_class = self.weights[target.astype(int)]
        own = np.divide(weights, by_class, out=np.zeros(len(weights)), where=by_class > 0)
        return None if np.allclose(own, own.max(), rtol=1e-6) else own

    def predictions(self, outputs: np.ndarray) -> np.ndarray:
        """The predicted class of each row, or 0 or 1 for each label."""
        if self.multilabel:
            return holds(outputs)
        said = outputs if self.threshold is None else self.probabilities(outputs)
        return self.values[self.decided(said)]

    def traced(self, outputs: NDArray, dtype: Any = np.float64) -> list[NDArray]:
        """Probabilities and predictions in a graph of `lamina.nd`, from outputs float32 (rows, outputs).

        Returns:
            The probabilities, (rows, classes or labels), of `dtype`; and the position of each row's predicted class,
            int64 (rows,), or 0 or 1 for each label, int64 (rows, labels).
        """
        found = probabilities(outputs, several=self.multilabel, dtype=dtype)
        if self.multilabel:
            return [found, holds(outputs)]
        return [found, self.decided(outputs if self.threshold is None else found)]

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """The probability of each class or label, (rows, outputs), float64."""
        return computed_probabilities(outputs, several=self.multilabel)

    results = probabilities

    def log_probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """The logarithm of `probabilities`, computed without underflow."""
        outputs = outputs.astype(np.float64, copy=False)
        return -np.logaddexp(0, -outputs) if self.multilabel else _log_softmax(outputs)

    def log_likelihood(self, outputs: np.ndarray, target: np.ndarray) -> np.ndarray:
        """The log-probability of each row's encoded target, float64.

        Several labels are averaged.
        """
        return self.likelihood(outputs, target).values(1.0)

    def likelihood(self, outputs: np.ndarray, target: np.ndarray) -> RowsLikelihood:
        """The log-likelihood of each row's target, as a function of a positive factor on the outputs."""
        outputs = outputs.astype(np.float64, copy=False)
        return OfLabels(outputs, target) if self.multilabel else OfClasses(outputs, target)


def positive_class(values: np.ndarray, counts: Sequence[int] | np.ndarray) -> int:
    """The position of the positive class of two, for F1, thresholds and curves.

    For numbers and booleans, it is the second class, as in scikit-learn. For texts, whose alphabetical order means
    nothing, it is the rarer class.

    >>> positive_class(np.array([0, 1]), [3, 97]), positive_class(np.array(["fraud", "legitimate"]), [3, 97])
    (1, 0)
    """
    is_text = len(values) == 2 and all(isinstance(value, str) for value in values.tolist())
    return int(not (is_text and counts[0] < counts[1]))


@dataclass(frozen=True)
class Numbers:
    """The targets of a regression, standardized for training.

    Attributes:
        low, high: each target's minimum and maximum in training, (targets,); predictions are limited to this range.
        center, scale: a target is encoded as (target - center) / scale.
        flat: whether the target is 1-D, (rows,), rather than a matrix.
        logarithmic: whether outputs are logarithms of predictions, e.g. for counts, which are not standardized.
        levels: the ascending quantile levels of a single target; (): each output is a separate target.
    """

    low: np.ndarray
    high: np.ndarray
    center: np.ndarray
    scale: np.ndarray
    flat: bool
    logarithmic: bool = False
    levels: tuple[float, ...] = ()

    @classmethod
    def of(cls, y: np.ndarray, weights: np.ndarray | None = None, *, logarithmic: bool = False) -> Self:
        """The scale of the training rows' targets, weighted by the rows' weights.

        Raises:
            ValueError: a target is negative with `logarithmic`.
        """
        columns = y.reshape(len(y), -1)
        extremes = columns.min(axis=0), columns.max(axis=0)
        moments = _center_and_scale(columns, weights)
        return cls._scaled(*extremes, *moments, flat=y.ndim == 1, logarithmic=logarithmic)

    @classmethod
    def of_moments(
        cls, low: float, high: float, mean: float, deviation: float, *, logarithmic: bool = False
    ) -> Self:
        """The scale of a single target with this mean, standard deviation and range.

        Raises:
            ValueError: a target is negative with `logarithmic`.
        """
        known = (np.array([x], np.float64) for x in (low, high, mean, deviation))
        return cls._scaled(*known, flat=True, logarithmic=logarithmic)

    @classmethod
    def _scaled(cls, *moments: np.ndarray, flat: bool, logarithmic: bool) -> Self:
        low, high, center, scale = moments
        scale[scale == 0] = 1.0
        if logarithmic:
            center, scale = np.zeros_like(center), np.ones_like(scale)
        return cls(low, high, center, scale, flat, logarithmic)

    def __post_init__(self) -> None:
        if self.logarithmic and self.low.min() < 0:
            raise ValueError("loss='poisson' needs targets that are not negative")

    def widened(self, y: np.ndarray) -> Self:
        """The target with the same scale, and limits that include the targets `y` of more rows.

        Raises:
            ValueError: the number of targets differs, or a target is negative with `logarithmic`.
        """
        columns = y.reshape(len(y), -1)
        known = 1 if self.levels else self.outputs
        if columns.shape[1] != known:
            raise ValueError(
                f"y of shape {y.shape} has {counted(columns.shape[1], 'target')}, but before it had {known}"
            )
        low, high = np.minimum(self.low, columns.min(axis=0)), np.maximum(self.high, columns.max(axis=0))
        return replace(self, low=low, high=high)

    @property
    def outputs(self) -> int:
        """The network's number of outputs."""
        return len(self.center)

    @property
    def activation(self) -> str:
        """The name of the function that is applied to outputs before scaling."""
        return "exp" if self.logarithmic else "identity"

    def encode(self, y: np.ndarray) -> np.ndarray:
        """The standardized target, (rows, targets), float32."""
        return np.ascontiguousarray((y.reshape(len(y), -1) - self.center) / self.scale, dtype=np.float32)

    def decode(self, target: np.ndarray) -> np.ndarray:
        """The target in its unit, from the standardized target."""
        return self._shaped(target * self.scale + self.center)

    def strata(self, target: np.ndarray) -> None:
        """None, since numbers have no labels for a stratified split."""

    def predictions(self, outputs: np.ndarray) -> np.ndarray:
        """The predictions from outputs, in the target's unit, float64 (rows,) or (rows, targets)."""
        limits = self.center, self.scale, self.low, self.high
        return self._shaped(self._in_units(outputs, *(limit[None] for limit in limits)))

    results = predictions

    def traced(self, outputs: NDArray, _dtype: Any = np.float64) -> list[NDArray]:
        """The predictions in a graph of `lamina.nd`.

        The result is a list with a single array, float64 (rows, targets or levels).
        """
        limits = (self.center, self.scale, self.low, self.high)
        return [self._in_units(outputs, *(array(limit[None], dtype="float64") for limit in limits))]

    def _in_units(self, outputs: ArrayT, *limits: ArrayT) -> ArrayT:
        return numbers(outputs, *limits, logarithmic=self.logarithmic, levels=len(self.levels))

    def clamped(self, outputs: np.ndarray) -> np.ndarray:
        """The standardized outputs, limited to the range of the training targets."""
        low, high = ((limit - self.center) / self.scale for limit in (self.low, self.high))
        if self.logarithmic:
            with np.errstate(divide="ignore"):
                low, high = np.log(low), np.log(high)
        return np.clip(outputs, low, high).astype(outputs.dtype)

    def _shaped(self, values: Any) -> np.ndarray:
        return values[:, 0] if self.flat else values


AnyTarget = Classes | Numbers
"""The target of a classification or of a regression."""


def target_named(name: str, target: AnyTarget) -> Target:
    """The schema of a target column that is called `name`.

    >>> target_named("town", Classes(np.array(["Aachen", "Bergen"]))).classes
    ('Aachen', 'Bergen')
    """
    if isinstance(target, Numbers):
        low, high = (float(x) if np.isfinite(x) else None for x in (target.low[0], target.high[0]))
        return Target(name, "regression", low=low, high=high)
    values = target.values.tolist()
    is_plain = all(isinstance(value, str | int | float | bool) for value in values)
    classes = values if is_plain and target.values.dtype.kind not in "mM" else map(value_name, target.values)
    return Target(name, "classification", classes=tuple(classes))


def with_target(schema: Schema, name: Any, target: AnyTarget) -> Schema:
    """The schema with a target column called `name`; unchanged if `name` is empty, no text, or a column's name."""
    is_named = isinstance(name, str) and name and name not in [column.name for column in schema.columns]
    return replace(schema, target=target_named(name, target)) if is_named else schema


def _center_and_scale(columns: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """The mean and standard deviation of each column, even if sums or squares would overflow float64."""
    with np.errstate(over="ignore", invalid="ignore"):
        center, scale = _moments(columns, weights)
    is_plain = (scale > _SQUARE_IS_EXACT) & (scale < 1 / _SQUARE_IS_EXACT)
    extreme = ~is_plain & np.ptp(columns / 2, axis=0).astype(bool)
    for j in np.flatnonzero(extreme):
        unit = np.abs(columns[:, j]).max()
        center[j], scale[j] = (x * unit for x in _moments(columns[:, j] / unit, weights))
    return center, scale


def _moments(values: np.ndarray, weights: np.ndarray | None) -> tuple[Any, Any]:
    """The mean and standard deviation over rows.

    Equal weights give the same bits as no weights.
    """
    if weights is None or np.ptp(weights) == 0:
        return values.mean(axis=0), values.std(axis=0)
    weights = weights / weights.max()  # so that their sum is finite
    mean = np.average(values, axis=0, weights=weights)
    return mean, np.sqrt(np.average((values - mean) ** 2, axis=0, weights=weights))


def _log_softmax(outputs: np.ndarray) -> np.ndarray:
    shifted = outputs - outputs.max(axis=1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return shifted


# --- several quantiles of a single target, predicted by a single network, in ascending order --------------------------
SCALES = ("low", "high", "center", "scale")
"""The names of the arrays of `Numbers`."""


@dataclass(frozen=True)
class Quantiles(Numbers):
    """Quantiles of a single target; the network has a standardized output for each level.

    Outputs are sorted. Sorting separately learned quantiles never increases the pinball loss (Chernozhukov,
    Fernández-Val, Galichon, "Quantile and probability curves without crossing", 2010).
    """

    @classmethod
    def of_numbers(cls, numbers: Numbers, levels: Sequence[float]) -> Self:
        """Quantiles at these levels of the target `numbers`.

        Raises:
            ValueError: there are several targets.
        """
        if numbers.outputs != 1:
            raise ValueError(
                f"several quantiles need a single target, but y has {numbers.outputs} columns; fit a model for each "
                "column"
            )
        count = len(levels)
        scales = {name: getattr(numbers, name).repeat(count) for name in SCALES}
        return cls(**scales, flat=False, levels=tuple(levels))

    @classmethod
    def restored(cls, numbers: Numbers, levels: Sequence[float]) -> Self:
        """Quantiles from a file's values.

        A file stores the target's scale once for each level.

        Raises:
            ValueError: the values are inconsistent.
        """
        if len(levels) != numbers.outputs or numbers.logarithmic or numbers.flat:
            raise ValueError(
                f"{len(levels)} quantiles need a target of {len(levels)} outputs, neither 1-D nor logarithmic; "
                f"this one has {numbers.outputs}"
            )
        found = cls.of_numbers(_single(numbers), _levels(levels))
        if any((getattr(found, name) != getattr(numbers, name)).any() for name in SCALES):
            raise ValueError("quantiles of one target must have equal scales")
        return found

    @property
    def single(self) -> Numbers:
        """The target's scale, without quantiles."""
        return _single(self)

    @property
    def middle(self) -> int:
        """The position of the level that is nearest to the median."""
        return int(np.abs(np.array(self.levels) - 0.5).argmin())

    def encode(self, y: np.ndarray) -> np.ndarray:
        """The standardized target, (rows, 1), float32."""
        return self.single.encode(y)

    def decode(self, target: np.ndarray) -> np.ndarray:
        """The target in its unit, (rows,), from the standardized target."""
        return self.single.decode(target)

    def clamped(self, outputs: np.ndarray) -> np.ndarray:
        """The standardized outputs, sorted and limited to the range of the training targets."""
        return super().clamped(np.sort(outputs, axis=1))


def _single(numbers: Numbers) -> Numbers:
    """The scale of the first target of `numbers`."""
    return Numbers(**{name: getattr(numbers, name)[:1] for name in SCALES}, flat=True)


def pinball(target: np.ndarray, predicted: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """The pinball loss of each row, averaged over levels (Koenker and Bassett, 1978), float64.

    Args:
        target: (rows,).
        predicted: (rows, levels).
        levels: the quantiles' levels.

    >>> import numpy as np
    >>> pinball(np.array([1.0]), np.array([[0.0, 3.0]]), [0.1, 0.9]).round(3).tolist()
    [0.15]
    """
    difference, shares = target[:, None] - predicted, np.asarray(levels, np.float64)
    return np.maximum(shares * difference, (shares - 1) * difference).mean(axis=1)


def checked_levels(quantile: Any, loss: Any) -> float | tuple[float, ...]:
    """Check the setting `quantile`; return a level, or several ascending levels.

    Raises:
        ValueError: the levels are not ascending numbers between 0 and 1, or the loss does not support several
            levels.
    """
    if not isinstance(quantile, list | tuple) and np.ndim(quantile) == 0:
        return _levels([quantile.item() if isinstance(quantile, np.ndarray) else quantile])[0]
    values = _levels(quantile)
    if loss != "quantile":
        raise ValueError(f"several quantiles need loss='quantile', not {loss!r}")
    return values


def _levels(levels: Any) -> tuple[float, ...]:
    said = list(levels)
    if not said or not all(is_number(x) and 0 < float(x) < 1 for x in said):
        raise ValueError(f"quantile must be one or several numbers between 0 and 1, got {said!r}")
    values = tuple(float(x) for x in said)
    if any(a >= b for a, b in pairwise(values)):
        raise ValueError(f"quantile must be ascending, got {said!r}; write {sorted(set(values))}")
    return values
