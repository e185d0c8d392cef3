"""What a text in a cell says: that the value is missing, a number, a date. And the mean of numbers of any size."""

from __future__ import annotations

import re

import numpy as np

__all__ = ["MISSING_TOKENS", "NUMBER_PATTERN", "is_date", "mean_of", "number_in"]

MISSING_TOKENS = (
    "", "?", "-", "--", ".", "NA", "N/A", "n/a", "<NA>", "#N/A", "#NA", "NaN", "nan", "-NaN", "-nan",
    "NULL", "Null", "null", "None", "NIL", "nil", "NaT",
)  # fmt: skip
"""Texts that stand for a missing value in a text file, after spaces around them are removed.

`none` in small letters is not among them: it is often a category.
"""

NUMBER_PATTERN = r"^[+-]?(?:(?:[1-9]\d*|0)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$|^[+-]?(?i:inf|infinity)$"
"""Texts that are numbers. Digits after a leading zero ("007", "02134") are codes, not numbers."""

_NUMBER = re.compile(NUMBER_PATTERN)
_TIME = r"(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:\s*[AaPp][Mm])?(?:Z|[+-]\d{2}:?\d{2})?)?"
_MONTH = r"(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_DATE = re.compile(
    rf"(?:\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}|\d{{1,2}}[-/.]\d{{1,2}}[-/.](?:\d{{4}}|\d{{2}})"
    rf"|\d{{1,2}}[- ]{_MONTH}[- ,]+\d{{2,4}}|{_MONTH} \d{{1,2}},? \d{{4}}){_TIME}"
)


def number_in(text: str) -> float | None:
    """The number that a text is, or None.

    >>> [number_in(text) for text in (" 1.5", "-2e3", "007", "12 km")]
    [1.5, -2000.0, None, None]
    """
    text = text.strip()
    return float(text) if _NUMBER.match(text) else None


def is_date(text: str) -> bool:
    """Whether a text is a date in a usual form, with or without a time.

    >>> [is_date(text) for text in ("2024-02-29", "1/31/24 10:30", "3 May 2024", "2024", "1.5")]
    [True, True, True, False, False]
    """
    return _DATE.fullmatch(text.strip()) is not None


def mean_of(values: np.ndarray) -> float:
    """The mean of finite numbers, in float64; also where their sum is beyond its range.

    >>> mean_of(np.array([1, 2])), mean_of(np.array([1.5e308, 1.7e308]))
    (1.5, 1.6e+308)
    """
    with np.errstate(over="ignore"):
        mean = float(values.mean(dtype=np.float64))
    return mean if np.isfinite(mean) else float((values / len(values)).sum())
