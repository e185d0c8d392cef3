"""The uncertainty of predictions: the spread of an estimator's members, and intervals from held-out rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamina.errors import DataError
from lamina.estimators.conformal import Ends, HeldOut, checked_coverage, interval
from lamina.estimators.data import Parts, targets_of
from lamina.estimators.fitted import FittedModel

_MOST_ROWS = 4000
"""Maximum number of held-out rows, as in `HeldOut`."""


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
