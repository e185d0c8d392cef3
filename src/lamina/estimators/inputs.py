"""Checks of the estimators' inputs, arrays or data frames, and selection of their rows."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing  # pyright: ignore[reportPrivateUsage] - for estimators of others, too
from sklearn.utils.validation import _check_sample_weight, validate_data  # pyright: ignore[reportPrivateUsage]

from lamina.table.columns import (
    ArrayColumn,
    Column,
    as_column,
    column_names,
    import_narwhals,
    require_names_differ,
    unmasked,
)
from lamina.table.messages import warn

_KEPT = "d?bBhHiIlLef"
"""Dtypes that arrays keep, so that e.g. a table of bytes is not copied; others are converted to the first of these."""

_OBJECTS = "dates, times, dicts or records"
_NO_NUMBERS = {
    "could not convert string to float": "texts",
    "float() argument must be": _OBJECTS,
    "Cannot cast array data": _OBJECTS,
}
"""What an array holds, by the beginning of NumPy's error about it."""


def is_frame(X: Any) -> bool:
    """Whether `X` is a data frame: pandas, polars, pyarrow or others that narwhals supports."""
    if isinstance(X, np.ndarray | list | tuple) or hasattr(X.__class__, "tocsr"):
        return False
    return hasattr(X, "columns") or hasattr(X, "column_names") or hasattr(X, "__narwhals_dataframe__")


def check_inputs(estimator: Any, X: Any, y: Any, *, reset: bool) -> tuple[Any, Any]:
    """Check `X` and `y`; return arrays as scikit-learn converts them, and data frames unchanged.

    Masked elements become missing values. With `reset`, the estimator's `n_features_in_` and `feature_names_in_` are
    set; otherwise, the table must agree with them.
    """
    if y is None and not reset:
        X = _numbers_in(X)  # pyright: ignore[reportConstantRedefinition] - scikit-learn's name
        if _is_like_training(estimator, X):
            return X, None
    _require_table(X)
    X, y = unmasked(X), unmasked(y)  # pyright: ignore[reportConstantRedefinition] - scikit-learn's name
    if is_frame(X):
        require_names_differ(X)  # before scikit-learn's check, whose error does not suggest a remedy
        _check_names(estimator, X, reset)
        if isinstance(y, str):
            raise ValueError(
                f"y={y!r} is a string, but for a frame in memory the target is an array or column: "
                f"fit(X.drop(columns={y!r}), X[{y!r}]) in pandas; names are for tables read from disk"
            )
        if y is not None and len(X) != len(y):
            raise ValueError(
                f"Found input variables with inconsistent numbers of samples: [{len(X)}, {len(y)}]"
            )
        _warn_of_other_order(X, y)
        return X, y
    options: dict[str, Any] = {
        "accept_sparse": ["csr", "csc"],
        "dtype": [*map(np.dtype, _KEPT)],
        "ensure_all_finite": False,  # the encoder names the column and the row of an infinite value
        "reset": reset,
    }
    try:
        if y is None:
            return validate_data(estimator, X, **options), None
        # The estimator itself converts a regression's target to numbers, and raises for values that are not.
        checked, target = validate_data(estimator, X, y, multi_output=True, **options)
        return checked, target
    except (TypeError, ValueError) as error:
        what = next((what for start, what in _NO_NUMBERS.items() if str(error).startswith(start)), None)
        if what is None:
            raise
        advice = f"give a table with {what} as a data frame of polars, pandas or pyarrow"
        if what == "texts":
            advice += ' (steps of a pipeline give one after set_output(transform="pandas"))'
        raise type(error)(f"{error}; {advice}") from error


def _warn_of_other_order(X: Any, y: Any) -> None:
    """Warn if pandas' indices of `X` and `y` are the same in another order, since rows are paired by position."""
    one: Any = getattr(X, "index", None)
    other: Any = getattr(y, "index", None)
    are_alike = hasattr(one, "isin") and hasattr(other, "isin") and one.nlevels == other.nlevels
    if not are_alike or one.equals(other) or not (one.is_unique and other.is_unique):
        return
    if one.isin(other).all() and other.isin(one).all():
        warn(
            "X and y have the same index in another order; rows are paired by position, as in scikit-learn: to pair "
            "them by index, give y.loc[X.index]"
        )


def _is_like_training(estimator: Any, X: Any) -> bool:
    """Whether scikit-learn's check would leave the table `X` unchanged.

    The check itself takes longer than predicting a row.
    """
    known = getattr(estimator, "feature_names_in_", None)
    if known is not None:  # scikit-learn warns that an array has no names
        return is_frame(X) and (names := column_names(X)) is not None and [*names] == known.tolist()
    return (
        type(X) is np.ndarray
        and X.ndim == 2
        and X.dtype.char in _KEPT
        and X.dtype.isnative
        and len(X) > 0
        and X.shape[1] == getattr(estimator, "n_features_in_", 0)
    )


def _numbers_in(X: object) -> object:
    """The array of a list of lists of numbers, as scikit-learn's check makes it; anything else is unchanged."""
    if X.__class__ is not list:
        return X
    with suppress(ValueError):
        found: np.ndarray = np.asarray(X)
        if found.dtype.char in "?ld":
            return found.astype(np.float64)
    return X


def _require_table(X: Mapping[Any, Any] | os.PathLike[str] | str) -> None:
    is_dict = isinstance(X, Mapping) and not hasattr(X, "tocsr")  # SciPy's dok_matrix is a Mapping, too
    if is_dict or isinstance(X, str | os.PathLike):
        raise TypeError(
            f"X must be an array or a data frame, not a {type(X).__name__}; read files with polars.read_csv or "
            "pandas.read_csv, and convert dicts with polars.DataFrame"
        )


def one_pair(eval_set: Sequence[Any]) -> tuple[Any, Any]:
    """X and y from an `eval_set`, which is a pair or a list with a single pair.

    Gradient boosting libraries take such a list.
    """
    pair: Sequence[Any] = eval_set[0] if isinstance(eval_set, list) and len(eval_set) == 1 else eval_set
    if isinstance(pair, tuple | list) and len(pair) == 2 and not all(map(_is_pair, pair)):
        return pair[0], pair[1]
    found = (
        f"{len(pair)} pairs or other objects" if isinstance(pair, tuple | list) else type(eval_set).__name__
    )
    raise ValueError(
        f"eval_set must be one pair (X, y) to validate on, not {found}: fit(X, y, eval_set=(X_valid, y_valid)). To "
        "score other rows, call score(X_test, y_test) after fit"
    )


def _is_pair(value: Sequence[Any] | np.ndarray) -> bool:
    """Whether `value` is a pair of a table and a target, and not a table of two rows."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        return False
    table: Sequence[Any] | np.ndarray = value[0]
    if isinstance(table, tuple | list):
        return len(table) > 0 and isinstance(table[0], tuple | list | np.ndarray)
    return is_frame(table) or len(getattr(table, "shape", ())) == 2


def _check_names(estimator: Any, X: Any, reset: bool) -> None:
    """Check the columns' names.

    With `reset`, they are stored in the estimator; otherwise, `X` must have the stored names.
    """
    try:
        validate_data(estimator, X, skip_check_array=True, reset=reset)
    except ValueError as error:
        if reset or "same order" not in str(error):
            raise
        hint = "Bring them into that order with X[list(model.feature_names_in_)]."
        raise ValueError(f"{str(error).rstrip()}\n{hint}") from error


def require_target(y: np.ndarray) -> None:
    """Raise `ValueError` if the target is empty, complex, or has missing values (None, NaN, NA)."""
    if not len(y):
        raise ValueError(
            "Found array with 0 sample(s) while a minimum of 1 is required: the table has no rows"
        )
    if np.iscomplexobj(y):
        raise ValueError("Complex data not supported: the target has complex numbers")
    column = ArrayColumn("y", y.reshape(len(y), -1)[:, 0])
    if column.missing():
        raise ValueError(
            f"Input y contains NaN: the target of row {column.first_missing()} is missing; leave such rows out"
        )


def values_of(X: Any) -> np.ndarray:
    """The values of a table, (rows, columns): numeric arrays unchanged, data frames as Python objects."""
    if is_frame(X):
        frame = import_narwhals().from_native(X, eager_only=True)
        found = np.empty(frame.shape, object)
        for j, name in enumerate(frame.columns):
            found[:, j] = frame.get_column(name).to_list()
        return found
    return X.toarray() if hasattr(X, "tocsr") else np.asarray(X)


def length(X: Any) -> int:
    """The number of rows of a table."""
    return X.shape[0] if hasattr(X, "shape") else len(X)


def counted_rows(X: Any, weights: np.ndarray | None) -> np.ndarray:
    """The positions of the rows with non-zero weight, int32."""
    everything = np.arange(length(X), dtype=np.int32)
    return everything if weights is None else everything[weights > 0]


def with_weight(X: Any, y: np.ndarray, sample_weight: Any, *marks: Any) -> tuple[Any, ...]:
    """X, y, weights, and `marks` (groups, times) of the rows with non-zero weight.

    If `sample_weight` is None, all rows are returned, and None for the weights.

    Raises:
        ValueError: a weight is negative, or the number of weights differs from the number of rows.
    """
    if sample_weight is None:
        return X, y, None, *marks
    rows = np.empty((length(X), 0))
    weights = _check_sample_weight(sample_weight, rows, dtype=np.float64, ensure_non_negative=True)
    rows = np.flatnonzero(weights)
    if len(rows) in (0, len(weights)):
        return X, y, weights, *marks
    frame = import_narwhals().from_native(X, eager_only=True) if is_frame(X) else None
    table = X[rows] if frame is None else frame[rows].to_native()
    return table, *(None if one is None else _safe_indexing(one, rows) for one in (y, weights, *marks))


def require_rows(rows: int, sample_weight: Any) -> None:
    """Raise `ValueError` unless at least two rows have a non-zero weight, which training needs."""
    if rows == 1 and np.ndim(sample_weight) and len(sample_weight) > 1:
        row = np.flatnonzero(np.asarray(sample_weight))[0]
        raise ValueError(
            f"sample_weight: only row {row} has a weight above 0, of {len(sample_weight):,} rows; training needs at "
            "least 2"
        )


def mark_of_rows(what: str, values: Any) -> Column | None:
    """The argument `groups` or `time` of `fit` as a column, or None; error messages call the argument `what`.

    Raises:
        TypeError: `values` is a string, or does not have a value for each row.
    """
    if values is None or isinstance(values, Column):
        return values
    if isinstance(values, str):
        raise TypeError(
            f"{what}={values!r} is a string, but for a table in memory it must be an array or a column with a value "
            f"for each row: {what}=X[{values!r}]"
        )
    values = unmasked(values)
    shape = getattr(values, "shape", None) or np.shape(values)
    if len(shape) != 1:
        raise TypeError(f"{what} must have one value for each row, (rows,), not the shape {shape}")
    return as_column(values, what)


def union(parts: Sequence[np.ndarray]) -> np.ndarray:
    """The sorted union of arrays of row numbers."""
    return parts[0] if len(parts) == 1 else np.unique(np.concatenate(parts))


def selection(table: Any, rows: np.ndarray) -> np.ndarray | None:
    """The row numbers `rows`; None if they are all rows of the table."""
    return None if len(rows) == length(table) else rows
