"""Parsing of a cell's text as a number or a time of day.

The module also has patterns that are compiled on first use, and a mean without overflow.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection
from typing import Any, cast

import numpy as np

DAY = 86_400_000_000
"""Microseconds per day."""

EPOCH = datetime.date(1970, 1, 1)
"""The origin of dates in days."""

MISSING_TOKENS = (
    "", "?", "-", "--", ".", "NA", "N/A", "n/a", "<NA>", "#N/A", "#NA", "NaN", "nan", "-NaN", "-nan",
    "NULL", "Null", "null", "None", "NIL", "nil", "NaT", "\\N",
    "#DIV/0!", "#REF!", "#VALUE!", "#NAME?", "#NUM!", "#NULL!", "#NV", "#BEZUG!", "#WERT!", "#ZAHL!",
    "Err:502", "Err:508", "Err:509", "Err:511", "Err:512", "Err:522", "Err:523",
)  # fmt: skip
"""Texts for missing values in a text file, after stripping spaces.

Lowercase `none` is not included, since it is often a category.
"""

MISSING = frozenset(MISSING_TOKENS)
"""`MISSING_TOKENS`, for quick look-ups."""

NUMBER_PATTERN = r"^[+-]?(?:(?:[1-9]\d*|0)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$|^[+-]?(?i:inf|infinity)$"
"""Matches numbers. Digits with a leading zero ("007", "02134") are codes, not numbers."""

THOUSANDS = r"^[+-]?(?:0|[1-9]\d{0,2}(?:\.\d{3})?)$"
"""Matches numbers up to 999.999 that may have a point between thousands."""

_NUMBER = re.compile(NUMBER_PATTERN)
CLOCK = re.compile(
    r"(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)(?::(?P<digits>[0-5]\d)(?:\.(?P<fraction>\d+))?)?"
    r"(?:\s*(?P<half>[AaPp])\.? ?[Mm]\.?)?|(?P<hour2>[01]?\d)\s*(?P<half2>[AaPp])\.? ?[Mm]\.?",
    re.ASCII,
)
"""Matches times of day."""


NO_BREAKS = str.maketrans(dict.fromkeys("\u00a0\u202f", " "))
"""Spaces that don't break lines, which programs write before "PM", as plain ones."""


def number_in(text: str) -> float | None:
    """The number that a text represents; None for other texts.

    >>> [number_in(text) for text in (" 1.5", "-2e3", "007", "12 km")]
    [1.5, -2000.0, None, None]
    """
    text = text.strip()
    return float(text) if _NUMBER.match(text) else None


def have_thousands(texts: Collection[str]) -> bool:
    """Whether points separate thousands in a column's numbers.

    They do if three digits follow every point, some of these end in 0, and some numbers have no point.

    >>> have_thousands(["1.500", "12.345", "900"]), have_thousands(["1.500", "2.250"]), have_thousands(["1.234", "9"])
    (True, False, False)
    """
    points = [text for text in texts if "." in text]
    return (
        0 < len(points) < len(texts)
        and any(text.endswith("0") for text in points)
        and all(re.match(THOUSANDS, text) for text in texts)
    )


def time_in(text: str) -> float | None:
    """The time of day that a text represents, in seconds since midnight; None for other texts.

    >>> [time_in(text) for text in ("00:01", "13:45:10", "1:45:10.5 pm", "4 pm", "24:00", "1.5")]
    [60.0, 49510.0, 49510.5, 57600.0, None, None]
    """
    found = CLOCK.fullmatch(text.strip().translate(NO_BREAKS))
    if found is None:
        return None
    hour, half = int(found["hour"] or found["hour2"]), (found["half"] or found["half2"] or "").lower()
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    seconds = float(f"{found['digits'] or 0}.{found['fraction'] or 0}")
    return hour * 3600.0 + int(found["minute"] or 0) * 60.0 + seconds


def mean_of(values: np.ndarray) -> float:
    """The mean of finite numbers in float64, computed without overflow.

    >>> mean_of(np.array([1, 2])), mean_of(np.array([1.5e308, 1.7e308]))
    (1.5, 1.6e+308)
    """
    with np.errstate(over="ignore"):
        mean = float(values.mean(dtype=np.float64))
    return mean if np.isfinite(mean) else float((values / len(values)).sum())


# --- Lazily compiled regular expressions: most programs read no columns that need them -------------------------------


class _Lazy:
    def __init__(self, pattern: str, flags: int) -> None:
        self._given = pattern, flags

    def __getattr__(self, name: str) -> Any:
        found = getattr(re.compile(*self._given), name)
        setattr(self, name, found)
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return _Lazy, self._given


def lazily(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """A pattern that is compiled on first use.

    >>> lazily("a+").fullmatch("aa") is not None
    True
    """
    return cast("re.Pattern[str]", _Lazy(pattern, flags))


def in_javascript(pattern: re.Pattern[str]) -> str:
    r"""The pattern in JavaScript's syntax.

    Unicode classes of letters and digits need JavaScript's flag u.

    >>> print(in_javascript(lazily(r"(?P<a>[^\W\d_])(?P=a)")))
    (?<a>[\p{L}\p{Nl}\p{No}])\k<a>
    """
    text = re.sub(r"\(\?P=(\w)\)", r"\\k<\1>", pattern.pattern).replace("(?P<", "(?<").replace('\\"', '"')
    return text.replace(r"[^\W\d_]", r"[\p{L}\p{Nl}\p{No}]").replace(r"[\w ]", r"[\p{L}\p{N}_ ]")
