"""The uncertainty of predictions: conformal intervals and sets with guaranteed coverage, and the spread of members.

Each member of an ensemble predicts its held-out rows, and the errors there estimate the errors for new rows. A new
row's error is below the k-th smallest of n held-out errors with probability k / (n + 1). This holds for any network
and noise, if all rows come from the same source (Vovk, Gammerman, Shafer, 2005; Lei, G'Sell, Rinaldo, Tibshirani,
Wasserman, 2018). The centre of an interval is the members' mean, whose errors are a little smaller than a single
member's, so that intervals tend to be slightly too wide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from lamina.errors import DataError
from lamina.estimators.data import Parts, targets_of
from lamina.estimators.declaring import is_number
from lamina.estimators.targets import AnyTarget, Classes, Numbers, Quantiles

if TYPE_CHECKING:
    from lamina.estimators.fitted import FittedModel

_MOST_ROWS = 4000
"""Maximum number of rows kept: a coverage of 90 % then has a standard deviation of half a percentage point."""

_MOST_NUMBERS = 1 << 16
"""Limit on outputs kept: with many outputs, fewer rows are kept."""

_FEWEST_ROWS_A_LEVEL, _MOST_LEVELS = 50, 10
_ROWS_OF_THE_WHOLE = 20
"""The weight, in rows, of all rows' mean error in the smoothed mean error of rows with similar predictions."""


@dataclass(frozen=True)
class HeldOut:
    """Outputs and true targets for a sample of held-out rows.

    Attributes:
        said: the network's predictions, float32: for regression the outputs (rows, outputs), for classification the
            probability of the true class (rows,).
        target: for regression the encoded target (rows, targets), float32; otherwise None.
        weights: row weights, float32, or None.
    """

    said: np.ndarray
    target: np.ndarray | None = None
    weights: np.ndarray | None = None

    @classmethod
    def of(
        cls, target: AnyTarget, outputs: np.ndarray, wanted: np.ndarray, weights: np.ndarray | None = None
    ) -> Self | None:
        """A sample of these rows; None for several labels per row, or without rows.

        The sample has a maximum size, and doesn't depend on chance.

        Args:
            target: the classes or the scale of numbers, which define the meaning of the outputs.
            outputs: each row's outputs, float32 (rows, outputs), from a network not trained on the row, or the mean
                of such networks.
            wanted: the true targets, encoded by `target.encode`.
            weights: row weights, or None. Class weights are divided out, since coverage counts all rows equally.
        """
        if not len(outputs) or (isinstance(target, Classes) and target.multilabel):
            return None
        if isinstance(target, Classes):
            weights = target.rows_own(weights, wanted)
        width = 1 if isinstance(target, Classes) else outputs.shape[1]
        most = max(min(_MOST_ROWS, _MOST_NUMBERS // width), 1)
        rows = _sample(len(outputs), most)
        outputs, wanted = outputs[rows], wanted[rows]
        weights = None if weights is None else weights[rows].astype(np.float32)
        if isinstance(target, Classes):
            picked = np.exp(target.log_likelihood(outputs, wanted))
            return cls(picked.astype(np.float32), None, weights)
        return cls(outputs.astype(np.float32), wanted.astype(np.float32), weights)

    @classmethod
    def from_arrays(cls, target: AnyTarget, arrays: Mapping[str, np.ndarray]) -> Self:
        """The held-out rows from the arrays of a file, named as in `arrays`.

        Raises:
            ValueError: the arrays' shapes, types or weights are wrong for this target.
        """
        found = cls(arrays.get("said", np.empty(0)), arrays.get("target"), arrays.get("weights"))
        rows, shapes = len(found), {name: array.shape for name, array in arrays.items()}
        wanted: dict[str, tuple[int, ...]] = {"said": (rows,)}
        if isinstance(target, Numbers):
            targets = 1 if isinstance(target, Quantiles) else target.outputs
            wanted = {"said": (rows, target.outputs), "target": (rows, targets)}
        if "weights" in arrays:
            wanted["weights"] = (rows,)
        if not rows or shapes != wanted or any(array.dtype != np.float32 for array in arrays.values()):
            raise ValueError(
                f"held-out rows have the shapes {shapes}; they need at least one row, float32 values and the shapes "
                f"{wanted}"
            )
        if found.weights is not None and not (found.weights.min() >= 0 and found.weights.max() > 0):
            raise ValueError("held-out rows have negative weights, or only zeros")
        return found

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays that a file stores, by name."""
        found = {"said": self.said, "target": self.target, "weights": self.weights}
        return {name: array for name, array in found.items() if array is not None}

    def __len__(self) -> int:
        return len(self.said)


def checked_coverage(coverage: float | str) -> float:
    """Return `coverage` as a float.

    Raises:
        ValueError: `coverage` is not between 0 and 1.
    """
    if not is_number(coverage) or not 0 < float(coverage) < 1:
        raise ValueError(f"coverage must be between 0 and 1, such as 0.9, got {coverage!r}")
    return float(coverage)


Ends = tuple[np.ndarray, np.ndarray]
"""The lower and the upper ends of prediction intervals, (rows,) or (rows, targets) each."""


def interval(target: Numbers, held_out: HeldOut, outputs: np.ndarray, coverage: float) -> Ends:
    """Prediction intervals, which contain the true target in the share `coverage` of rows.

    An interval is centred at the prediction. Its width is proportional to the smoothed mean error of held-out
    predictions of similar size (Papadopoulos, Gammerman, Vovk, 2008). If the network predicts several quantiles, the
    interval instead starts as the two quantiles nearest to its nominal ends, which are then moved apart or together
    (Romano, Patterson, Candès, "Conformalized quantile regression", 2019).

    Args:
        target: the scale of the numbers, or the quantiles, which define the meaning of the outputs.
        held_out: the held-out rows that determine the width.
        outputs: outputs for the rows to predict, (rows, outputs).
        coverage: the share of rows whose true target lies in the interval, for each target separately.

    Returns:
        The lower and the upper ends, two arrays of shape (rows,) for a single target or several quantiles,
        otherwise (rows, targets).

    Raises:
        DataError: too few rows were held out for this coverage.
    """
    assert held_out.target is not None
    known, truth = target.predictions(held_out.said), target.decode(held_out.target)
    found = target.predictions(outputs)
    if isinstance(target, Quantiles):
        pair = _pair(target.levels, coverage)
        if pair is not None:
            return _between(known[:, pair], truth, found[:, pair], held_out.weights, coverage)
        known, found = known[:, target.middle], found[:, target.middle]
    each = zip(_columns(known), _columns(truth), _columns(found), strict=True)
    columns = [_around(*one, held_out.weights, coverage) for one in each]
    low, high = (np.stack(ends, axis=1).reshape(found.shape) for ends in zip(*columns, strict=True))
    return (np.maximum(low, 0.0), high) if target.logarithmic else (low, high)


def _columns(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), -1).T


def _pair(levels: tuple[float, ...], coverage: float) -> list[int] | None:
    """The positions of the quantile levels nearest to the ends of a central interval with this coverage.

    The result is None if no level is below the median, or no level is above the median.
    """
    shares = np.array(levels)
    low = int(np.abs(shares - (1 - coverage) / 2).argmin())
    high = int(np.abs(shares - (1 + coverage) / 2).argmin())
    return [low, high] if shares[low] < 0.5 < shares[high] else None


def _between(
    known: np.ndarray, truth: np.ndarray, found: np.ndarray, weights: np.ndarray | None, coverage: float
) -> Ends:
    outside = np.maximum(known[:, 0] - truth, truth - known[:, 1])
    shift = _quantile(outside, weights, coverage) + _rounding(truth)
    middle = found.mean(axis=1)  # limits both ends, so that they don't cross
    return np.minimum(found[:, 0] - shift, middle), np.maximum(found[:, 1] + shift, middle)


def _around(
    known: np.ndarray, truth: np.ndarray, found: np.ndarray, weights: np.ndarray | None, coverage: float
) -> Ends:
    distances = np.abs(truth - known)
    usual, at = _usual_distances(known, distances)
    if not usual.any():  # all held-out predictions are exact
        return found, found
    width = np.interp(found, at, usual)
    half = width * _quantile(distances / np.interp(known, at, usual), weights, coverage)
    return found - half - _rounding(truth), found + half + _rounding(truth)


def _rounding(truth: np.ndarray) -> float:
    """The greatest rounding error of targets stored as float32.

    It matters if many targets equal an interval's end.
    """
    return float(np.finfo(np.float32).eps * np.abs(truth).max())


def _usual_distances(known: np.ndarray, distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The smoothed mean error and the mean prediction of each group of rows with similar predictions."""
    count = min(max(len(known) // _FEWEST_ROWS_A_LEVEL, 1), _MOST_LEVELS)
    parts = np.array_split(np.argsort(known, kind="stable"), count)
    whole = float(distances.mean())
    sums = np.array([distances[part].sum() for part in parts])
    sizes = np.array([len(part) for part in parts])
    usual = (sums + _ROWS_OF_THE_WHOLE * whole) / (sizes + _ROWS_OF_THE_WHOLE)
    return usual, np.array([known[part].mean() for part in parts])


def likely(held_out: HeldOut, probabilities: np.ndarray, coverage: float) -> np.ndarray:
    """The smallest prediction sets with this `coverage`, as a mask (rows, classes).

    A set contains all classes whose probability reaches a threshold, and always the likeliest class. In the share
    `coverage` of held-out rows, the true class's probability reaches this threshold (Sadinle, Lei, Wasserman, "Least
    ambiguous set-valued classifiers with bounded error levels", 2019).

    Raises:
        DataError: too few rows were held out for this coverage.
    """
    threshold = 1 - _quantile(1 - held_out.said.astype(np.float64), held_out.weights, coverage)
    # A tolerance for rounding, since probabilities were kept as float32.
    sets = probabilities >= threshold * (1 - 1e-6)
    sets[np.arange(len(sets)), probabilities.argmax(axis=1)] = True
    return sets


def _quantile(scores: np.ndarray, weights: np.ndarray | None, coverage: float) -> float:
    """A bound that a new row's score doesn't exceed with probability `coverage`.

    The new row is assumed to have mean weight.
    """
    order = np.argsort(scores, kind="stable")
    shares = np.ones(len(scores)) if weights is None else weights[order] / weights.mean(dtype=np.float64)
    reached = np.cumsum(shares, dtype=np.float64) >= coverage * (len(scores) + 1) * (1 - 1e-12)
    if not reached.any():
        needed = int(np.ceil(coverage / (1 - coverage) - 1e-9))
        raise DataError(
            f"coverage={coverage:g} needs {needed} held-out rows, but there are {len(scores)}; "
            "use a lower coverage, train on more rows, or hold out more rows (validation_fraction, --validation)"
        )
    return float(scores[order[int(reached.argmax())]])


# --- the spread of members, and intervals from held-out rows ----------------------------------------------------------
def held_out_by(fitted: FittedModel[Any], parts: Parts, outputs: np.ndarray) -> HeldOut | None:
    """The members' outputs for a sample of held-out rows, as a `HeldOut`.

    The result is None if no rows were held out, or outputs are not finite.

    Args:
        fitted: the model after training and calibration.
        parts: each member's held-out rows, or a single item with the held-out rows of all members.
        outputs: the model's outputs for these rows, as of `own_outputs`.
    """
    of_parts = np.split(outputs, np.cumsum([len(part) for part in parts])[:-1])
    few = [_sample(len(part), -(-_MOST_ROWS // len(parts))) for part in parts]
    outputs = np.concatenate([one[rows] for one, rows in zip(of_parts, few, strict=True)])
    if not len(outputs) or not np.isfinite(outputs).all():
        return None
    known = targets_of([part.some(rows) for part, rows in zip(parts, few, strict=True)])
    return HeldOut.of(fitted.target, outputs, *known)


def _sample(rows: int, most: int) -> np.ndarray:
    """Positions of at most `most` rows."""
    return np.arange(rows) if rows <= most else np.sort(np.random.default_rng(0).permutation(rows)[:most])


def require_held_out(fitted: FittedModel[Any], what: str) -> HeldOut:
    """The model's held-out rows; the error message names the purpose, `what`.

    Raises:
        DataError: the model has no held-out rows.
    """
    if fitted.held_out is None:
        raise DataError(
            f"{what} needs the predictions of members for their held-out rows, and this model has none: it was fitted "
            "without early_stopping (or on fewer than 10 rows), by partial_fit or warm_start, taught by distill, "
            "imported, or saved by an older lamina; fit it with early_stopping=True or an eval_set"
        )
    return fitted.held_out


def interval_of(fitted: FittedModel[Any], outputs: np.ndarray, coverage: Any) -> Ends:
    """Prediction intervals for rows with these outputs; see `MLPRegressor.predict_interval`."""
    share = checked_coverage(coverage)
    return interval(fitted.target, require_held_out(fitted, "predict_interval"), outputs, share)


def members_spread(
    outputs: np.ndarray, shares: Sequence[float], meaning: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """The standard deviation of the members' predictions, weighted by `shares`.

    `outputs` is (members, rows, outputs); `meaning` converts a member's outputs to predictions. The variance is
    unbiased: for equal shares, the sum of squares is divided by members − 1.

    Raises:
        DataError: there is only a single member.
    """
    if len(outputs) < 2:
        raise DataError(
            "return_std compares members, but this model has only one; fit it with members=2 or more"
        )
    said, weights = np.array([meaning(one) for one in outputs]), np.asarray(shares)
    squares = np.square(said - np.tensordot(weights, said, 1))
    return np.sqrt(np.tensordot(weights, squares, 1) / (1 - np.square(weights).sum()))
