"""What a text in a cell says: that it is missing, a number, a date, a time. And the mean of numbers of any size."""

from __future__ import annotations

import datetime
import re

import numpy as np

__all__ = [
    "DAY", "EPOCH", "MISSING_TOKENS", "NUMBER_PATTERN", "date_in", "is_date", "mean_of", "number_in", "time_in",
]  # fmt: skip

DAY = 86_400_000_000
"""Microseconds."""

EPOCH = datetime.date(1970, 1, 1)
"""Dates are days since then."""
_MIDNIGHT = datetime.datetime.combine(EPOCH, datetime.time())

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

_CLOCK = re.compile(
    r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d(?:\.\d+)?))?(?:\s*([AaPp])\.?[Mm]\.?)?", re.ASCII
)


_ISO = re.compile(
    r"(\d{4})([-/])(\d{1,2})\2(\d{1,2})(?:[T ] ?(\d.{0,30}?) ?(?:Z|UTC|GMT|([+-])([01]\d|2[0-3])(?::?([0-5]\d))?)?)?",
    re.ASCII,
)
"""A date, a time that `time_in` reads, and a zone."""

_PLAIN = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?", re.ASCII)
"""Of those, what most programs write: `datetime` reads it at once."""


def number_in(text: str) -> float | None:
    """The number that a text is, or None.

    >>> [number_in(text) for text in (" 1.5", "-2e3", "007", "12 km")]
    [1.5, -2000.0, None, None]
    """
    text = text.strip()
    return float(text) if _NUMBER.match(text) else None


def time_in(text: str) -> float | None:
    """The seconds since midnight of a text that is a time of day, or None.

    >>> [time_in(text) for text in ("00:01", "13:45:10", "1:45:10.5 pm", "24:00", "1.5")]
    [60.0, 49510.0, 49510.5, None, None]
    """
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        return None
    hour, half = int(found[1]), (found[4] or "").lower()
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    return hour * 3600.0 + int(found[2]) * 60.0 + float(found[3] or 0)


def date_in(text: str) -> float | None:
    """The days since 1970-01-01 of a text that is a date as in ISO 8601, in UTC if it names a zone; or None.

    Other forms are none: of 3/4/2011 it is not known which number is the month.

    >>> [date_in(text) for text in ("1970-01-02", "1970/1/2 12:00", "1970-01-02T12:00:00+12:00", "3/4/2011")]
    [1.0, 1.5, 1.0, None]
    """
    text = text.strip()
    try:
        if _PLAIN.fullmatch(text):
            since = datetime.datetime.fromisoformat(text) - _MIDNIGHT
            return (since.days * 86_400 + since.seconds) / 86_400
        found = _ISO.fullmatch(text)
        if found is None:
            return None
        day = datetime.date(int(found[1]), int(found[3]), int(found[4]))
    except ValueError:
        return None
    seconds = time_in(found[5]) if found[5] else 0.0
    if seconds is None:
        return None
    ahead = int(f"{found[6]}1") * (int(found[7]) * 60 + int(found[8] or 0)) if found[6] else 0
    return ((day - EPOCH).days * DAY + round(seconds * 1e6) - ahead * 60_000_000) / DAY


def is_date(text: str) -> bool:
    """Whether a text is a date in a usual form, with or without a time; also one that `date_in` does not read.

    >>> [is_date(text) for text in ("2024-02-29", "1/31/24 10:30", "3 May 2024", "2024", "1.5")]
    [True, True, True, False, False]
    """
    return _DATE.fullmatch(text.strip()) is not None or date_in(text) is not None


def mean_of(values: np.ndarray) -> float:
    """The mean of finite numbers, in float64; also where their sum is beyond its range.

    >>> mean_of(np.array([1, 2])), mean_of(np.array([1.5e308, 1.7e308]))
    (1.5, 1.6e+308)
    """
    with np.errstate(over="ignore"):
        mean = float(values.mean(dtype=np.float64))
    return mean if np.isfinite(mean) else float((values / len(values)).sum())
