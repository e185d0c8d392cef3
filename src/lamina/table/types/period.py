"""Periods: two dates in a cell, such as 09/20/2011 - 10/28/2011."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from lamina.table.columns import Column, value_name
from lamina.table.dates import YEAR, DateForm, found_form, is_date, requested_form, shape_of
from lamina.table.types.base import MOSTLY, Candidate, ColumnSchema
from lamina.table.types.date import Date
from lamina.table.types.fields import Field, Fields
from lamina.table.types.reading import script_beside
from lamina.table.values import in_javascript, lazily

_TO = lazily(r"\s*(?:[–—/-]|\.\.\.?|\b(?:to|until|till|through|bis)\b)\s*", re.IGNORECASE)
_OPEN = lazily(r"\?|present|now|current|ongoing|today", re.IGNORECASE)
_YEARS = lazily(rf"(1[5-9]\d\d|20\d\d)(?:{_TO.pattern})(?:(1[5-9]\d\d|20\d\d)|(\S+))", re.IGNORECASE)
_DIGIT = lazily(r"\d")
_LAST_YEAR = lazily(r"(?:, ?|[ /.-])?(\d{4})$")
_NO_YEAR = lazily(r".*(?:[^\W\d]|\d\D+\d).*")
"""Matches a date without its year, which is that of the second date: Sep 15 - Oct 14, 2018."""


@dataclass(frozen=True)
class Period(Fields):
    """Two dates, in any format: the first as days since 1970-01-01 and its place in the year, and the days between.

    The second date may be open, as in "May 2019 - present", and the first one without a year. Years are their first
    days. A single date among periods has 0 days.

    Attributes:
        order, pivot: the format of the dates, see `DateForm`.

    >>> found = Period(order="mdy").read("09/20/2011 - 10/28/2011")
    >>> found["start"], found["days"], Period().read("2011-09-20 to ?")["days"], Period().read("to 2011")
    (15237.0, 38.0, None, None)
    >>> [Period().read(text)["days"] for text in ("Sep 15 - Oct 14, 2018", "Dec 31 - Jan 2, 2019", "1998–2000")]
    [29.0, 2.0, 730.0]
    """

    order: str = ""
    pivot: int = DateForm.pivot
    tag = "period"
    kind = "dates"
    plural = "periods of two dates"
    sample = "2011-09-20 to 2011-10-28"
    fields = ("start", "days", "season sine", "season cosine")
    keeps_whole = False
    page_script: ClassVar[str] = script_beside(__file__)

    def looks_like(self, text: str) -> bool:
        return _dates(text) is not None

    def _found(self, candidate: Candidate) -> Fields | None:
        if not candidate.first.reaches(1 - MOSTLY, lambda text: len({*(_dates(text) or ())}) > 1):
            return None  # dates, at most with a few periods
        pairs = [(pair, rows) for text, rows in candidate.texts if (pair := _dates(text))]
        told = requested_form(candidate.dates) if candidate.dates else None
        texts, counts = zip(*((text, rows) for pair, rows in pairs for text in pair), strict=True)
        form = found_form(texts, counts, told).form
        return super(Period, replace(self, order=form.order, pivot=form.pivot))._found(candidate)

    def read(self, text: str) -> Mapping[str, Field] | None:
        return self._read_each([text])[0]

    def _read_each(self, values: Sequence[Any]) -> list[Any]:
        names = ["" if value is None else value_name(value).strip() for value in values]
        pairs = [_dates(name) or ("", "") for name in names]
        form = DateForm(self.order, pivot=self.pivot)
        starts, ends = (form.days([pair[side] for pair in pairs]) for side in (0, 1))
        is_given = [name.startswith(first) for name, (first, _) in zip(names, pairs, strict=True)]
        starts -= 365 * (np.logical_not(is_given) & (starts > ends))
        is_open = np.array([_OPEN.fullmatch(last) is not None for _, last in pairs], bool)
        is_read = ~np.isnan(starts) & (is_open | ~np.isnan(ends))
        turns = 2 * np.pi / YEAR * starts
        columns = np.stack([starts, ends - starts, np.sin(turns), np.cos(turns)], axis=1)
        numbers = ([None if math.isnan(x) else x for x in row] for row in columns.tolist())
        pairs = zip(numbers, is_read.tolist(), strict=True)
        return [dict(zip(self.fields, row, strict=True)) if is_such else None for row, is_such in pairs]

    def part(self, column: Column) -> ColumnSchema:
        is_start = column.name.endswith(": start")
        return Date().learned(column, column.numbers(), named=True) if is_start else super().part(column)

    def page_data(self, schema: ColumnSchema) -> dict[str, Any]:
        used = [i for i, part in enumerate(schema.parts) if part.used]
        form = DateForm(self.order, pivot=self.pivot).page_data()
        patterns = {"to": _TO, "open": _OPEN, "years": _YEARS, "lastYear": _LAST_YEAR, "noYear": _NO_YEAR}
        sources = {name: in_javascript(pattern) for name, pattern in patterns.items()}
        return {"form": form, "year": YEAR, "used": used, **sources}


def _dates(text: str) -> tuple[str, str] | None:
    """The texts of the two dates of a period, the same for a single date; None for other texts."""
    text = text.strip()
    if _DIGIT.search(text) is None:  # most texts, quickly
        return None
    if (span := _between(shape_of(text))) is not None:
        first, last, year = span
        return text[:first] + text[len(text) - year :], text[last:]
    years = _YEARS.fullmatch(text)
    if years and (years[2] >= years[1] if years[2] else _OPEN.fullmatch(years[3])):
        return f"{years[1]}-01-01", f"{years[2]}-01-01" if years[2] else years[3]
    return (text, text) if is_date(text) else None


@lru_cache(4096)
def _between(shape: str) -> tuple[int, int, int] | None:
    """Where the first of two dates ends and the second begins, and the length of the second's year that both have."""
    for found in _TO.finditer(shape[:200]):
        first, last = shape[: found.start()], shape[found.end() :]
        if is_date(first) and (is_date(last) or _OPEN.fullmatch(last)):
            return *found.span(), 0
        year = _LAST_YEAR.search(last) if is_date(last) and _NO_YEAR.fullmatch(first) else None
        for own in (year[0], year[1]) if year else ():
            if is_date(first + own):
                return *found.span(), len(own)
    return None
