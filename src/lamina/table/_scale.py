"""Robust scaling and smooth clipping of numeric columns, as in RealMLP.

The method is from section 3 of Holzmüller, Grinsztajn, Steinwart: "Better by Default: Strong Pre-Tuned MLPs and
Boosted Trees on Tabular Data", 2024, arXiv 2407.04491. The median is subtracted; the difference is divided by the
interquartile range, or by half the range if the interquartile range is 0; a constant becomes 0. Smooth clipping then
computes x / √(1 + (x/3)²), which is about x near 0 and always within ±3.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np

from lamina import nd
from lamina.nd.ndarray import NDArray
from lamina.table.tables import by_column, dense

ArrayT = TypeVar("ArrayT", np.ndarray, NDArray)

_QUANTILES = (0.25, 0.5, 0.75)
_BLOCK = 1 << 19
"""Maximum size of a temporary array."""


def robust_statistics(values: np.ndarray) -> tuple[float, float]:
    """The median of `values`, and the factor that scales them: 1 / interquartile range.

    `values` is 1-D with any real dtype; NaN is ignored. Without values, the median and the factor are 0.

    >>> median, factor = robust_statistics(np.array([0.0, 1.0, 2.0, 3.0, 100.0]))
    >>> median, factor
    (2.0, 0.5)
    """
    present = values[~np.isnan(values)] if values.dtype.kind == "f" else values
    if not len(present):
        return 0.0, 0.0
    centers, factors = matrix_statistics(present.reshape(-1, 1))
    return float(centers[0]), float(factors[0])


def matrix_statistics(matrix: Any, rows: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The medians and the scale factors of a matrix's columns, float64 (columns,) each.

    The matrix (rows, columns) is an array or in one of SciPy's sparse formats, with at least one row. `rows` has the
    indices of the rows to use; None: all. NaN is ignored.
    """
    matrix = by_column(matrix)
    columns = matrix.shape[1]
    counted = slice(None) if rows is None else rows
    centers, factors = np.zeros(columns), np.zeros(columns)
    width = max(1, _BLOCK // matrix.shape[0])
    for start in range(0, columns, width):
        part = slice(start, start + width)
        # Each column is contiguous, so that finding a quantile runs through memory in order.
        block = np.array(dense(matrix[:, part]).T[:, counted], order="C")
        if matrix.dtype.kind in "bu" and matrix.dtype.itemsize == 1:
            counts = [np.bincount(column, minlength=256) for column in block]
            summary = np.stack([_summary_of_counts(np.arange(256), n) for n in counts], axis=1)
        else:
            summary = _summary(block)
        centers[part], factors[part] = center_and_factor(summary)
    for j in np.flatnonzero(np.isnan(centers)):
        centers[j], factors[j] = robust_statistics(dense(matrix[:, [j]]).ravel()[counted])
    return centers, factors


def _summary(block: np.ndarray) -> np.ndarray:
    """The minimum, quartiles and maximum of each row of `block`, (5, number of rows).

    The rows of `block` are sorted in place.
    """
    block.sort(axis=1)  # NumPy's vectorised sort is faster here than np.partition at several places
    last = block.shape[1] - 1
    positions = np.array([0, *(q * last for q in _QUANTILES), last])
    below = np.floor(positions).astype(np.intp)
    left = block[:, below].astype(np.float64)
    right = block[:, np.minimum(below + 1, last)].astype(np.float64)
    with np.errstate(invalid="ignore"):  # NumPy's sort of float16 leaves NaN that signal
        summary = (left + (right - left) * (positions - below)).T
    summary[:, np.isnan(block[:, last])] = np.nan  # NaN sorts last
    return summary


def count_statistics(values: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """The `robust_statistics` of a column in which `values[i]` occurs `counts[i]` times.

    `values` are ascending. No array with all occurrences is created.

    >>> count_statistics(np.array([0.0, 1.0]), np.array([95, 5]))
    (0.0, 2.0)
    """
    if not counts.sum():
        return 0.0, 0.0
    center, factor = center_and_factor(_summary_of_counts(values, counts)[:, None])
    return float(center[0]), float(factor[0])


def _summary_of_counts(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    ends = np.cumsum(counts)
    last = int(ends[-1]) - 1
    positions = np.array([0, *(q * last for q in _QUANTILES), last])
    left = values[np.searchsorted(ends, np.floor(positions), side="right")].astype(np.float64)
    right = values[np.searchsorted(ends, np.minimum(np.floor(positions) + 1, last), side="right")]
    return left + (right - left) * (positions - np.floor(positions))


def quartiles(values: np.ndarray, low: float | None, high: float | None) -> np.ndarray:
    """The minimum, quartiles and maximum (5,) of a column, from a sample and the extremes of all values.

    `values` is the sample, 1-D; NaN is ignored.

    >>> quartiles(np.array([1.0, np.nan, 3.0, 2.0]), -10.0, 10.0)
    array([-10. ,   1.5,   2. ,   2.5,  10. ])
    """
    present = values[~np.isnan(values)] if values.dtype.kind == "f" else values
    low = 0.0 if low is None else low  # a column without a value
    summary = _summary(present.reshape(1, -1).copy())[:, 0] if len(present) else np.full(5, low)
    summary[[0, -1]] = low, low if high is None else high
    return summary


def center_and_factor(summary: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The medians and scale factors of columns, from their minima, quartiles and maxima (5, columns)."""
    low, quarter, median, three_quarters, high = summary
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        spread = three_quarters - quarter
        # Half the range; halved first, since the range of the largest floats is not a float.
        spread = np.where(spread == 0, 0.5 * high - 0.5 * low, spread)
        factor = np.where(spread == 0, 0.0, 1.0 / spread)
    return median, np.where(np.isfinite(factor), factor, 0.0)


def scaled(
    x: ArrayT, rows: Iterable[ArrayT], clips: np.ndarray | bool, missing: ArrayT | None = None
) -> ArrayT:
    """(x − center) · factor, or `fill` where a number is missing; then `smooth_clip` on the columns in `clips`.

    Args:
        x: (rows, columns), a NumPy array, or a `lamina.nd` array in a graph; its dtype is that of the computation.
        rows: the arrays center, factor and fill, each (1, columns), in the same dtype.
        clips: a mask of the columns to clip, (columns,), bool; True or False: all or none.
        missing: a mask of missing values, (rows, columns), bool; None: there are none.
    """
    F, (center, factor, fill) = _functions_of(x), rows
    found: Any = x - center
    found *= factor
    if missing is not None:
        found = F.where(missing, F.broadcast_to(fill, x.shape), found)
    if clips is True:
        smooth_clip(found)
    elif clips is not False:
        clipped = found.copy()
        smooth_clip(clipped)
        found = F.where(F.broadcast_to(F.array(np.reshape(clips, (1, -1))), x.shape), clipped, found)
    return found


def smooth_clip(x: Any) -> None:
    """Replace each x of a float array by x / √(1 + (x/3)²), in place.

    The array is NumPy's or `lamina.nd`'s. x is first limited so that its square is finite; beyond this limit, the
    result is ±3 anyway.

    >>> x = np.array([0.0, 4.0, -1e30])
    >>> smooth_clip(x)
    >>> x
    array([ 0. ,  2.4, -3. ])
    """
    F = _functions_of(x)
    limit = 1e9 if np.dtype(x.dtype) == np.float32 else 1e100
    (np.ndarray if F is np else F).clip(x, -limit, limit, out=x)  # `np.clip` takes longer to call it
    scale = x * (1 / 3)
    scale *= scale
    scale += 1
    F.sqrt(scale, out=scale)
    x /= scale


def _functions_of(x: Any) -> Any:
    """The module with the functions for the array `x`, NumPy or `lamina.nd`."""
    return np if isinstance(x, np.ndarray) else nd
