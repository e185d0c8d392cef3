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
from lamina.table.values import lazily

_TO = lazily(r"\s*(?:[–—/-]|\.\.\.?|\b(?:to|until|till|through|bis)\b)\s*", re.IGNORECASE)
_OPEN = lazily(r"\?|present|now|current|ongoing|today", re.IGNORECASE)


@dataclass(frozen=True)
class Period(Fields):
    """Two dates, in any format: the first as days since 1970-01-01 and its place in the year, and the days between.

    The second date may be open, as in "May 2019 - present". A single date among periods has 0 days.

    Attributes:
        order, pivot: the format of the dates, see `DateForm`.

    >>> found = Period(order="mdy").read("09/20/2011 - 10/28/2011")
    >>> found["start"], found["days"], Period().read("2011-09-20 to ?")["days"], Period().read("to 2011")
    (15237.0, 38.0, None, None)
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
        if candidate.first.share(lambda text: _between(shape_of(text.strip())) is not None) < 1 - MOSTLY:
            return None  # dates, at most with a few periods
        pairs = [(pair, rows) for text, rows in candidate.texts if (pair := _dates(text))]
        told = requested_form(candidate.dates) if candidate.dates else None
        texts, counts = zip(*((text, rows) for pair, rows in pairs for text in pair), strict=True)
        form = found_form(texts, counts, told).form
        return super(Period, replace(self, order=form.order, pivot=form.pivot))._found(candidate)

    def read(self, text: str) -> Mapping[str, Field] | None:
        return self._read_each([text])[0]

    def _read_each(self, values: Sequence[Any]) -> list[Any]:
        pairs = [_dates("" if value is None else value_name(value)) or ("", "") for value in values]
        form = DateForm(self.order, pivot=self.pivot)
        starts, ends = (form.days([pair[side] for pair in pairs]) for side in (0, 1))
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
        return {"form": form, "to": _TO.pattern, "open": _OPEN.pattern, "year": YEAR, "used": used}


def _dates(text: str) -> tuple[str, str] | None:
    """The texts of the two dates of a period, the same for a single date; None for other texts."""
    text = text.strip()
    if (span := _between(shape_of(text))) is not None:
        return text[: span[0]], text[span[1] :]
    return (text, text) if is_date(text) else None


@lru_cache(4096)
def _between(shape: str) -> tuple[int, int] | None:
    """Where the first of two dates ends and the second begins, in texts of a shape."""
    for found in _TO.finditer(shape[:200]):
        first, last = shape[: found.start()], shape[found.end() :]
        if is_date(first) and (is_date(last) or _OPEN.fullmatch(last)):
            return found.span()
    return None
